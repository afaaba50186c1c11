"""A broker as a process, and blocking peers that speak the wire by hand: what the product costs without an event loop."""

import threading

import zmq
from zmq.backend import Socket as Backend

from rostra.broker.server import Server
from rostra.protocol.frames import encode_body, encode_head
from rostra.protocol.ids import new_id
from rostra.protocol.messages import Hello, Reply, Request, Type

from .processes import Cast, Part, Pipe

SNDMORE = int(zmq.SNDMORE)
LEASE_MS = 300_000
"""Blocking peers send no BEAT; this lease outlives any sample."""
REQUEST = encode_head(Request(new_id(), "ask", 60_000))
REPLY = encode_head(Reply(new_id()))


def serve(pipe: Pipe, address: str) -> None:
    """The process of a broker."""
    server = Server(address)

    def tell() -> None:
        server.ready.wait()
        pipe.send("up")

    threading.Thread(target=tell, daemon=True).start()
    server.run()


def broker(cast: Cast, address: str = "") -> tuple[Part, str]:
    """Start a broker; returns it and its address."""
    address = address or cast.address()
    return cast.ready(serve, address), address


class BlockingPeer:
    """A DEALER that has said HELLO and was welcomed; `send` and `recv` are the backend's own methods."""

    def __init__(self, address: str, name: str, *, context: "zmq.Context[zmq.Socket[bytes]] | None" = None) -> None:
        self.context = context or zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.set(zmq.LINGER, 0)
        self.socket.connect(address)
        self.send, self.recv = Backend.send.__get__(self.socket), Backend.recv.__get__(self.socket)
        self.boot = new_id()
        self.socket.send_multipart([b"", encode_head(Hello(name, self.boot, False, LEASE_MS)), encode_body({})])

    def welcomed(self) -> None:
        """Wait for WELCOME; raises `TimeoutError` when there is none."""
        if not self.socket.poll(10_000):
            raise TimeoutError("the broker welcomes nobody")
        _, head, _ = self.socket.recv_multipart()
        if head[1] != Type.WELCOME:
            raise ValueError(f"{head!r} is no WELCOME")
