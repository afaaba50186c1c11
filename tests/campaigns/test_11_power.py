"""Power cuts: what was not synced is gone, what was confirmed is there. Without `synchronous=FULL` it is not."""

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import until

from rostra.broker.mail.store import MAX_LETTERS

from .brokers import Broker
from .checker import Figures, check_mail, check_transcript
from .conftest import lots, sized
from .disk import Disk
from .peers import READER, SENDER, database
from .teams import Peer, chaos


def cut_off(folder: Path, patch: pytest.MonkeyPatch, *, of: str = "", level: str = "") -> None:
    """Whatever begins from here on has its databases in `folder` on a disk that loses what was not synced (`disk.py`).

    `of`: only those in this folder of it. `level`: what `synchronous` is in the place of FULL.
    """
    site = folder / "site"
    site.mkdir(parents=True)
    (folder / "platters").mkdir()
    shutil.copy(Path(__file__).with_name("disk.py"), site / "sitecustomize.py")
    patch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep))
    patch.setenv("ROSTRA_TEST_DISK", str(folder / "platters"))
    patch.setenv("ROSTRA_TEST_DISK_OF", str(folder / of))
    patch.setenv("ROSTRA_TEST_DISK_CARELESS", level)


async def _letters(root: Path, lot: int, cuts: int, dice: random.Random, *, patience: float = 30.0) -> Figures:
    """Letters over a broker that loses its power `cuts` times; they who write and read are elsewhere, and do not."""
    outside, disk = root / "outside" / str(lot), root / "disk" / str(lot)
    outside.mkdir(parents=True)
    disk.mkdir(parents=True)
    database(str(outside / "uma.db"), READER).close()
    database(str(outside / "sue.db"), SENDER).close()
    broker = await asyncio.to_thread(Broker, outside, mail=disk / "mail.db")
    sue = Peer("send", broker.address, "sue", "uma", str(outside / "sue.db"))
    uma = Peer("read", broker.address, "uma", str(outside / "uma.db"))

    def rows(of: str, table: str) -> int:
        with contextlib.closing(sqlite3.connect(outside / f"{of}.db", timeout=30)) as db:
            number: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            return number

    def confirmed() -> int:
        return rows("sue", "confirmed")

    def all_read() -> bool:
        with contextlib.suppress(AssertionError):
            check_mail(outside / "sue.db", outside / "uma.db", "sue")
            return True
        return False

    async def more(count: int) -> None:
        """Until so many letters more are confirmed."""
        before = confirmed()
        await until(lambda: confirmed() > before + count or broker.process.poll() is not None, 60.0)
        assert broker.process.poll() is None, "the broker refused its disk"

    try:
        for _ in range(cuts):
            await more(3)
            # A mailbox that is full takes no more: on a slow machine the recipient is behind.
            await until(lambda: confirmed() - rows("uma", "read") < MAX_LETTERS // 2, 120.0)
            if dice.random() < 0.5:  # then there are letters that only the disk has
                uma.process.kill()
                await asyncio.to_thread(uma.process.wait)
                await more(10)
            await asyncio.sleep(dice.uniform(0.0, 0.1))
            broker.process.kill()
            await asyncio.to_thread(broker.process.wait)
            await asyncio.to_thread(broker.start)
            if uma.process.poll() is not None:
                uma.start()
        sue.process.terminate()  # without FULL she waits in vain for what the broker has forgotten
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(sue.process.wait, 2 * patience)
        with contextlib.suppress(TimeoutError):  # what is missing, the check says
            await until(all_read, patience)
        await uma.stop()
        return check_mail(outside / "sue.db", outside / "uma.db", "sue")
    finally:
        for process in (sue.process, uma.process, broker.process):
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.mark.timeout(3600)
async def test_confirmed_letters_survive_power_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    cuts, figures = sized(12, 300), Figures()
    cut_off(tmp_path, monkeypatch, of="disk")

    async def attack(lot: int, count: int) -> None:
        nonlocal figures
        figures += await _letters(tmp_path, lot, count, random.Random(lot))

    async with asyncio.TaskGroup() as group:
        for lot, count in enumerate(lots(cuts, max(6, cuts // 4))):
            group.create_task(attack(lot, count))
    assert any((tmp_path / "platters").iterdir()), "the disk was not in use"
    tell(f"power cuts of the broker: {cuts}; {figures}")


@pytest.mark.timeout(3600)
async def test_a_team_goes_on_where_it_was_after_power_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    """All processes of a team die at the same instant, and what none of them synced is gone."""
    cuts, figures, places = sized(4, 100), Figures(), asyncio.Semaphore(2)

    async def attack(lot: int, count: int) -> None:
        nonlocal figures
        async with places, beginning:
            cut_off(tmp_path / str(lot), monkeypatch, of="home")
            stack = contextlib.AsyncExitStack()
            one = await stack.enter_async_context(chaos(tmp_path / str(lot), lot))
        async with stack:
            for _ in range(count):
                await asyncio.sleep(one.random.uniform(0.0, 0.5))
                await one.cut_power()
        assert any((tmp_path / str(lot) / "platters").iterdir()), "the disk was not in use"
        figures += one.figures

    beginning = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        for lot, count in enumerate(lots(cuts, 20)):
            group.create_task(attack(lot, count))
    tell(f"power cuts of a whole team: {cuts}; {figures}")


async def _written(folder: Path) -> int:
    """Turns are written until the power is cut; returns the number of the last that was said to be done."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.groupchat.rows", str(folder / "transcript.db"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    last = 0
    while last < 60:
        last = int(await process.stdout.readline())
    process.kill()
    told = (await process.stdout.read()).split(b"\n")[:-1]
    await process.wait()
    Disk(folder / "platters", folder).power_on(str(folder / "transcript.db"))
    return int(told[-1]) if told else last


@pytest.mark.timeout(600)
async def test_rows_that_were_committed_survive_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(tmp_path, monkeypatch)
    last = await _written(tmp_path)
    assert check_transcript(tmp_path / "transcript.db").counts["messages"] >= last


@pytest.mark.timeout(600)
@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
async def test_without_full_a_power_cut_loses_rows_that_were_committed(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    cut_off(tmp_path, monkeypatch, level=level)
    last = await _written(tmp_path)
    with pytest.raises((AssertionError, sqlite3.DatabaseError)) as seen:
        assert check_transcript(tmp_path / "transcript.db").counts["messages"] >= last, "committed rows are gone"
    tell(f"canary: transcript with synchronous={level}: seen after a power cut: {str(seen.value).splitlines()[0]}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
async def test_without_full_a_power_cut_loses_letters_that_were_confirmed(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    cut_off(tmp_path, monkeypatch, of="disk", level=level)
    with pytest.raises(AssertionError, match=r"confirmed and never read|out of order|twice|refused its disk") as seen:
        await _letters(tmp_path, 0, 1, random.Random(1), patience=3.0)  # with this seed the recipient is away
    tell(f"canary: mail with synchronous={level}: seen after power cuts: {str(seen.value).splitlines()[0]}")
