"""Real processes for tests that kill: a broker or a peer as a child, waited for until it is there, ended by `kill -9`."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from rostra.protocol import Client

_BROKER = "import sys; from rostra.broker.server import Server; Server(sys.argv[1]).run()"
_PEER = """
import asyncio, sys
from rostra.protocol import ChatMessage, Client, Service

async def main(address, name, shared):
    client = Client.connect(address, name=name, shared=shared)
    service = Service(client)

    async def ask(message, request):
        if message.text == "sleep":
            await asyncio.sleep(3600)
        if message.text == "hang":
            import time
            time.sleep(3600)
        return ChatMessage(content=message.text.upper(), name=name)

    service.method("ask", ChatMessage, ask)  # before anybody can ask
    async with client:
        await client.ended

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3] == "shared"))
"""


class Child:
    """A Python process that runs `source`."""

    def __init__(self, source: str, *arguments: str) -> None:
        self._command = (sys.executable, "-c", source, *arguments)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it (again)."""
        self._process = await asyncio.create_subprocess_exec(*self._command)

    async def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


@contextlib.asynccontextmanager
async def broker(directory: Path) -> AsyncIterator[tuple[Child, str]]:
    """A broker in a process of its own, and its address. It may be killed and started again."""
    address = f"ipc://{directory}/bus/broker"
    child = Child(_BROKER, address)
    await child.start()
    try:
        yield child, address
    finally:
        await child.kill()


@contextlib.asynccontextmanager
async def peer(address: str, name: str, *, shared: bool = False) -> AsyncIterator[Child]:
    """A peer in a process of its own that answers `ask` with the text in capitals; `sleep` and `hang` it does not answer.

    Returns when the broker knows it.
    """
    child = Child(_PEER, address, name, "shared" if shared else "alone")
    async with Client.connect(address, name=f"waits-for-{name}") as watcher:
        before = sum(one.name == name for one in await watcher.peers())
        await child.start()
        async with asyncio.timeout(30):
            while sum(one.name == name for one in await watcher.peers()) <= before:  # noqa: ASYNC110 - asked, not told
                await asyncio.sleep(0.02)
    try:
        yield child
    finally:
        await child.kill()
