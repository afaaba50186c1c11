"""The transport over ZeroMQ: a DEALER and a SUB socket on asyncio (SPEC §2).

libzmq's file descriptor is edge-triggered: it speaks once, and any call on the socket may swallow the word. So a drain ends
only when ZMQ_EVENTS says that nothing is left, and each send looks there too. Measured, this is two to five times faster than
`zmq.asyncio`. Reading an option takes longer than receiving a frame (pyzmq makes an enum member of its number), so the number
of frames is checked once, after the third: a broker sends no other messages, and one that was shorter would only spoil the next.
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
from .keys import Credentials, KeyRing, NoKey
from .limits import MAX_FRAME
from .transport import Listener

_NOBLOCK, _SNDMORE, _RCVMORE = int(zmq.NOBLOCK), int(zmq.SNDMORE), int(zmq.RCVMORE)
_EVENTS, _POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
BATCH = 64
"""Messages taken per turn of the event loop, so that a flood does not starve the program."""
FLUSH_MS = 1000
BACKLOG = 20_000
"""Messages that wait when libzmq's own queue is full."""
OPTIONS = {
    zmq.LINGER: FLUSH_MS,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 1000,
    zmq.HEARTBEAT_IVL: 2000,
    zmq.HEARTBEAT_TIMEOUT: 6000,
    zmq.HEARTBEAT_TTL: 6000,
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
        try:
            for _ in range(BATCH):
                if self._closed:
                    return
                try:
                    first, second, third = recv(_NOBLOCK), recv(_NOBLOCK), recv(_NOBLOCK)
                except zmq.Again:  # nothing is left, or a message was too short
                    return
                if not get(_RCVMORE):
                    self._take(first, second, third)
                else:
                    self._skip()
                if self._closed or not get(_EVENTS) & _POLLIN:
                    return
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
    """The same for a socket that also sends: the descriptor speaks as well when there is room again."""

    def __init__(self, socket: "zmq.Socket[bytes]", take: Any, flush: Callable[[], None]) -> None:
        self._flush = flush
        super().__init__(socket, take)

    def _drain(self) -> None:
        super()._drain()
        if not self._closed:
            self._flush()


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
        self._dealer = _Dealer(dealer, listener.received, self._flush)
        self._events = _Reader(events, listener.received_event)
        self._readers += [self._dealer, self._events]

    def send(self, peer: bytes, head: bytes, body: bytes) -> bool:
        """Hand three frames to libzmq; False when there is no connection, or `BACKLOG` messages wait for it already."""
        if self._closing:
            return False
        if not self._backlog and self._hand(peer, head, body):
            return True
        if not self._connected or len(self._backlog) >= BACKLOG:
            return False
        self._backlog.append((peer, head, body))
        return True

    def _hand(self, peer: bytes, head: bytes, body: bytes) -> bool:
        send = self._send
        try:
            send(peer, _SNDMORE | _NOBLOCK)
        except zmq.Again:
            self._dealer.socket.get(_EVENTS)  # lets libzmq notice a connection that was just made
            try:
                send(peer, _SNDMORE | _NOBLOCK)
            except zmq.Again:
                return False
        send(head, _SNDMORE | _NOBLOCK)
        send(body, _NOBLOCK)
        self._dealer.look()
        return True

    def _flush(self) -> None:
        """libzmq may have room again."""
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
                self._backlog.clear()  # what matters is sent again by the session
                listener.disconnected()

        monitor = socket.get_monitor_socket(MONITORED)
        self._readers.append(_Monitor(monitor, take))
