"""A coordinator that was thought dead wakes up: it writes nothing, and ends with a code that says why."""

import asyncio
import contextlib
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
from random import Random

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
from .conftest import lots, sized
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


def coordinator(folder: Path, file: TeamFile, address: str, log: str, *, standby: bool = False) -> subprocess.Popen[bytes]:
    job = Job(
        kind="coordinator",
        name="coordinator",
        address=address,
        team=file.name,
        path=str(file.path),
        tables=file.tables,
        transcript=str(folder / "transcript.db"),
        log=str(folder / log),
        standby=standby,
    )
    process = subprocess.Popen([sys.executable, "-m", "rostra.team.process"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(msgspec.msgpack.encode(job))
    process.stdin.close()
    return process


AT_ONCE = 4
"""Chats whose coordinators are stopped at the same time."""


def written(database: Path) -> Counter[int]:
    """Rows that each epoch has written."""
    if not database.exists():
        return Counter()
    with closing(sqlite3.connect(database)) as db:
        return Counter(epoch for (epoch,) in db.execute("SELECT epoch FROM row WHERE state NOT IN ('asked', 'held')"))


@pytest.mark.timeout(7200)
async def test_the_fenced_write_nothing(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """Every second time the newer one is on another bus, so that nobody tells the older one but the disk."""
    figures, codes, places = Figures(), Counter[str](), asyncio.Semaphore(AT_ONCE)

    async def fenced(lot: int) -> None:
        nonlocal figures
        async with places:
            figures += await _fenced(tmp_path / str(lot), codes, same_bus=bool(lot % 2))

    async with asyncio.TaskGroup() as group:
        for lot in range(sized(5, 100)):
            group.create_task(fenced(lot))
    tell(f"zombies: 0 writes by the fenced; exit codes {dict(codes)}; {figures}")


async def _fenced(folder: Path, codes: Counter[str], *, same_bus: bool) -> Figures:
    """One coordinator is stopped, replaced and woken."""
    file = TeamFile.load(a_team(folder, 3000, 0.0))
    (folder / "other").mkdir()
    database = folder / "transcript.db"
    async with Bus(folder) as bus, Bus(folder / "other") as other:
        zombie = coordinator(folder, file, bus.server.address, "zombie.log")
        newer: subprocess.Popen[bytes] | None = None
        try:
            await bus.client.request("coordinator", "chat.start", ChatStart(task="Count.", chat="c"), absent=30.0)
            await until(lambda: written(database)[1] >= 5)
            os.kill(zombie.pid, signal.SIGSTOP)
            await until(lambda: _stopped(zombie.pid))
            before, held = written(database)[1], _held(database)
            newer = coordinator(folder, file, bus.server.address if same_bus else other.server.address, "newer.log")
            if held:  # stopped in the midst of a commit, it holds the database's lock: nobody can write
                codes["(held the lock)"] += 1
                with contextlib.suppress(TimeoutError):
                    await until(lambda: written(database)[2] > 0, 5.0)
                assert not written(database)[2], "two wrote at once"
            else:
                await until(lambda: written(database)[2] >= 5, 60.0)
                assert written(database)[1] == before, "the fenced one wrote"
            os.kill(zombie.pid, signal.SIGCONT)
            code = ExitCode(await asyncio.to_thread(zombie.wait, 60))
            codes[code.name] += 1
            assert code in ({ExitCode.FENCED, ExitCode.SUPERSEDED} if same_bus else {ExitCode.FENCED})
            # Who held the lock ends its commit, and may write until the newer one has it.
            taken, after = written(database)[1], written(database)[2]
            await until(lambda: written(database)[2] >= after + 3 or newer.poll() is not None, 60.0)
            assert newer.poll() is None, f"the newer one ended with {newer.poll()}"
            assert written(database)[1] == taken, "the fenced one wrote"
            assert held or taken == before, "the fenced one wrote"
        finally:
            for process in filter(None, (zombie, newer)):
                process.kill()
                process.wait()
    return check_transcript(database, produced=produced)


def _stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _held(database: Path) -> bool:
    """Whether somebody is in the midst of writing."""
    with closing(sqlite3.connect(database, timeout=0.2, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        db.execute("ROLLBACK")
        return False


@pytest.mark.timeout(7200)
async def test_who_stands_by_takes_over_within_seconds(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """Of two coordinators the one that holds the chats is killed or stopped, in turn, and another one stands by again."""
    figures, deaths = Figures(), sized(6, 100)
    seconds: dict[signal.Signals, list[float]] = {signal.SIGSTOP: [], signal.SIGKILL: []}
    places = asyncio.Semaphore(2)

    async def attack(lot: int, count: int) -> None:
        nonlocal figures
        async with places:
            figures += await _taken_over(tmp_path / str(lot), count, Random(7 + lot), seconds)

    async with asyncio.TaskGroup() as group:
        for lot, count in enumerate(lots(deaths, 25)):
            group.create_task(attack(lot, count))
    assert figures.counts["messages"] > 5 * deaths
    killed, stopped = (sorted(seconds[how]) for how in (signal.SIGKILL, signal.SIGSTOP))
    half, usual = stopped[len(stopped) // 2], killed[len(killed) // 2]
    tell(
        f"standby: {deaths} deaths; the next row after p50 {usual:.2f} s, max {killed[-1]:.2f} s (killed), "
        f"p50 {half:.2f} s, max {stopped[-1]:.2f} s (stopped); {figures}"
    )
    # What it costs to begin at all, which a kill shows, depends on how busy the machine is.
    assert half - usual <= 3.0
    assert usual <= 3.0


async def _taken_over(folder: Path, deaths: int, random: Random, seconds: dict[signal.Signals, list[float]]) -> Figures:
    """One chat whose coordinators die `deaths` times; adds how long it stood still each time."""
    file = TeamFile.load(a_team(folder, 100_000, 0.0))
    database, seat = folder / "transcript.db", folder / "transcript.db.seat"
    loop = asyncio.get_running_loop()
    async with Bus(folder) as bus:
        address = bus.server.address
        pair = [coordinator(folder, file, address, f"{number}.log", standby=True) for number in (-1, 0)]
        try:
            await bus.client.request("coordinator", "chat.start", ChatStart(task="Count.", chat="c"), absent=30.0)
            for number in range(1, deaths + 1):
                await until(lambda: written(database)[number] >= 5)  # noqa: B023 - awaited at once
                await asyncio.sleep(random.random() / 4)
                holder = next(one for one in pair if one.pid == int(seat.read_text().split()[0]))
                died = loop.time()
                how = signal.SIGSTOP if number % 2 else signal.SIGKILL
                os.kill(holder.pid, how)
                await until(lambda: written(database)[number + 1] >= 1)  # noqa: B023
                seconds[how].append(loop.time() - died)
                before = written(database)[number]
                assert await asyncio.to_thread(holder.wait, 30) == -signal.SIGKILL
                pair.remove(holder)
                pair.append(coordinator(folder, file, address, f"{number + 1}.log", standby=True))
                await until(lambda: written(database)[number + 1] >= 3)  # noqa: B023
                assert written(database)[number] == before, "the one before wrote"
        finally:
            for process in pair:
                process.kill()
                process.wait()
    return check_transcript(database, produced=produced)
