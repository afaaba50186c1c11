"""A planner in the manner of Magentic-One: it keeps a ledger of the work, notices when nothing moves, and plans anew.

Before each step its model fills in the ledger: is it done, did the last step bring anything, who does what next. When `STALLS`
steps in a row brought nothing, the model makes a new plan out of what is known; after `PLANS` plans it gives up. All of this
stands in the planner's own messages, so that a planner that was killed goes on where it was.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from rostra.agents import Context, GatewayModel
from rostra.protocol import ChatMessage
from rostra.protocol.completion import CompletionRequest

PLANNER = "planner"
WORKERS = {"coder": "writes code", "tester": "tries the code and says what is wrong with it"}
STALLS, PLANS = 2, 2

_PLAN = "Make a plan for the task, in a few steps, for these members:\n{workers}\nAnswer with the plan alone."
_AGAIN = "The plan did not work out. Say in a line why, then make a new one that avoids it. Answer with the plan alone."
_LEDGER = """Look at the work so far and answer with JSON alone:
{{"done": is the task solved, "progress": did the last step bring anything new, "next": one of {names},
"instruction": what that member shall do, "answer": the solution, when it is done}}"""


class Ledger(msgspec.Struct, frozen=True):
    """What the model makes of the work so far."""

    done: bool = False
    progress: bool = False
    next: str = ""
    instruction: str = ""
    answer: str = ""


def choose(last_speaker: str, messages: Sequence[ChatMessage]) -> str | None:
    """Who speaks next: after the planner whom it named, after a worker the planner; None when it has finished."""
    if last_speaker != PLANNER:
        return PLANNER
    return str(messages[-1].metadata.get("handoff", "")) or None


async def plan(message: ChatMessage, context: Context) -> ChatMessage:
    """The planner's turn: look at the ledger, and hand the next step to a member, plan anew, or finish."""
    assert context.client is not None
    asked = _Asked(GatewayModel(context.client), context)
    own = [one for one in context.history if one.name == PLANNER]
    plans = sum("plan" in one.metadata for one in own)
    if not plans:
        workers = "\n".join(f"{name}: {what}" for name, what in WORKERS.items())
        return await _planned(asked, _PLAN.format(workers=workers), "")
    ledger = read(await asked(_LEDGER.format(names=", ".join(WORKERS))))
    if ledger.done:
        return asked.said(ledger.answer or "It is done.")
    stalls = 0 if ledger.progress else 1 + int(own[-1].metadata.get("stalls", 0))
    if stalls < STALLS and ledger.next in WORKERS:
        return asked.said(f"{ledger.next}: {ledger.instruction}", handoff=ledger.next, stalls=stalls)
    if plans >= PLANS:
        return asked.said(f"I give up: {plans} plans came to nothing.")
    return await _planned(asked, _AGAIN, f"{stalls} steps brought nothing. ")


async def _planned(asked: "_Asked", question: str, why: str) -> ChatMessage:
    """A plan, and its first step."""
    text = await asked(question)
    ledger = read(
        await asked(_LEDGER.format(names=", ".join(WORKERS)), ChatMessage(role="assistant", name=PLANNER, content=text))
    )
    first = ledger.next if ledger.next in WORKERS else next(iter(WORKERS))
    return asked.said(f"{why}{text}\n{first}: {ledger.instruction}", handoff=first, plan=text)


def read(text: str) -> Ledger:
    """The ledger in a model's answer; one that cannot be read counts as a step that brought nothing."""
    try:
        return msgspec.convert(json.loads(text[text.index("{") : text.rindex("}") + 1]), Ledger)
    except (ValueError, msgspec.ValidationError):
        return Ledger()


class _Asked:
    """The planner's model, and how often it was asked: a script is followed by that."""

    def __init__(self, model: GatewayModel, context: Context) -> None:
        self._model, self._context, self._asked = model, context, 0
        own = [one for one in context.history if one.name == PLANNER]
        self._before = sum(int(one.metadata.get("completions", 1)) for one in own)

    async def __call__(self, question: str, *more: ChatMessage) -> str:
        request = CompletionRequest(
            messages=(*self._context.history, *more, ChatMessage(role="system", content=question)),
            agent=PLANNER,
            ordinal=self._before + self._asked,
            chat=self._context.chat,
        )
        completion = await self._model.complete(request)
        self._asked += 1
        self._context.usage.append(completion.usage)
        return completion.content

    def said(self, text: str, **metadata: Any) -> ChatMessage:
        """What the planner says, with what it must know the next time."""
        return ChatMessage(role="assistant", content=text, metadata={"completions": self._asked, **metadata})
