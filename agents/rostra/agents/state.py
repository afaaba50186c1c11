"""What an agent keeps between messages, behind one small interface: in memory, or on disk.

It keeps what the agent has seen of its chats, the answers it has given (so that a turn that is asked again after a crash is not
worked on, and paid for, twice), and whatever the handler puts there.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from rostra.protocol import ChatMessage
from rostra.protocol.frames import decode_body, encode_body

KEPT_CHATS = 256
"""Chats that are remembered in memory."""
KEPT_ANSWERS = 512


class Store(Protocol):
    """Where the state of one agent is kept. Places in a chat are counted from 0."""

    def seen(self, chat: str) -> list[ChatMessage]:
        """The messages of `chat`, in order."""
        ...

    def extend(self, chat: str, place: int, messages: Sequence[ChatMessage]) -> None:
        """Keep `messages` from `place` on."""
        ...

    def back_to(self, chat: str, place: int) -> None:
        """Forget the messages of `chat` from `place` on."""
        ...

    def answer(self, key: bytes) -> bytes | None:
        """The answer kept under `key`."""
        ...

    def keep_answer(self, key: bytes, body: bytes) -> None:
        """Keep an answer; the oldest ones are forgotten."""
        ...

    def get(self, key: str) -> bytes | None:
        """What the handler has put under `key`."""
        ...

    def put(self, key: str, value: bytes | None) -> None:
        """Keep `value` under `key`; None: nothing is kept there any more."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class State:
    """A handler's own things in a store: plain values (what MessagePack has a form for) under text keys."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`."""
        value = self._store.get(key)
        return default if value is None else decode_body(value)

    def put(self, key: str, value: Any) -> None:
        """Keep `value`; raises `BadMessage` for one that has no form on the wire."""
        self._store.put(key, encode_body(value))

    def delete(self, key: str) -> None:
        """Forget `key`; nothing happens when it is not there."""
        self._store.put(key, None)


class MemoryStore:
    """A `Store` that ends with the process."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, list[ChatMessage]] = OrderedDict()
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()
        self._values: dict[str, bytes] = {}

    def seen(self, chat: str) -> list[ChatMessage]:
        """See `Store`."""
        return list(self._seen.get(chat, ()))

    def extend(self, chat: str, place: int, messages: Sequence[ChatMessage]) -> None:
        """See `Store`."""
        kept = self._seen.setdefault(chat, [])
        kept[place : place + len(messages)] = messages
        self._seen.move_to_end(chat)
        while len(self._seen) > KEPT_CHATS:
            self._seen.popitem(last=False)

    def back_to(self, chat: str, place: int) -> None:
        """See `Store`."""
        if chat in self._seen:
            del self._seen[chat][place:]

    def answer(self, key: bytes) -> bytes | None:
        """See `Store`."""
        return self._answers.get(key)

    def keep_answer(self, key: bytes, body: bytes) -> None:
        """See `Store`."""
        self._answers[key] = body
        while len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)

    def get(self, key: str) -> bytes | None:
        """See `Store`."""
        return self._values.get(key)

    def put(self, key: str, value: bytes | None) -> None:
        """See `Store`."""
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def close(self) -> None:
        """See `Store`."""
