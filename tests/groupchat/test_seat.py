"""The seat of the coordinators: one has it, and whoever stands by has it soon after that one is gone."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rostra.groupchat import Seat, Unseated
from rostra.groupchat.seat import SILENCE

HOLDER = """
import asyncio, sys
from pathlib import Path
from rostra.groupchat import Seat

async def hold():
    assert await Seat(Path(sys.argv[1])).take(asyncio.Event())
    print("taken", flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""


@asynccontextmanager
async def standing_by(seat: Seat) -> AsyncIterator[asyncio.Task[bool]]:
    """A seat that somebody else has, waited for."""
    waiting, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(seat.take(stop, waiting=waiting.set))
    try:
        async with asyncio.timeout(10):
            await waiting.wait()
        yield task
    finally:
        stop.set()
        await task
        await seat.aclose()


async def test_one_has_it_and_the_next_takes_it_when_it_is_left(tmp_path: Path) -> None:
    first, second = Seat(tmp_path / "t.db"), Seat(tmp_path / "t.db")
    assert await first.take(asyncio.Event())
    async with standing_by(second) as taken:
        await first.aclose()
        assert await asyncio.wait_for(taken, 10)


async def test_who_stands_by_can_be_told_to_stop(tmp_path: Path) -> None:
    first, second = Seat(tmp_path / "t.db"), Seat(tmp_path / "t.db")
    assert await first.take(asyncio.Event())
    async with standing_by(second) as taken:
        pass
    assert taken.result() is False
    await first.aclose()


async def test_a_holder_that_lives_keeps_it(tmp_path: Path) -> None:
    first, second = Seat(tmp_path / "t.db"), Seat(tmp_path / "t.db")
    assert await first.take(asyncio.Event())
    async with standing_by(second) as taken:
        await asyncio.wait([taken], timeout=SILENCE * 1.5)
        assert not taken.done()
    await first.aclose()


async def test_a_holder_out_of_reach_that_is_silent_loses_it_and_knows_it_when_it_wakes_up(tmp_path: Path) -> None:
    """In this very process, which nobody kills: as in another container."""
    first, second = Seat(tmp_path / "t.db"), Seat(tmp_path / "t.db")
    assert await first.take(asyncio.Event())
    assert first._touching
    first._touching.cancel()
    async with standing_by(second) as taken:
        assert await asyncio.wait_for(taken, 20)
        first._touching = asyncio.create_task(first._touch())
        assert isinstance(await asyncio.wait_for(first.lost, 10), Unseated)
    await first.aclose()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_dead_holder_loses_it_and_a_stopped_one_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, str(tmp_path / "t.db"), stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"taken\n"
        async with standing_by(Seat(tmp_path / "t.db")) as taken:
            os.kill(holder.pid, number)
            assert await asyncio.wait_for(taken, 20)
            assert await asyncio.wait_for(holder.wait(), 20) == -signal.SIGKILL
    finally:
        if holder.returncode is None:
            holder.kill()
            await holder.wait()
