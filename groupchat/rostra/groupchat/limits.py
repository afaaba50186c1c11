"""Which limit cuts a chat off, and when time alone may do so. Pure."""

from hashlib import blake2b
from typing import Literal

import msgspec

from rostra.protocol import Answer, Question
from rostra.protocol.chat import Control
from rostra.protocol.people import Asking

from .conditions import Condition, Watch
from .facts import Facts
from .floor import Floor
from .options import Budget

Resource = Literal["tokens", "cost", "seconds"]


def reached(budget: Budget, facts: Facts, max_rounds: int) -> str:
    """Which limit is reached, a sentence; empty: none."""
    spent = used_up(budget, facts)
    if spent:
        return spent
    if facts.messages >= max_rounds:
        return f"max_rounds: there are {facts.messages} messages"
    return ""


def used_up(budget: Budget, facts: Facts) -> str:
    """Which part of the budget is used up, a sentence; empty: none."""
    if budget.tokens and facts.usage.tokens >= budget.tokens:
        return f"the budget of {budget.tokens:,} tokens is used up ({facts.usage.tokens:,})"
    if budget.cost and facts.usage.cost >= budget.cost:
        return f"the budget of {budget.cost:g} dollars is used up ({facts.usage.cost:.4f})"
    if budget.seconds and facts.seconds >= budget.seconds:
        return f"the budget of {budget.seconds:g} seconds is used up"
    return ""


def budget_of(budget: Budget, floor: Floor) -> Budget:
    """The budget as operators have left it."""
    return Budget(tokens=floor.tokens or budget.tokens, cost=floor.cost or budget.cost, seconds=floor.seconds or budget.seconds)


class Clock:
    """The moments at which time alone may end a chat with this stop condition."""

    def __init__(self, stop: Condition | None) -> None:
        self._times = sorted(Watch(stop).times)

    def after(self, seconds: float, budget: Budget) -> float | None:
        """The first of them, or of the `budget`, after `seconds`; None: there is none."""
        times = sorted([*self._times, budget.seconds]) if budget.seconds else self._times
        return next((one for one in times if one > seconds), None)


# ---- a budget that a person may extend


def extension_id(chat: str, number: int) -> bytes:
    """The id of the question whether the budget of a chat is extended for the `number`th time: 16 bytes."""
    return blake2b(f"{number}/{chat}".encode(), digest_size=16, person=b"rostra budget").digest()


def extension_question(chat: str, reason: str, asking: Asking) -> Question:
    """What a person is asked when the budget of a chat is used up, which `reason` says."""
    return Question(
        text=f"In chat {chat} {reason}. Extend it? yes: by as much again; a number: by that; no: the chat ends.",
        chat=chat,
        options=("yes", "no"),
        default=(asking.default if asking.default is not None else "no") if asking.seconds else None,
        seconds=asking.seconds,
        assignee=asking.assignee,
        kind="budget",
        form="amount",
    )


def extended(control: Control, original: Budget, floor: Floor, facts: Facts) -> Control:
    """The answer to that question with the budget that follows from it; without one, it was a no.

    `original`: the chat's options' budget; as much again means that of it. What is used counts: the extension begins there.
    """
    answer = control.item.answer if control.item is not None else None
    budget = budget_of(original, floor)
    changes: dict[Resource, float] = {}
    used: dict[Resource, float] = {"tokens": facts.usage.tokens, "cost": facts.usage.cost, "seconds": facts.seconds}
    for resource, amount in used.items():
        limit = getattr(budget, resource)
        more = _amount(answer, getattr(original, resource) or limit)
        if limit and amount >= limit and more > 0:
            changes[resource] = int(amount + more) if resource == "tokens" else amount + more
            if answer is not None and not answer.agrees:
                break  # the number was about the one that the question named
    return msgspec.structs.replace(control, **changes)


def _amount(answer: Answer | None, again: float) -> float:
    if answer is None:
        return 0.0
    if answer.agrees:
        return again
    try:
        amount = float(answer.text.strip().lstrip("+$").replace(",", "").replace("_", ""))
    except ValueError:
        return 0.0
    return amount if 0 < amount < float("inf") else 0.0
