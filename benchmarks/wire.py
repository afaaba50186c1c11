"""A broker as a process, and blocking peers that speak the wire by hand: what the product costs without an event loop."""

import logging
import socket
import threading
from pathlib import Path

import zmq
from zmq.backend import Socket as Backend

from rostra.broker.server import Server
from rostra.protocol.frames import encode_body, encode_head
from rostra.protocol.ids import new_id
from rostra.protocol.keys import KeyRing
from rostra.protocol.messages import Hello, Reply, Request, Type

from .processes import Cast, Part, Pipe

SNDMORE = int(zmq.SNDMORE)
LEASE_MS = 300_000
"""Blocking peers send no BEAT; this lease outlives any sample."""
REQUEST = encode_head(Request(new_id(), "ask", 60_000))
REPLY = encode_head(Reply(new_id()))


def serve(pipe: Pipe, address: str, keys: Path | None, mail: Path | None) -> None:
    """The process of a broker."""
    logging.getLogger().addHandler(logging.NullHandler())  # the table is what is to be read
    server = Server(address, mail, keys=KeyRing(keys) if keys else None)

    def tell() -> None:
        server.ready.wait()
        pipe.send("up")

    threading.Thread(target=tell, daemon=True).start()
    server.run()


def broker(cast: Cast, *, mail: Path | None = None) -> tuple[Part, str]:
    """Start a broker on ipc; returns it and its address. `mail`: the database for letters."""
    address = cast.address()
    return cast.ready(serve, address, None, mail), address


def broker_on_tcp(cast: Cast, *names: str) -> tuple[Part, str, Path]:
    """Start a broker on TCP, which demands keys; returns it, its address, and the key ring with keys for `names`."""
    keys = cast.directory / "keys"
    ring = KeyRing(keys)
    ring.create()
    for name in names:
        ring.add(name)
    address = f"tcp://127.0.0.1:{_free_ports()}"
    return cast.ready(serve, address, keys, None), address, keys


def _free_ports() -> int:
    """A port that is free, and the next one too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


class BlockingPeer:
    """A DEALER that has said HELLO and was welcomed; `send` and `recv` are the backend's own methods."""

    def __init__(
        self, address: str, name: str, keys: Path | None = None, *, context: "zmq.Context[zmq.Socket[bytes]] | None" = None
    ) -> None:
        self.context = context or zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.set(zmq.LINGER, 0)
        if keys:
            credentials = KeyRing(keys).credentials(name)
            self.socket.set(zmq.CURVE_SERVERKEY, credentials.broker)
            self.socket.set(zmq.CURVE_PUBLICKEY, credentials.own.public)
            self.socket.set(zmq.CURVE_SECRETKEY, credentials.own.secret)
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
