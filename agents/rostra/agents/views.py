"""What a member has seen of its chats: one growing list a chat, the chats least recently used forgotten first."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import overload

import msgspec

from rostra.protocol import ChatMessage

from .state import KEPT_CHATS, Store


class Messages(Sequence[ChatMessage]):
    """A list of messages that its reader cannot change. It is no copy: it grows with the chat."""

    __slots__ = ("_list",)

    def __init__(self, messages: list[ChatMessage]) -> None:
        self._list = messages

    @overload
    def __getitem__(self, index: int) -> ChatMessage: ...
    @overload
    def __getitem__(self, index: slice) -> list[ChatMessage]: ...
    def __getitem__(self, index: int | slice) -> ChatMessage | list[ChatMessage]:
        return self._list[index]

    def __len__(self) -> int:
        return len(self._list)

    def __iter__(self) -> Iterator[ChatMessage]:
        return iter(self._list)

    def __repr__(self) -> str:
        return f"Messages({self._list!r})"


def as_seen(message: ChatMessage, agent: str) -> ChatMessage:
    """`message` as `agent` sees it: own words `assistant`, others' `user`; `tool` and `function` stay."""
    if message.role in ("tool", "function"):
        return message
    role = "assistant" if message.name == agent else "user"
    return message if message.role == role else msgspec.structs.replace(message, role=role)


class View:
    """One chat as one member has seen it: the message with sequence k is at index k - 1. `store`: where it is kept as well."""

    def __init__(self, agent: str, chat: str = "", store: Store | None = None) -> None:
        self._agent, self._chat, self._store = agent, chat, store
        self._list: list[ChatMessage] = store.seen(chat) if store else []
        self.messages = Messages(self._list)
        self.lock = asyncio.Lock()

    def __len__(self) -> int:
        """The sequence of the last message seen."""
        return len(self._list)

    def extend(self, messages: Iterable[ChatMessage]) -> None:
        """What was said next."""
        place, seen = len(self._list), [as_seen(message, self._agent) for message in messages]
        self._list.extend(seen)
        if self._store:
            self._store.extend(self._chat, place, seen)

    def back_to(self, sequence: int) -> None:
        """Forget what came after `sequence`: an answer that was not accepted, a part of the chat that was taken back."""
        if len(self._list) > sequence:
            del self._list[sequence:]
            if self._store:
                self._store.back_to(self._chat, sequence)

    def again(self) -> None:
        """Take what the store holds: another process of the same name may have seen more."""
        if self._store:
            self._list[:] = self._store.seen(self._chat)


class Views:
    """The views of one member; those least recently used are forgotten, or read from the `store` again when they go on."""

    def __init__(self, agent: str, kept: int = KEPT_CHATS, store: Store | None = None) -> None:
        self._agent, self._kept, self._store = agent, kept, store
        self._views: OrderedDict[str, View] = OrderedDict()

    def __len__(self) -> int:
        return len(self._views)

    @asynccontextmanager
    async def hold(self, chat: str) -> AsyncIterator[View]:
        """The view of `chat`, for one turn at a time."""
        view = self._views.get(chat)
        if view is None:
            view = self._views[chat] = View(self._agent, chat, self._store)
        self._views.move_to_end(chat)
        async with view.lock:
            self._forget()
            yield view

    def glance(self, chat: str) -> View:
        """A copy of the view of `chat` as it is now, whoever holds it."""
        copy, view = View(self._agent), self._views.get(chat)
        if view is not None:
            copy.extend(view.messages)
        return copy

    def _forget(self) -> None:
        for chat in list(self._views):
            if len(self._views) <= self._kept:
                return
            if not self._views[chat].lock.locked():
                del self._views[chat]
