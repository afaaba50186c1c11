"""A TCP proxy between client and broker: latency, resets, and a cut after every byte of the handshake and of a message."""

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.conftest import free_port, until

from rostra.broker.server import Server
from rostra.protocol import Client
from rostra.protocol.effects import Lettered
from rostra.protocol.frames import encode_body
from rostra.protocol.keys import KeyRing
from rostra.protocol.service import Service

from .conftest import sized


class Proxy:
    """Carries the message port and the event port. `cut_after`: bytes from the client after which the next connection is cut."""

    def __init__(self, broker: int) -> None:
        self.broker, self.port = broker, free_port()
        self.cut_after: int | None = None
        self.latency = 0.0
        self.carried = self.cuts = 0
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        for offset in (0, 1):
            handler = self._handler(offset)
            self._servers.append(await asyncio.start_server(handler, "127.0.0.1", self.port + offset))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        self.reset()
        await asyncio.gather(*self._open, return_exceptions=True)

    def reset(self) -> None:
        """Cut every connection."""
        for task in self._open:
            task.cancel()

    def _handler(self, offset: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._serve(offset, reader, writer))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

        return accept

    async def _serve(self, offset: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = None
        if offset == 0:
            left, self.cut_after = self.cut_after, None
        up_writer = None
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.broker + offset)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, up_writer, left))
                group.create_task(self._carry(up_reader, writer, None))
        except (OSError, ExceptionGroup):
            self.cuts += 1
        finally:
            for one in filter(None, (writer, up_writer)):
                one.transport.abort()  # a reset, not a goodbye

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None) -> None:
        while data := await reader.read(65536 if left is None else max(1, min(left, 65536))):
            if self.latency:
                await asyncio.sleep(self.latency)
            writer.write(data)
            await writer.drain()
            self.carried += len(data)
            if left is not None:
                left -= len(data)
                if left <= 0:
                    raise ConnectionResetError
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def between(tmp_path: Path) -> AsyncIterator[tuple[Proxy, KeyRing, str]]:
    ring = KeyRing(tmp_path / "keys")
    ring.create()
    for name in ("ada", "ben"):
        ring.add(name)
    port = free_port()
    server = Server(f"tcp://127.0.0.1:{port}", tmp_path / "mail.db", keys=ring)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert await asyncio.to_thread(server.ready.wait, 20)
    try:
        async with Proxy(port) as proxy:
            yield proxy, ring, server.address
    finally:
        server.stop()
        await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


@pytest.mark.timeout(7200)
async def test_a_cut_after_any_byte_hangs_nobody_and_leaves_no_half_message(tmp_path: Path, tell: Callable[[str], None]) -> None:
    async with between(tmp_path) as (proxy, ring, address), Client.connect(address, name="ben", keys=ring.directory) as ben:
        read: list[bytes] = []

        async def take(body: bytes, letter: Lettered) -> None:
            read.append(body)

        Service(ben).mail(bytes, take)
        # Handshake and greeting are about 900 bytes; then a letter. Every byte at the large size, every so many at the small one.
        cuts = range(1, 1200, sized(40, 1))
        for number, at in enumerate(cuts):
            proxy.cut_after = at
            async with asyncio.timeout(30):
                client = Client.connect(f"tcp://127.0.0.1:{proxy.port}", name="ada", keys=ring.directory)
                await client.open()
                await client.tell_raw("ben", encode_body(number.to_bytes(4, "big") * 50), timeout=None)
                await client.aclose()
        await until(lambda: len(read) >= len(cuts))
        assert read == [number.to_bytes(4, "big") * 50 for number in range(len(cuts))]
        tell(f"fault proxy: cut after {len(cuts)} different bytes: every letter read once and whole, nobody hung")


@pytest.mark.timeout(3600)
async def test_resets_and_latency_lose_nothing(tmp_path: Path, tell: Callable[[str], None]) -> None:
    dice, count, resets = random.Random(7), sized(400, 10_000), 0
    async with between(tmp_path) as (proxy, ring, address), Client.connect(address, name="ben", keys=ring.directory) as ben:
        read: list[int] = []

        async def take(number: int, letter: Lettered) -> None:
            read.append(number)

        Service(ben).mail(int, take)
        async with Client.connect(f"tcp://127.0.0.1:{proxy.port}", name="ada", keys=ring.directory) as ada:
            for number in range(0, count, 20):
                proxy.latency = dice.choice((0.0, 0.0, 0.02))
                telling = [asyncio.create_task(ada.tell_raw("ben", encode_body(number + one))) for one in range(20)]
                if dice.random() < 0.3:
                    await asyncio.sleep(dice.random() * 0.02)
                    proxy.reset()
                    resets += 1
                await asyncio.gather(*telling)
        await until(lambda: len(read) >= count)
        assert read == list(range(count))
    tell(f"fault proxy: {resets} resets and latency: {count:,} letters read once and in order")
