"""A coordinator that was thought dead wakes up: it writes nothing, and ends with a code that says why."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import msgspec
import pytest
from tests.conftest import until

from rostra.broker.server import Server
from rostra.protocol import ChatMessage, Client, Incoming, Service, Turn, TurnReply
from rostra.protocol.chat import ChatStart
from rostra.team.exits import ExitCode
from rostra.team.file import TeamFile
from rostra.team.process import Job

from .checker import Figures, check_transcript
from .conftest import sized
from .teams import AGENTS, a_team, produced


class Bus:
    """A broker with three members who count."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(f"ipc://{folder}/bus", folder / "mail.db")
        self._thread = threading.Thread(target=self.server.run)

    async def __aenter__(self) -> "Bus":
        self._thread.start()
        assert await asyncio.to_thread(self.server.ready.wait, 20)
        async with AsyncExitStack() as stack:
            for name in AGENTS:
                client = await stack.enter_async_context(Client.connect(self.server.address, name=name))
                Service(client).method("turn", Turn, self._turn)
            self.client = await stack.enter_async_context(Client.connect(self.server.address, name="console-0123ab"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.server.stop()
        await asyncio.to_thread(self._thread.join, 20)

    async def _turn(self, turn: Turn, request: Incoming) -> TurnReply:
        await asyncio.sleep(0.02)
        number = (turn.sequence - 2) // len(AGENTS) + 1
        return TurnReply(message=ChatMessage(content=produced(AGENTS[(turn.sequence - 2) % 3], number), role="assistant"))


def coordinator(folder: Path, file: TeamFile, address: str, log: str) -> subprocess.Popen[bytes]:
    job = Job(
        kind="coordinator",
        name="coordinator",
        address=address,
        team=file.name,
        path=str(file.path),
        tables=file.tables,
        transcript=str(folder / "transcript.db"),
        log=str(folder / log),
    )
    process = subprocess.Popen([sys.executable, "-m", "rostra.team.process"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(msgspec.msgpack.encode(job))
    process.stdin.close()
    return process


def written(database: Path) -> Counter[int]:
    """Rows that each epoch has written."""
    if not database.exists():
        return Counter()
    with closing(sqlite3.connect(database)) as db:
        return Counter(epoch for (epoch,) in db.execute("SELECT epoch FROM row WHERE state NOT IN ('asked', 'held')"))


@pytest.mark.timeout(3600)
async def test_the_fenced_write_nothing(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """Every second time the newer one is on another bus, so that nobody tells the older one but the disk."""
    figures, codes = Figures(), Counter[str]()
    for lot in range(sized(5, 100)):
        folder = tmp_path / str(lot)
        file = TeamFile.load(a_team(folder, 3000, 0.0))
        (folder / "other").mkdir()
        async with Bus(folder) as bus, Bus(folder / "other") as other:
            zombie = coordinator(folder, file, bus.server.address, "zombie.log")
            newer: subprocess.Popen[bytes] | None = None
            database = folder / "transcript.db"
            try:
                await bus.client.request("coordinator", "chat.start", ChatStart(task="Count.", chat="c"), absent=30.0)
                await until(lambda: written(database)[1] >= 5)  # noqa: B023 - awaited at once
                os.kill(zombie.pid, signal.SIGSTOP)
                before = written(database)[1]
                address = bus.server.address if lot % 2 else other.server.address
                newer = coordinator(folder, file, address, "newer.log")
                try:
                    await until(lambda: written(database)[2] >= 5, 8.0)  # noqa: B023
                except TimeoutError:  # stopped in the midst of a commit, it holds the database's lock: nobody can write
                    codes["(held the lock)"] += 1
                    before = 10**9
                taken = written(database)[1]
                os.kill(zombie.pid, signal.SIGCONT)
                code = ExitCode(await asyncio.to_thread(zombie.wait, 30))
                codes[code.name] += 1
                assert code in ({ExitCode.FENCED, ExitCode.SUPERSEDED} if lot % 2 else {ExitCode.FENCED})
                after = written(database)[2]
                await until(lambda: written(database)[2] >= after + 3)  # noqa: B023
                assert before == 10**9 or written(database)[1] == taken <= before + 1, "the fenced one wrote"
            finally:
                for process in filter(None, (zombie, newer)):
                    process.kill()
                    process.wait()
        figures += check_transcript(database, produced=produced)
    tell(f"zombies: 0 writes by the fenced; exit codes {dict(codes)}; {figures}")
