"""What is shown of a long conversation: limits and name tags. The stored conversation is never changed.

A message with calls and the message that answers them stay together or go together, and a system message in front stays.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from rostra.protocol import ChatMessage

from .models.usage import tokens_in

if TYPE_CHECKING:
    from .conversable import ConversableAgent

Group = list[ChatMessage]
"""Messages that stay together."""


class Transform(Protocol):
    """Takes messages, gives messages."""

    def apply(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """The messages as they are to be shown."""
        ...


class TransformMessages:
    """Transforms, one after the other, in front of an agent's replies: `TransformMessages([…]).add_to_agent(agent)`."""

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self.transforms = list(transforms)

    def add_to_agent(self, agent: "ConversableAgent") -> None:
        """Show `agent` the conversation so."""
        agent.register_hook("process_all_messages_before_reply", self._apply)

    async def _apply(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        shown = list(messages)
        for each in self.transforms:
            shown = each.apply(shown)
        return shown


class MessageHistoryLimiter:
    """Shows the last `max_messages` messages at most; `keep_first_message`: the first one is always one of them.

    Where calls and their answer do not fit together, fewer are shown; the last message is always shown, with the calls that it
    answers. Raises ValueError for a limit below 1.
    """

    def __init__(self, max_messages: int, *, keep_first_message: bool = False) -> None:
        if max_messages < 1:
            raise ValueError("max_messages is at least 1")
        self.max_messages, self.keep_first_message = max_messages, keep_first_message

    def apply(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """See `Transform`."""
        system, rest = _apart(messages)
        if len(rest) <= self.max_messages:
            return list(messages)
        groups = _groups(rest)
        first = [groups.pop(0)] if self.keep_first_message and self.max_messages > 1 else []
        return [*system, *_newest(groups, self.max_messages - sum(map(len, first)), len, first)]


class MessageTokenLimiter:
    """Shows messages of `max_tokens` tokens together at most, the newest; a text longer than `max_tokens_per_message` is cut.

    With fewer than `min_tokens` in all, nothing is changed. Tokens are counted as characters / 4. The last message is always
    shown, with the calls that it answers, and so is the first one with `keep_first_message`.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        max_tokens_per_message: int | None = None,
        *,
        min_tokens: int = 0,
        keep_first_message: bool = False,
    ) -> None:
        if any(limit is not None and limit < 1 for limit in (max_tokens, max_tokens_per_message)):
            raise ValueError("limits of tokens are at least 1")
        self.max_tokens, self.max_tokens_per_message = max_tokens, max_tokens_per_message
        self.min_tokens, self.keep_first_message = min_tokens, keep_first_message

    def apply(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """See `Transform`."""
        if _tokens(messages) < self.min_tokens:
            return list(messages)
        system, rest = _apart([self._cut(each) for each in messages])
        if self.max_tokens is None:
            return [*system, *rest]
        groups = _groups(rest)
        first = [groups.pop(0)] if self.keep_first_message and len(groups) > 1 else []
        room = self.max_tokens - _tokens(system) - sum(_tokens(group) for group in first)
        return [*system, *_newest(groups, room, _tokens, first)]

    def _cut(self, message: ChatMessage) -> ChatMessage:
        limit = self.max_tokens_per_message
        if limit is None or not isinstance(message.content, str) or tokens_in(len(message.content)) <= limit:
            return message
        return msgspec.structs.replace(message, content=message.content[: 4 * limit])


class NameTag:
    """Writes the name of who speaks into each text, for models that are not told names.

    `form` has `{name}` in it; `position`: in front, or at the end; a text that has the tag already is left as it is, as are own
    words and those of `except_names`. Raises ValueError for a form without `{name}`.
    """

    def __init__(
        self, form: str = "{name}:\n", *, position: Literal["start", "end"] = "start", except_names: Collection[str] = ()
    ) -> None:
        if "{name}" not in form:
            raise ValueError("the form of a name tag has {name} in it")
        self.form, self.position, self.except_names = form, position, frozenset(except_names)

    def apply(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """See `Transform`."""
        return [self._tagged(each) for each in messages]

    def _tagged(self, message: ChatMessage) -> ChatMessage:
        if not message.name or message.role != "user" or message.name in self.except_names:
            return message
        tag = self.form.replace("{name}", message.name)
        if isinstance(message.content, list):
            part = {"type": "text", "text": tag}
            tagged = [part, *message.content] if self.position == "start" else [*message.content, part]
            return message if part in message.content else msgspec.structs.replace(message, content=tagged)
        text = message.content or ""
        if text.startswith(tag) if self.position == "start" else text.endswith(tag):
            return message
        return msgspec.structs.replace(message, content=tag + text if self.position == "start" else text + tag)


def _apart(messages: Sequence[ChatMessage]) -> tuple[list[ChatMessage], list[ChatMessage]]:
    """A system message in front, and the rest."""
    leading = 1 if messages and messages[0].role == "system" else 0
    return list(messages[:leading]), list(messages[leading:])


def _groups(messages: Sequence[ChatMessage]) -> list[Group]:
    """The messages in order, those that answer calls in one group with the calls and all between."""
    groups: list[Group] = []
    for message in messages:
        wanted = {response.id for response in message.tool_responses}
        start = len(groups)
        for place in range(len(groups) - 1, -1, -1):
            if wanted and any(call.id in wanted for each in groups[place] for call in each.tool_calls):
                start = place
        group = [each for one in groups[start:] for each in one]
        del groups[start:]
        groups.append([*group, message])
    return groups


def _newest(groups: list[Group], room: int, size: Callable[[Group], int], first: list[Group]) -> list[ChatMessage]:
    kept: list[Group] = []
    for group in reversed(groups):
        room -= size(group)
        if room < 0 and kept:
            break
        kept.insert(0, group)
    return [message for group in [*first, *kept] for message in group]


def _tokens(messages: Iterable[ChatMessage]) -> int:
    return sum(
        tokens_in(
            len(each.text)
            + sum(len(call.name) + len(call.arguments) for call in each.tool_calls)
            + (0 if each.text else sum(len(response.content) for response in each.tool_responses))
        )
        for each in messages
    )
