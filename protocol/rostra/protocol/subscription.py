"""Events as a program has them: one after the other, with what was missed counted."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from .errors import Cancelled, RequestError
from .frames import decode_body
from .messages import Event
from .names import check_pattern

if TYPE_CHECKING:
    from .client import Client

T = TypeVar("T")


class ReceivedEvent(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An event: who published it (`sender`), on which `topic`, its `sequence` there, `time_ms`, and the `payload`."""

    topic: str
    _header: Event
    _body: bytes

    @property
    def sender(self) -> str:
        """The name of who published it; empty: the broker."""
        return self._header.sender

    @property
    def sequence(self) -> int:
        """Its number on the topic, from 1."""
        return self._header.sequence

    @property
    def time_ms(self) -> int:
        """When the broker stamped it, in milliseconds since 1970."""
        return self._header.time_ms

    @property
    def payload(self) -> Any:
        """The payload as plain values."""
        return decode_body(self._body)

    def decode(self, kind: type[T]) -> T:
        """The payload as `kind`; raises `BadMessage` when it is none."""
        value: T = decode_body(self._body, kind)
        return value


class Subscription:
    """Events of the topics under a pattern: `async for event in subscription`.

    `missed` counts, exactly, the events that are lost to it; `on_gap(topic, count)` is told of each gap.
    """

    def __init__(self, client: "Client", pattern: str, since: int | None, on_gap: Callable[[str, int], None] | None) -> None:
        self.pattern, self.missed = check_pattern(pattern), 0
        self._client, self._since, self._on_gap = client, since, on_gap
        self._queue: deque[ReceivedEvent] = deque()
        self._wakeup = asyncio.Event()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number: int | None = None
        self._error: RequestError | None = None

    async def __aenter__(self) -> Self:
        """Subscribe, and wait until the path is proven: what is published from now on arrives or is counted."""
        self._start()
        try:
            await asyncio.shield(self._opened)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the subscription."""
        if self._number is not None:
            self._client._unsubscribe(self._number)
        self._finish(None)

    def __aiter__(self) -> AsyncIterator[ReceivedEvent]:
        self._start()
        return self

    async def __anext__(self) -> ReceivedEvent:
        while not self._queue:
            if self._number is None:
                if self._error:
                    raise self._error
                raise StopAsyncIteration
            self._wakeup.clear()
            await self._wakeup.wait()
        event = self._queue.popleft()
        if self._number is not None:
            self._client._taken(self._number)
        return event

    def _start(self) -> None:
        if self._number is None and not self._opened.done():
            self._number = self._client._subscribe(self, self._since)

    def _finish(self, error: RequestError | None) -> None:
        self._number, self._error = None, error
        self._wakeup.set()
        if not self._opened.done():
            self._opened.set_exception(error or Cancelled("the subscription was closed"))
            self._opened.exception()  # whoever waits gets it; nobody waiting is no fault

    def _deliver(self, event: ReceivedEvent) -> None:
        self._queue.append(event)
        if len(self._queue) == 1:  # else nobody waits: who takes the last one waits anew
            self._wakeup.set()

    def _gap(self, topic: str, count: int) -> None:
        self.missed += count
        if self._on_gap:  # not from here: what it raises must not stop the reader
            self._client._loop.call_soon(self._on_gap, topic, count)
