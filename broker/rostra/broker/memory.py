"""A broker in this process: the same core and the same bytes, without sockets."""

import asyncio
import itertools
import time
from collections import Counter

from rostra.protocol.clock import wall_ms
from rostra.protocol.transport import Listener

from .core import Core
from .mail.store import MailStore
from .outputs import Output, ToAll, ToDisk

TICK = 0.1
"""Seconds between two looks at leases and pauses."""


class MemoryBroker:
    """Carries messages between the clients of one event loop."""

    def __init__(self) -> None:
        self.core = Core(now=time.monotonic())
        self._store = MailStore(None)
        self._links: dict[bytes, MemoryTransport] = {}
        self._routes = itertools.count(1)
        self._ticking = False

    def transport(self) -> "MemoryTransport":
        """A transport for one client."""
        return MemoryTransport(self, b"\0" + next(self._routes).to_bytes(4, "big"))

    def _attach(self, link: "MemoryTransport", loop: asyncio.AbstractEventLoop) -> None:
        self._links[link.route] = link
        if not self._ticking:
            self._ticking = True
            loop.call_later(TICK, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._clock()
        self._emit(self.core.tick())
        self._ticking = bool(self._links)
        if self._ticking:
            loop.call_later(TICK, self._tick, loop)

    def _detach(self, link: "MemoryTransport") -> None:
        self._links.pop(link.route, None)

    def _clock(self) -> None:
        self.core.now, self.core.wall_ms = time.monotonic(), wall_ms()

    def _received(self, route: bytes, peer: bytes, head: bytes, body: bytes) -> None:
        self._clock()
        self._emit(self.core.received(route, peer, head, body))

    def _heard(self, prefix: bytes) -> None:
        self._clock()
        self._emit(self.core.heard(prefix))

    def _emit(self, outputs: list[Output]) -> None:
        for output in outputs:  # which grows meanwhile: nothing overtakes what was wanted before it
            if isinstance(output, ToAll):
                for link in list(self._links.values()):
                    link._event(output.topic, output.head, output.body)
                continue
            if isinstance(output, ToDisk):
                outputs += self.core.stored(self._store.apply([output.operation]))
                continue
            target = self._links.get(output.route)
            if target is None:
                outputs += self.core.unreachable(output)
            else:
                target._message(output.peer, output.head, output.body)


class MemoryTransport:
    """One client's connection to a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, route: bytes) -> None:
        self.route = route
        self._broker = broker
        self._prefixes: Counter[bytes] = Counter()
        self._open = False

    def open(self, listener: Listener) -> None:
        """See `Transport.open`."""
        self._listener, self._loop, self._open = listener, asyncio.get_running_loop(), True
        self._broker._attach(self, self._loop)
        self._loop.call_soon(listener.connected)
        self._loop.call_soon(listener.events_connected)

    def send(self, peer: bytes, head: bytes, body: bytes) -> bool:
        """See `Transport.send`."""
        if self._open:
            self._loop.call_soon(self._broker._received, self.route, peer, head, body)
        return self._open

    def listen(self, prefix: bytes, *, on: bool) -> None:
        """See `Transport.listen`."""
        if not on:
            self._prefixes[prefix] -= 1
            self._prefixes += Counter()  # forget what is at zero
            return
        self._prefixes[prefix] += 1
        if self._open:
            self._loop.call_soon(self._broker._heard, prefix)

    async def aclose(self) -> None:
        """See `Transport.aclose`."""
        await asyncio.sleep(0)  # what was handed over is delivered first
        self._open = False
        self._broker._detach(self)

    def _message(self, peer: bytes, head: bytes, body: bytes) -> None:
        self._loop.call_soon(self._deliver, False, peer, head, body)

    def _event(self, topic: bytes, head: bytes, body: bytes) -> None:
        if any(topic.startswith(prefix) for prefix in self._prefixes):
            self._loop.call_soon(self._deliver, True, topic, head, body)

    def _deliver(self, event: bool, first: bytes, head: bytes, body: bytes) -> None:
        if not self._open:
            return
        if event:
            self._listener.received_event(first, head, body)
        else:
            self._listener.received(first, head, body)
