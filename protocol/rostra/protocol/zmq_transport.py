"""The transport over ZeroMQ: a DEALER and a SUB socket on asyncio (SPEC §2).

libzmq's file descriptor is edge-triggered: it speaks once, and any call on the socket may swallow the word. So a drain ends
only when ZMQ_EVENTS says that nothing is left, and each send looks there too. Measured, this is two to five times faster than
`zmq.asyncio`. Reading an option takes longer than receiving a frame (pyzmq makes an enum member of its number), so the number
of frames is checked once, by the third frame, which knows whether it is the last: a broker sends no other messages, and one that
was shorter would only spoil the next.

A lone message goes at once. Where several are sent in one turn of the event loop they travel as bundles, one for each peer: two
fifths of the work for everybody on the way (docs/performance.md).
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from zmq.backend import Socket as Backend
from zmq.utils.monitor import parse_monitor_message

from .address import events_address
from .bundles import MARK, bundled, count, may_bundle
from .keys import Credentials, KeyRing, NoKey
from .limits import MAX_FRAME
from .transport import Listener

_NOBLOCK, _SNDMORE, _RCVMORE = int(zmq.NOBLOCK), int(zmq.SNDMORE), int(zmq.RCVMORE)
_MORE_NOW = _SNDMORE | _NOBLOCK
_EVENTS, _POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
BATCH = 64
"""Messages taken per turn of the event loop, so that a flood does not starve the program."""
FLUSH_MS = 1000
EAGER = 8
"""Messages that go at once before those that follow in the same turn of the loop are gathered."""
BACKLOG = 20_000
"""Messages that wait when libzmq's own queue is full."""
OPTIONS = {
    zmq.LINGER: FLUSH_MS,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 1000,
    zmq.HEARTBEAT_IVL: 1500,
    zmq.HEARTBEAT_TIMEOUT: 5000,
    zmq.HEARTBEAT_TTL: 5000,
    zmq.MAXMSGSIZE: MAX_FRAME,
}
MONITORED = int(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)


class _Reader:
    """Calls `take(*frames)` for each message of one socket, on the event loop; a message has three frames."""

    def __init__(self, socket: "zmq.Socket[bytes]", take: Any) -> None:
        self.socket, self._take = socket, take
        self._recv = Backend.recv.__get__(socket)
        self._get = Backend.get.__get__(socket)
        self._loop = asyncio.get_running_loop()
        self._armed = self._closed = False
        self._room = BATCH
        """Messages that this drain may still take."""
        self._fd = int(socket.fd)
        self._loop.add_reader(self._fd, self._drain)
        self.arm()

    def arm(self) -> None:
        """Look once more on the next turn of the loop."""
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._drain)

    def look(self) -> None:
        """After a send, which may have swallowed the descriptor's word: see whether something is there."""
        if not self._armed and self._get(_EVENTS) & _POLLIN:
            self.arm()

    def _drain(self) -> None:
        self._armed = False
        recv, get = self._recv, self._get
        self._room, several = BATCH, False
        try:
            while self._room > 0:
                if self._closed:
                    return
                try:
                    first, second, third = recv(_NOBLOCK), recv(_NOBLOCK), recv(_NOBLOCK, False)
                except zmq.Again:  # nothing is left, or a message was too short
                    return
                if not third.more:
                    body = third.bytes
                    self._room -= 1 if second[:2] != MARK else max(2, count(body))
                    self._take(first, second, body)
                else:
                    self._room -= 1
                    self._skip()
                if (
                    not several
                ):  # one question costs a third of a receive in vain; so where there is more than one, go on until then
                    if self._closed or not get(_EVENTS) & _POLLIN:
                        return
                    several = True
        except BaseException:
            self.arm()  # the descriptor will not speak again of what is left
            raise
        self.arm()

    def _skip(self) -> None:
        """Drain and drop a message of too many frames."""
        while self._get(_RCVMORE):
            self._recv(_NOBLOCK)

    def close(self) -> None:
        """Call nothing any more."""
        self._closed = True
        self._loop.remove_reader(self._fd)


class _Dealer(_Reader):
    """The same for a socket that also sends: the descriptor speaks as well when there is room again.

    `drained` is told, after each drain, how many messages it took.
    """

    def __init__(self, socket: "zmq.Socket[bytes]", take: Any, drained: Callable[[int], None]) -> None:
        self._drained = drained
        super().__init__(socket, take)

    def _drain(self) -> None:
        _Reader._drain(self)
        if not self._closed:
            self._drained(BATCH - self._room)


class _Monitor(_Reader):
    """The same for the events of a socket's life, which have two frames."""

    def _drain(self) -> None:
        self._armed = False
        while not self._closed:
            try:
                self._take(self._recv(_NOBLOCK), self._recv(_NOBLOCK))
            except zmq.Again:
                return


def open_transport(address: str, name: str, keys: Path | str | None = None) -> "ZmqTransport":
    """A transport to the broker at `address` for a peer called `name`.

    `keys`: the directory of the key ring, needed for TCP; without it the environment's ROSTRA_KEYS. Raises `BadName` for a bad
    address, `NoKey` for a missing key.
    """
    directory = keys or os.environ.get("ROSTRA_KEYS")
    if directory and address.startswith("tcp://"):
        return ZmqTransport(address, KeyRing(Path(directory)).credentials(name))
    return ZmqTransport(address)


class ZmqTransport:
    """Connects to the broker at `address` (`tcp://host:port` or `ipc://path`)."""

    def __init__(self, address: str, credentials: Credentials | None = None) -> None:
        """Raises `BadName` for a bad address, and `NoKey` for TCP without credentials."""
        self._addresses = (address, events_address(address))
        if credentials is None and address.startswith("tcp://"):
            raise NoKey("a broker on TCP is reached with keys only: give the key ring's directory, or set ROSTRA_KEYS")
        self._credentials = credentials if address.startswith("tcp://") else None
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._readers: list[_Reader] = []
        self._closing = self._connected = False
        self._backlog: deque[tuple[bytes, bytes, bytes]] = deque()
        self._gathered: dict[bytes, list[tuple[bytes, bytes]]] | None = None
        """What is to travel together, by peer; None: what is sent goes at once."""
        self._at_once = 0

    def open(self, listener: Listener) -> None:
        """Create the sockets; libzmq connects, and connects again, by itself."""
        self._context = context = zmq.Context()
        dealer, events = context.socket(zmq.DEALER), context.socket(zmq.SUB)
        dealer.set(zmq.IMMEDIATE, 1)
        for socket, address in zip((dealer, events), self._addresses, strict=True):
            for option, value in OPTIONS.items():
                socket.set(option, value)
            socket.set(zmq.RCVHWM, 10_000)
            if self._credentials:
                socket.set(zmq.CURVE_SERVERKEY, self._credentials.broker)
                socket.set(zmq.CURVE_PUBLICKEY, self._credentials.own.public)
                socket.set(zmq.CURVE_SECRETKEY, self._credentials.own.secret)
            self._watch(socket, listener, of_events=socket is events)
            socket.connect(address)
        self._listener = listener
        self._send = Backend.send.__get__(dealer)
        self._dealer = _Dealer(dealer, listener.received, self._drained)
        self._events = _Reader(events, listener.received_event)
        self._readers += [self._dealer, self._events]

    def send(self, peer: bytes, head: bytes, body: bytes) -> bool:
        """Hand three frames to libzmq; False when there is no connection, or `BACKLOG` messages wait for it already."""
        if self._closing:
            return False
        if self._gathered is None:
            self._at_once += 1
            if self._at_once > EAGER:
                self._gather()
        elif may_bundle(peer, head):
            self._gathered.setdefault(peer, []).append((head, body))
            return True
        else:
            self._scatter()  # so that nothing overtakes
        return self._pass(peer, head, body)

    def _drained(self, taken: int) -> None:
        self._at_once = 0
        if taken > 1:
            self._gather()  # several came: several answers go
        elif self._backlog or self._gathered is not None:
            self._flush()

    def _gather(self) -> None:
        """Let what is sent until the end of the loop's next turn travel together."""
        if self._gathered is None:
            self._gathered = {}
            asyncio.get_running_loop().call_soon(self._flush)

    def _scatter(self) -> None:
        gathered, self._gathered = self._gathered, None
        for peer, messages in (gathered or {}).items():
            for head, body in bundled(messages):
                self._pass(peer, head, body)

    def _pass(self, peer: bytes, head: bytes, body: bytes) -> bool:
        return (not self._backlog and self._hand(peer, head, body)) or self._keep(peer, head, body)

    def _keep(self, peer: bytes, head: bytes, body: bytes) -> bool:
        """For when libzmq has room."""
        if not self._connected or len(self._backlog) >= BACKLOG:
            return False
        self._backlog.append((peer, head, body))
        return True

    def _hand(self, peer: bytes, head: bytes, body: bytes) -> bool:
        send = self._send
        try:
            send(peer, _MORE_NOW)
        except zmq.Again:
            self._dealer.socket.get(_EVENTS)  # lets libzmq notice a connection that was just made
            try:
                send(peer, _MORE_NOW)
            except zmq.Again:
                return False
        try:
            send(head, _MORE_NOW)
        except zmq.Again:  # the connection broke within the message: libzmq drops the rest, up to a frame that is the last
            send(body, _NOBLOCK)
            return False
        try:
            send(body, _NOBLOCK)
        except zmq.Again:  # the same, one frame later
            return False
        self._dealer.look()
        return True

    def _flush(self) -> None:
        """Send what was gathered, and, as far as libzmq has room, what waits."""
        self._at_once = 0
        if self._closing:
            return
        self._scatter()
        while self._backlog and self._hand(*self._backlog[0]):
            self._backlog.popleft()

    def listen(self, prefix: bytes, *, on: bool) -> None:
        """Subscribe the event socket to `prefix`, or unsubscribe it."""
        if not self._closing:
            self._events.socket.set(zmq.SUBSCRIBE if on else zmq.UNSUBSCRIBE, prefix)
            self._events.arm()

    async def aclose(self) -> None:
        """Close the sockets; waits (in a thread) until libzmq has flushed, at most `FLUSH_MS`."""
        if self._closing or self._context is None:
            return
        self._scatter()
        self._closing = True
        for reader in self._readers:
            reader.close()
        for reader in self._readers:
            if reader.socket.type != zmq.PAIR:
                reader.socket.disable_monitor()
            reader.socket.close()
        await asyncio.get_running_loop().run_in_executor(None, self._context.term)

    def _watch(self, socket: "zmq.Socket[bytes]", listener: Listener, *, of_events: bool) -> None:
        def take(*frames: bytes) -> None:
            event = parse_monitor_message(list(frames))["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                if of_events:
                    listener.events_connected()
                else:
                    self._connected = True
                    listener.connected()
            elif event == zmq.EVENT_DISCONNECTED and not of_events:
                self._connected = False
                self._gathered = None
                self._backlog.clear()  # what matters is sent again by the session
                listener.disconnected()

        monitor = socket.get_monitor_socket(MONITORED)
        self._readers.append(_Monitor(monitor, take))
