"""The summary of a chat of two agents."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from rostra.protocol import ChatMessage, Usage
from rostra.protocol.completion import CompletionRequest

from .adapt import call
from .prompt import build_prompt

if TYPE_CHECKING:
    from .conversable import ConversableAgent
    from .dialogue import Partner

SummaryMethod = str | Callable[["ConversableAgent", "Partner", Mapping[str, Any]], "str | Awaitable[str]"] | None
"""`last_msg`, `reflection_with_llm`, a function (sender, recipient, summary_args) → text, or None: no summary."""

REFLECTION_PROMPT = (
    "State what is to be taken away from this conversation, as briefly as completeness allows. "
    "Begin with the matter itself: no introduction, no mention of the participants."
)


async def summarise(
    method: SummaryMethod, sender: "ConversableAgent", recipient: "Partner", args: Mapping[str, Any]
) -> tuple[str, tuple[Usage, ...]]:
    """The summary of what `sender` and `recipient` said, and what making it used.

    Raises ValueError for an unknown method, or a reflection where neither agent has a model.
    """
    match method:
        case None | "":
            return "", ()
        case "last_msg":
            last = sender.last_message(recipient)
            return (last.text.replace("TERMINATE", "").strip() if last else ""), ()
        case "reflection_with_llm":
            return await _reflect(sender, recipient, args)
        case str():
            raise ValueError(f"a summary is made by last_msg, reflection_with_llm or a function, not by {method!r}")
        case _:
            return str(await call(method, sender, recipient, args)), ()


async def _reflect(sender: "ConversableAgent", recipient: "Partner", args: Mapping[str, Any]) -> tuple[str, tuple[Usage, ...]]:
    agent: ConversableAgent = sender
    partner: Partner = recipient
    if recipient.model is not None:  # an agent of another process keeps its model to itself
        agent, partner = recipient, sender
    if agent.model is None:
        raise ValueError(f"neither {sender.name} nor {recipient.name} has a model to summarise with")
    prompt = str(args.get("summary_prompt") or REFLECTION_PROMPT)
    said = build_prompt(agent.dialogue(partner).messages, agent.name)
    request = CompletionRequest(
        messages=(*said, ChatMessage(role="system", content=prompt)),
        model=agent.model_name,
        options=agent.model_options,
        agent=agent.name,
    )
    completion = await agent.model.complete(request)
    agent.spending.add(completion.usage)
    return completion.content, (completion.usage,)
