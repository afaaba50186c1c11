"""The broker's sockets: how they are made, and the way for a thread to wake the loop."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import zmq

from rostra.protocol.limits import MAX_FRAME

from .guard import Guard

HIGH_WATER = 20_000
"""Messages that wait for a slow peer; beyond, requests to it are refused and its events are lost, counted."""

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]


def open_router(context: Context, address: str, guard: Guard | None) -> Socket:
    """The socket for messages, bound."""
    socket = _socket(context, zmq.ROUTER, guard)
    socket.set(zmq.ROUTER_MANDATORY, 1)
    _bind(socket, address)
    return socket


def open_events(context: Context, address: str, guard: Guard | None) -> Socket:
    """The socket for events, bound. With a guard each subscription waits for our consent."""
    socket = _socket(context, zmq.XPUB, guard)
    if guard:
        socket.set(zmq.XPUB_MANUAL, 1)
    _bind(socket, address)
    return socket


@contextlib.contextmanager
def alone(address: str) -> Iterator[None]:
    """Be the only broker on an `ipc` address: libzmq would take the path from another that listens there, without a word.

    Raises `zmq.ZMQError` (EADDRINUSE), as for a TCP port. The lock goes with the process, however it ends.
    """
    if not address.startswith("ipc://"):
        yield
        return
    path = Path(address.removeprefix("ipc://") + ".lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # one that is there, /tmp say, stays as it is
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise zmq.ZMQError(zmq.EADDRINUSE, f"another broker listens on {address}") from None
        yield


def _socket(context: Context, kind: int, guard: Guard | None) -> Socket:
    socket = context.socket(kind)
    for option, value in (
        (zmq.LINGER, 200),
        (zmq.SNDHWM, HIGH_WATER),
        (zmq.RCVHWM, 1000),
        (zmq.MAXMSGSIZE, MAX_FRAME),
        (zmq.HEARTBEAT_IVL, 1500),
        (zmq.HEARTBEAT_TIMEOUT, 5000),
        (zmq.HEARTBEAT_TTL, 5000),
    ):
        socket.set(option, value)
    if guard:
        guard.protect(socket)
    return socket


def _bind(socket: Socket, address: str) -> None:
    try:
        if address.startswith("ipc://"):
            path = Path(address.removeprefix("ipc://"))
            socket.bind(address)
            path.chmod(0o600)
        else:
            socket.bind(address)
    except (OSError, zmq.ZMQError):
        socket.close(linger=0)
        raise


class Poke:
    """Wakes the loop from another thread: a message to the broker's own socket, from inside the process."""

    def __init__(self) -> None:
        self.route = b"poke-" + os.urandom(12)
        self._socket: Socket | None = None

    def bind(self, context: Context, router: Socket) -> None:
        """Open the way in."""
        self._context, self._address = context, f"inproc://{self.route.hex()}"
        router.bind(self._address)

    def __call__(self) -> None:
        """Wake the loop; always from the same thread, which also makes the socket."""
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
