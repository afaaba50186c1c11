"""The broker's shell: a plain blocking loop over a ROUTER and an XPUB socket (design: one loop, nothing slow in it).

What makes it fast, measured (`shared` figures in docs/performance.md): the backend's `recv` and `send` bound once and called
with plain integers as flags, frame by frame; the body as a zero-copy frame; and a short cut for what goes between two bound
names, with two look-ups in the core's tables and nothing decoded.
"""

import contextlib
import logging
import os
import threading
import time
from pathlib import Path

import zmq
from zmq.backend import Socket as Backend

from rostra.protocol.address import events_address
from rostra.protocol.limits import MAX_FRAME, MAX_HEAD

from .core import Core, Output, ToAll, ToDisk, ToPeer
from .mail.writer import Writer, refuse

log = logging.getLogger(__name__)

_NOBLOCK, _SNDMORE, _RCVMORE = int(zmq.NOBLOCK), int(zmq.SNDMORE), int(zmq.RCVMORE)
_FIRST, _LAST = 16, 20
"""The message types that go between peers."""
TICK = 0.1
"""Seconds between two looks at leases, subscriptions and the wish to stop."""
HURRY = 0.002
"""The same while a subscription is announced and not yet seen."""
BETWEEN = 128
"""Messages routed between two looks at the clock."""
HIGH_WATER = 20_000


class _Poke:
    """Wakes the loop from the mail's thread: a message to the broker's own socket, from inside the process."""

    def __init__(self) -> None:
        self.route = b"poke-" + os.urandom(12)
        self._socket: zmq.Socket[bytes] | None = None

    def bind(self, context: "zmq.Context[zmq.Socket[bytes]]", router: "zmq.Socket[bytes]") -> None:
        """Open the way in."""
        self._context, self._address = context, f"inproc://{self.route.hex()}"
        router.bind(self._address)

    def __call__(self) -> None:
        """Wake the loop; always from the same thread, which also made the socket."""
        if self._socket is None:
            self._socket = self._context.socket(zmq.DEALER)
            self._socket.set(zmq.ROUTING_ID, self.route)
            self._socket.set(zmq.LINGER, 0)
            self._socket.connect(self._address)
        with contextlib.suppress(zmq.Again):  # a full queue is awake enough
            self._socket.send_multipart([b"", b"", b""], zmq.NOBLOCK)

    def close(self) -> None:
        """Close the way in; the other thread has ended."""
        if self._socket:
            self._socket.close()


class Server:
    """A broker that listens on `address` and, for events, on the address beside it; it keeps mail in the database `mail`."""

    def __init__(self, address: str, mail: Path | None = None) -> None:
        """Without `mail` letters are refused. Raises `BadName` for a bad address."""
        self.address = address
        self._mail_path = mail
        self._mail: Writer | None = None
        self._poke = _Poke()
        self._events_address = events_address(address)
        self._stop = threading.Event()
        self.ready = threading.Event()

    def stop(self) -> None:
        """Ask the loop to end; callable from a signal handler or another thread."""
        self._stop.set()

    def run(self) -> None:
        """Serve until `stop`.

        Raises `zmq.ZMQError` when an address cannot be bound, `sqlite3.DatabaseError` when the mail database is damaged.
        """
        if self._mail_path is not None:
            self._mail = Writer(self._mail_path, self._poke)
        context = zmq.Context()
        router, events = context.socket(zmq.ROUTER), context.socket(zmq.XPUB)
        try:
            self._bind(router, events)
            if self._mail:
                self._poke.bind(context, router)
                self._mail.start()
            self.ready.set()
            self._loop(router, events)
        finally:
            if self._mail:
                self._mail.close()
            self._poke.close()
            router.close(linger=200)
            events.close(linger=200)
            context.term()

    def _bind(self, router: "zmq.Socket[bytes]", events: "zmq.Socket[bytes]") -> None:
        router.set(zmq.ROUTER_MANDATORY, 1)
        for socket, address in ((router, self.address), (events, self._events_address)):
            socket.set(zmq.SNDHWM, HIGH_WATER)
            socket.set(zmq.RCVHWM, 1000)
            socket.set(zmq.MAXMSGSIZE, MAX_FRAME)
            socket.set(zmq.HEARTBEAT_IVL, 2000)
            socket.set(zmq.HEARTBEAT_TIMEOUT, 6000)
            socket.set(zmq.HEARTBEAT_TTL, 6000)
            if address.startswith("ipc://"):
                path = Path(address.removeprefix("ipc://"))
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.chmod(path.parent, 0o700)
            socket.bind(address)

    def _loop(self, router: "zmq.Socket[bytes]", events: "zmq.Socket[bytes]") -> None:
        recv, send = Backend.recv.__get__(router), Backend.send.__get__(router)
        get = Backend.get.__get__(router)
        core = Core(now=time.monotonic())
        senders, routes = core.registry.senders, core.registry.routes
        self._recv, self._send, self._get = recv, send, get
        self._publish, self._subscription = Backend.send.__get__(events), Backend.recv.__get__(events)
        timeout, until_look = -1, 0
        while not self._stop.is_set():
            wanted = round((HURRY if core.awaits_nonce else TICK) * 1000)
            if wanted != timeout:
                timeout = wanted
                router.set(zmq.RCVTIMEO, timeout)
            try:
                route = recv()
            except zmq.Again:
                self._look(core)
                until_look = BETWEEN
                continue
            until_look -= 1
            if until_look <= 0:
                self._look(core)
                until_look = BETWEEN
            peer = recv()
            if not get(_RCVMORE):
                self._emit(core, core.malformed(route, "one frame"))
                continue
            head = recv()
            if not get(_RCVMORE):
                self._emit(core, core.malformed(route, "two frames"))
                continue
            body = recv(0, False)
            if body.more:
                while recv(0, False).more:
                    pass
                self._emit(core, core.malformed(route, "more than three frames"))
                continue
            if 3 <= len(head) <= MAX_HEAD and _FIRST <= head[1] <= _LAST and head[0] == 1:
                source, target = senders.get(route), routes.get(peer)
                if source is not None and target is not None:
                    core.routed += 1
                    try:
                        send(target, _SNDMORE | _NOBLOCK)
                    except zmq.ZMQError as error:
                        self._failed(core, ToPeer(target, source, head, bytes(body)), error)
                        continue
                    send(source, _SNDMORE)
                    send(head, _SNDMORE)
                    send(body, 0, False)
                    continue
            core.now, core.wall_ms = time.monotonic(), time.time_ns() // 1_000_000
            if route == self._poke.route:
                self._stored(core)
                continue
            self._emit(core, core.received(route, peer, head, bytes(body)))

    def _look(self, core: Core) -> None:
        """Subscriptions that arrived, and leases that ended."""
        core.now, core.wall_ms = time.monotonic(), time.time_ns() // 1_000_000
        try:
            while True:
                frame = self._subscription(_NOBLOCK)
                if frame[:1] == b"\x01":
                    self._emit(core, core.heard(frame[1:]))
        except zmq.Again:
            pass
        self._emit(core, core.tick())

    def _stored(self, core: Core) -> None:
        """The mail store has answered."""
        if self._mail:
            results = self._mail.results
            self._emit(core, core.stored([results.popleft() for _ in range(len(results))]))

    def _emit(self, core: Core, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, ToAll):
                self._publish(output.topic, _SNDMORE)
                self._publish(output.head, _SNDMORE)
                self._publish(output.body)
                continue
            if isinstance(output, ToDisk):
                if self._mail:
                    self._mail.put(output.operation)
                else:
                    self._emit(core, core.stored(refuse(output.operation)))
                continue
            try:
                self._send(output.route, _SNDMORE | _NOBLOCK)
            except zmq.ZMQError as error:
                self._failed(core, output, error)
                continue
            self._send(output.peer, _SNDMORE)
            self._send(output.head, _SNDMORE)
            self._send(output.body)

    def _failed(self, core: Core, output: ToPeer, error: zmq.ZMQError) -> None:
        if error.errno == zmq.EAGAIN:
            self._emit(core, core.congested(output))
        elif error.errno == zmq.EHOSTUNREACH:
            self._emit(core, core.unreachable(output))
        else:
            raise error
