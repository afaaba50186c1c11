"""A broker on TCP with keys, and a connection that says whatever it likes."""

import asyncio
import threading
from pathlib import Path

import zmq
import zmq.asyncio
from tests.conftest import free_port

from rostra.broker.access import Access
from rostra.broker.server import Server
from rostra.protocol import Client
from rostra.protocol.frames import decode_head, encode_body, encode_head
from rostra.protocol.keys import Credentials, KeyRing
from rostra.protocol.messages import Header, Hello

NAMES = ("ada", "ben", "eve", "console")
ID = b"i" * 16


class Running:
    """A broker on TCP with keys, in a thread."""

    def __init__(self, ring: KeyRing, mail: Path, access: Access | None = None) -> None:
        self.ring = ring
        self.server = Server(f"tcp://127.0.0.1:{free_port()}", mail, keys=ring, access=access)
        self.address = self.server.address
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.server.ready.wait(20)

    def _run(self) -> None:
        try:
            self.server.run()
        except Exception as error:  # noqa: BLE001 - the thread's outermost
            self.error = error

    def join(self, name: str) -> Client:
        return Client.connect(self.address, name=name, keys=self.ring.directory)

    def close(self) -> None:
        self.server.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.error is None, "the broker broke"


class Raw:
    """A connection that says whatever it likes, with any key, under any routing id."""

    def __init__(self, address: str, credentials: Credentials | None, *, kind: int = zmq.DEALER, route: bytes = b"") -> None:
        self.context: zmq.asyncio.Context = zmq.asyncio.Context()
        self.socket = self.context.socket(kind)
        self.socket.set(zmq.LINGER, 0)
        if route:
            self.socket.set(zmq.ROUTING_ID, route)
        if credentials:
            self.socket.set(zmq.CURVE_SERVERKEY, credentials.broker)
            self.socket.set(zmq.CURVE_PUBLICKEY, credentials.own.public)
            self.socket.set(zmq.CURVE_SECRETKEY, credentials.own.secret)
        self.socket.connect(address)

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.destroy(linger=0)

    async def send(self, header: Header, body: bytes = b"", peer: bytes = b"") -> None:
        await self.socket.send_multipart([peer, encode_head(header), body])

    async def receive(self, seconds: float = 20.0) -> tuple[bytes, Header, bytes]:
        async with asyncio.timeout(seconds):
            peer, head, body = await self.socket.recv_multipart()
        return peer, decode_head(head), body

    async def hears_nothing(self, seconds: float = 1.0) -> bool:
        return not await self.socket.poll(int(seconds * 1000))

    async def hello(self, name: str, boot: bytes = b"b" * 16) -> Header:
        await self.send(Hello(name, boot), encode_body({}))
        return (await self.receive())[1]
