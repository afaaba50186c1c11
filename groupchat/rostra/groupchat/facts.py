"""What a stop condition can know of a chat: counted over the transcript, so that a restart resets nothing. Pure."""

import math
from collections.abc import Iterable

import msgspec

from rostra.protocol import ChatMessage, Usage

SECOND_CHANCE = 2
"""Failed turns in a row after which even a member without alternative is not asked again."""
MOST = 10**12
"""Tokens, or dollars, that one answer may claim."""


class Facts(msgspec.Struct, frozen=True):
    """The chat so far, in a few figures."""

    messages: int = 0
    usage: Usage = Usage()
    seconds: float = 0.0
    """Since the chat began."""
    last: ChatMessage | None = None
    """The newest message; None while there is only the opening, which ends no chat by what it says."""
    identical: int = 0
    """How many messages with the same content, the newest included, stand in a row."""
    executed: tuple[str, ...] = ()
    """The functions to whose calls the newest message answers."""
    pending: dict[str, str] = {}
    """Calls of the newest message that calls anything: id → function."""
    votes: dict[str, tuple[int, str]] = {}
    """The last vote on each question of a stop condition: the number of messages then, and the option that won, if any."""

    def with_message(self, message: ChatMessage) -> "Facts":
        """The facts after one more message of the transcript; the first one is the opening."""
        replace = msgspec.structs.replace
        if self.messages == 0:
            return replace(self, messages=1)
        same = self.last is not None and _said(self.last) == _said(message)
        return replace(
            self,
            messages=self.messages + 1,
            last=message,
            identical=self.identical + 1 if same else 1,
            executed=tuple(one.name or self.pending.get(one.id, "") for one in message.tool_responses),
            pending={call.id: call.name for call in message.tool_calls} or self.pending,
        )

    def with_usage(self, usage: Iterable[Usage]) -> "Facts":
        """The facts after these completions were paid for."""
        return msgspec.structs.replace(self, usage=total(self.usage, *usage))

    def with_vote(self, text: str, winner: str) -> "Facts":
        """The facts after the members voted on a question of a stop condition."""
        return msgspec.structs.replace(self, votes={**self.votes, text: (self.messages, winner)})

    def at(self, seconds: float) -> "Facts":
        """The same facts, `seconds` after the chat began."""
        return msgspec.structs.replace(self, seconds=seconds)


def total(*usages: Usage) -> Usage:
    """The sum of usages; the name of a model stays only when all agree."""
    models = {usage.model for usage in usages if usage.model}
    return Usage(
        model=models.pop() if len(models) == 1 else "",
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        cost=sum(usage.cost for usage in usages),
        estimated=any(usage.estimated for usage in usages),
    )


def plausible(usages: Iterable[Usage]) -> tuple[Usage, ...]:
    """What a member says its answer has used, without figures that nothing can have used: a budget is no member's to refill."""
    return tuple(
        msgspec.structs.replace(
            usage,
            prompt_tokens=min(max(0, usage.prompt_tokens), MOST),
            completion_tokens=min(max(0, usage.completion_tokens), MOST),
            cost=min(max(0.0, usage.cost), float(MOST)) if math.isfinite(usage.cost) else 0.0,
        )
        for usage in usages
    )


def _said(message: ChatMessage) -> object:
    """What makes two messages the same: their words and calls, whoever says them."""
    calls = [(call.name, call.arguments) for call in message.tool_calls]
    return message.content, calls, [one.content for one in message.tool_responses]
