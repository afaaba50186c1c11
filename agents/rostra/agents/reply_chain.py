"""The reply chain: functions that are tried in order until one gives the final answer."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rostra.protocol import ChatMessage

from .responder import Context

if TYPE_CHECKING:
    from .conversable import ConversableAgent
    from .remote import Remote


class Conversation:
    """What a reply function is given.

    `messages`: as the agent has seen them, own words with role `assistant`, the one to answer last; `sender`: who said that one,
    an agent of this process or the name of another; `auto_replies`: how many automatic replies there were in a row;
    `context`: see `Context`; `stored`: the conversation as it is kept, where hooks have changed what is seen of it.
    """

    def __init__(
        self,
        messages: Sequence[ChatMessage],
        sender: "ConversableAgent | Remote | str",
        auto_replies: int,
        context: Context,
        stored: Sequence[ChatMessage] | None = None,
    ) -> None:
        self.messages, self.sender, self.auto_replies, self.context = messages, sender, auto_replies, context
        self.stored = messages if stored is None else stored

    @property
    def message(self) -> ChatMessage:
        """The message to answer; an empty one at the very beginning."""
        return self.messages[-1] if self.messages else ChatMessage()

    @property
    def sender_name(self) -> str:
        """The name of `sender`; may be empty."""
        return self.sender if isinstance(self.sender, str) else self.sender.name


Outcome = tuple[bool, ChatMessage | str | None]
ReplyFunction = Callable[["ConversableAgent", Conversation], Outcome | Awaitable[Outcome]]
"""(agent, conversation) → (final, reply): the first final one wins; `(True, None)` is: no reply."""

Trigger = Any
"""A class, the name of an agent, an agent, a predicate of the sender, None (nobody in particular), or a list of these."""


def anybody(sender: object) -> bool:
    """The trigger that always fires."""
    return True


def check_trigger(trigger: Trigger) -> None:
    """Raise ValueError for what can be no trigger."""
    if isinstance(trigger, list | tuple):
        for each in trigger:
            check_trigger(each)
    elif not (trigger is None or isinstance(trigger, str | type) or callable(trigger) or hasattr(trigger, "generate_reply")):
        raise ValueError(f"{trigger!r} is no trigger: a class, a name, an agent, a predicate, None, or a list of these")


def fires(trigger: Trigger, sender: "ConversableAgent | Remote | str") -> bool:
    """Whether a function registered with `trigger` is tried for a message of `sender`."""
    if trigger is None:
        return sender == ""
    if isinstance(trigger, list | tuple):
        return any(fires(each, sender) for each in trigger)
    if isinstance(trigger, str):
        return trigger == (sender if isinstance(sender, str) else sender.name)
    if isinstance(trigger, type):
        return isinstance(sender, trigger)
    if hasattr(trigger, "generate_reply"):
        return trigger is sender
    return bool(trigger(sender))


class ReplyChain:
    """Functions with their triggers; later registrations are tried first."""

    def __init__(self, defaults: Iterable[ReplyFunction] = ()) -> None:
        self._entries: list[tuple[Trigger, ReplyFunction]] = [(anybody, function) for function in defaults]

    def register(self, trigger: Trigger, function: ReplyFunction, position: int = 0, *, alone: bool = False) -> None:
        """Put `function` at `position` (0: tried first); `alone`: all others go. Raises ValueError for a bad trigger."""
        check_trigger(trigger)
        if alone:
            self._entries.clear()
        self._entries.insert(position, (trigger, function))

    def functions(self, sender: "ConversableAgent | Remote | str") -> list[ReplyFunction]:
        """The functions to try for a message of `sender`, in order."""
        return [function for trigger, function in self._entries if fires(trigger, sender)]
