"""The broker's shell: a plain blocking loop over a ROUTER and an XPUB socket (design: one loop, nothing slow in it).

What makes it fast, measured (docs/performance.md): the backend's `recv` and `send` bound once and called with plain integers as
flags, frame by frame, and a short cut for what goes between two bound names, with two look-ups in the core's tables and nothing
decoded.

Whether another frame follows is asked after each: of a message with too many the rest would be taken for one that was never sent,
and one with too few would take the next one, another peer's, with it.
"""

import logging
import threading
import time
from pathlib import Path

import zmq
from zmq.backend import Socket as Backend

from rostra.protocol.address import events_address
from rostra.protocol.bundles import BETWEEN_PEERS, MARK
from rostra.protocol.clock import wall_ms
from rostra.protocol.failpoints import passing
from rostra.protocol.keys import KeyRing, NoKey
from rostra.protocol.limits import MAX_HEAD

from .access import Access
from .core import Core
from .guard import Guard, Unguarded
from .mail.writer import Writer, refuse
from .more import has_more
from .outputs import Output, ToAll, ToDisk, ToPeer
from .sockets import Context, Poke, Socket, alone, open_events, open_router

log = logging.getLogger(__name__)

_NOBLOCK, _SNDMORE = int(zmq.NOBLOCK), int(zmq.SNDMORE)
_ROUTED = BETWEEN_PEERS | {MARK}
"""How the heads of messages begin that are passed on as they are."""
TICK = 0.1
"""Seconds between two looks at leases, subscriptions and the wish to stop."""
HURRY = 0.002
"""The same while a subscription is announced and not yet seen."""
BETWEEN = 128
"""Messages routed between two looks at the clock."""


class Server:
    """A broker that listens on `address` and, for events, on the address beside it."""

    def __init__(
        self, address: str, mail: Path | None = None, *, keys: KeyRing | None = None, access: Access | None = None
    ) -> None:
        """`mail`: the database for letters; without it they are refused. `keys`: needed for TCP. `access`: who may do what.

        Raises `BadName` for a bad address, `NoKey` for TCP without the broker's keys.
        """
        self.address, self._events_address = address, events_address(address)
        self.ready = threading.Event()
        if keys is None and address.startswith("tcp://"):
            raise NoKey("a broker that listens on TCP needs a key ring; `rostra keys init` makes one")
        self._guard = Guard(keys) if keys and address.startswith("tcp://") else None
        self._access = access or Access()
        self._mail_path = mail
        self._mail: Writer | None = None
        self._poke = Poke()
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask the loop to end; callable from a signal handler or another thread."""
        self._stop.set()

    def run(self) -> None:
        """Serve until `stop`.

        Raises `zmq.ZMQError` when an address cannot be bound, `sqlite3.DatabaseError` when the mail database is damaged.
        """
        with alone(self.address):
            self._serve()

    def _serve(self) -> None:
        if self._mail_path is not None:
            self._mail = Writer(self._mail_path, self._poke)
        context = zmq.Context()
        if self._guard:
            self._guard.start(context)
        try:
            router = open_router(context, self.address, self._guard)
            self._open_events(context)
            if self._guard:
                self._guard.self_test(self.address, zmq.DEALER)
                self._guard.self_test(self._events_address, zmq.SUB)
            if self._mail:
                self._poke.bind(context, router)
                self._mail.start()
            self.ready.set()
            self._loop(context, router)
        finally:
            if self._mail:
                self._mail.close()
            self._poke.close()
            if self._guard:
                self._guard.stop()
            context.destroy()

    def _open_events(self, context: Context) -> None:
        self._events = open_events(context, self._events_address, self._guard)
        self._publish = Backend.send.__get__(self._events)

    def _loop(self, context: Context, router: Socket) -> None:
        recv, send = Backend.recv.__get__(router), Backend.send.__get__(router)
        ask, more = has_more(router)
        guard = self._guard
        core = Core(now=time.monotonic(), guarded=guard is not None, access=self._access)
        if guard:
            core.knows = guard.knows
        users, user = core.registry.users, ""
        senders, routes = core.registry.senders, core.registry.routes
        self._send = send
        self._context = context
        timeout, batch, routed = -1, range(BETWEEN), 0
        while not self._stop.is_set():
            self._look(core)
            wanted = round((HURRY if core.awaits_nonce else TICK) * 1000)
            if wanted != timeout:
                timeout = wanted
                router.set(zmq.RCVTIMEO, timeout)
            for _ in batch:
                try:
                    if guard is None:
                        route = recv()
                    else:
                        first = recv(0, False)
                        route = first.bytes
                        user = "" if route == self._poke.route else _user(first)
                except zmq.Again:
                    break
                peer = recv(_NOBLOCK)
                ask()  # each time: a message that is cut short must not swallow the next one, another peer's
                if not more:
                    self._emit(core, core.malformed(route, "one frame"))
                    continue
                head = recv(_NOBLOCK)
                ask()
                if not more:
                    self._emit(core, core.malformed(route, "two frames"))
                    continue
                body = recv(_NOBLOCK)
                ask()
                if more:
                    while more:
                        recv(_NOBLOCK)
                        ask()
                    self._emit(core, core.malformed(route, "not three frames"))
                    continue
                source, target = senders.get(route), routes.get(peer)
                if (
                    source is not None
                    and target is not None
                    and head[:2] in _ROUTED
                    and 3 <= len(head) <= MAX_HEAD
                    and (guard is None or users.get(route) == user)
                ):
                    routed += 1
                    try:
                        send(target, _SNDMORE | _NOBLOCK)
                    except zmq.ZMQError as error:
                        self._emit(core, self._failed(core, ToPeer(target, source, head, body), error))
                        continue
                    send(source, _SNDMORE)
                    send(head, _SNDMORE)
                    send(body)
                    continue
                core.routed += routed
                routed = 0
                core.now, core.wall_ms = time.monotonic(), wall_ms()
                if route == self._poke.route:
                    self._stored(core)
                    continue
                self._emit(core, core.received(route, peer, head, body, user))
                if core.awaits_nonce:
                    break

    def _look(self, core: Core) -> None:
        """Subscriptions that arrived, keys that are gone, leases that ended."""
        core.now, core.wall_ms = time.monotonic(), wall_ms()
        while int(self._events.get(zmq.EVENTS)) & zmq.POLLIN:
            frame = self._events.recv(copy=False)
            self._subscription(core, frame.bytes, _user(frame) if self._guard else "")
        if self._mail and self._mail.broken:
            raise RuntimeError("the mail store's thread has ended") from self._mail.broken
        if self._mail and self._mail.results:  # a malformed message may have swallowed the word of them
            self._stored(core)
        if self._guard:
            self._guard.refresh()
            if core.admit(self._guard.identities()):
                self._reopen_events()
        self._emit(core, core.tick())

    def _subscription(self, core: Core, frame: bytes, user: str) -> None:
        subscribed, topic = frame[:1] == b"\x01", frame[1:]
        if self._guard:
            if not subscribed:
                self._events.set(zmq.UNSUBSCRIBE, topic)
            elif core.may_subscribe(user, topic):
                self._events.set(zmq.SUBSCRIBE, topic)
            else:
                log.warning("%s may not subscribe to %r", user.partition(" ")[0], topic)
                return
        if subscribed:
            self._emit(core, core.heard(topic))

    def _reopen_events(self) -> None:
        """A key is gone. ZeroMQ cannot throw out one subscriber; so all connect anew, and whoever still may fills the gap."""
        self._events.close(linger=0)
        for _ in range(100):
            try:
                self._open_events(self._context)
                return
            except zmq.ZMQError:  # the old socket's port is let go by another thread, in its own time
                time.sleep(0.02)
        raise Unguarded(f"cannot bind {self._events_address} again after a key was revoked")

    def _stored(self, core: Core) -> None:
        """The mail store has answered."""
        if self._mail:
            passing("mail.before_stored")
            results = self._mail.results
            self._emit(core, core.stored([results.popleft() for _ in range(len(results))]))

    def _emit(self, core: Core, outputs: list[Output]) -> None:
        """Do what the core wants; what comes of that is done after the rest, so that no delivery overtakes another."""
        for output in outputs:  # which grows meanwhile
            if isinstance(output, ToAll):
                publish = self._publish
                publish(output.topic, _SNDMORE)
                publish(output.head, _SNDMORE)
                publish(output.body)
                continue
            if isinstance(output, ToDisk):
                if self._mail:
                    self._mail.put(output.operation)
                else:
                    outputs += core.stored(refuse(output.operation))
                continue
            try:
                self._send(output.route, _SNDMORE | _NOBLOCK)
            except zmq.ZMQError as error:
                outputs += self._failed(core, output, error)
                continue
            self._send(output.peer, _SNDMORE)
            self._send(output.head, _SNDMORE)
            self._send(output.body)

    def _failed(self, core: Core, output: ToPeer, error: zmq.ZMQError) -> list[Output]:
        if error.errno == zmq.EAGAIN:
            return core.congested(output)
        if error.errno == zmq.EHOSTUNREACH:
            return core.unreachable(output)
        raise error


def _user(frame: zmq.Frame) -> str:
    """What the authenticator said of the connection that a frame came over; empty where libzmq itself speaks.

    It does when the last subscriber to a topic is gone.
    """
    try:
        return str(frame.get("User-Id"))
    except zmq.ZMQError:
        return ""
