"""The machine lets them down: memory is short, the disk is full, the clock is wrong by ten years. Nothing is lost."""

import asyncio
import contextlib
import os
import random
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import until

from rostra.protocol import Client, RequestError, StorageFull
from rostra.protocol.effects import Lettered
from rostra.protocol.frames import encode_body
from rostra.protocol.service import Service

from .brokers import Broker
from .checker import Figures, check_mail
from .conftest import lots, sized
from .peers import READER, SENDER, database
from .teams import Peer, chaos

TEN_YEARS = 10 * 366 * 86_400
CLOCK = """
import os, time

def shifted(now, seconds):
    def clock():
        try:
            with open(os.environ["ROSTRA_TEST_CLOCK"]) as file:
                return now() + int(file.read() or 0) * seconds
        except OSError:
            return now()
    return clock

time.time, time.time_ns = shifted(time.time, 1), shifted(time.time_ns, 10**9)
"""


@contextlib.asynccontextmanager
async def letters(folder: Path, address: str) -> AsyncIterator[None]:
    """One who writes letters and one who reads them, as long as the context is open; then all that was confirmed is read."""
    database(str(folder / "uma.db"), READER).close()
    database(str(folder / "sue.db"), SENDER).close()
    sue = Peer("send", address, "sue", "uma", str(folder / "sue.db"))
    uma = Peer("read", address, "uma", str(folder / "uma.db"))
    try:
        yield
        await sue.stop()

        def all_read() -> bool:
            with contextlib.suppress(AssertionError):
                check_mail(folder / "sue.db", folder / "uma.db", "sue")
                return True
            return False

        await until(all_read, 60.0)
        await uma.stop()
    finally:
        for process in (sue.process, uma.process):
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.mark.timeout(3600)
async def test_a_broker_that_runs_out_of_memory_comes_back_and_has_lost_nothing(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Events of many topics, which it retains up to 64 MiB, when it may have 24."""
    wanted, figures, places = sized(3, 100), Figures(), asyncio.Semaphore(3)

    async def attack(lot: int, count: int) -> None:
        nonlocal figures
        async with places:
            (tmp_path / str(lot)).mkdir()
            figures += await _starved(tmp_path / str(lot), count)

    async with asyncio.TaskGroup() as group:
        for lot, count in enumerate(lots(wanted, 10)):
            group.create_task(attack(lot, count))
    assert figures.counts["letters read"] > wanted
    tell(f"out of memory: the broker died {wanted} times; {figures}")


async def _starved(folder: Path, wanted: int) -> Figures:
    """A broker that dies `wanted` times because it may not have what it asks for."""
    deaths, number, body = 0, 0, bytes(50_000)
    broker = Broker(folder, room=24 * 1024 * 1024)
    try:
        async with letters(folder, broker.address), Client.connect(broker.address, name="eve") as eve:
            async with asyncio.timeout(60 + 20 * wanted):
                while deaths < wanted:
                    number += 1
                    eve.publish(f"flood.{number % 400}", body)
                    await asyncio.sleep(0.002)
                    if broker.process.poll() is not None:
                        deaths += 1
                        await asyncio.to_thread(broker.start)
    finally:
        await broker.stop()
    return check_mail(folder / "sue.db", folder / "uma.db", "sue")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no disk of its own: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.timeout(600)
async def test_a_full_disk_refuses_letters_and_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    dice, rounds, refused = random.Random(3), sized(4, 100), 0
    broker = Broker(tmp_path, mail=small_disk / "mail.db")
    read: list[int] = []
    confirmed: list[int] = []

    def all_read() -> bool:
        return len(read) >= len(confirmed)

    async def take(letter: list[object], _: Lettered) -> None:
        assert isinstance(letter[0], int)
        read.append(letter[0])

    try:
        async with Client.connect(broker.address, name="ada") as ada:
            for _ in range(rounds):
                full = False
                while not full:
                    numbers = [dice.getrandbits(40) for _ in range(20)]
                    body = bytes(dice.choice((100, 5_000, 40_000)))
                    told = await asyncio.gather(
                        *(ada.tell_raw("ben", encode_body([number, body])) for number in numbers), return_exceptions=True
                    )
                    assert all(one is None or isinstance(one, StorageFull) for one in told), told
                    confirmed.extend(number for number, one in zip(numbers, told, strict=True) if one is None)
                    refused += sum(one is not None for one in told)
                    full = any(told)
                if dice.random() < 0.5:  # the broker begins on a full disk, too
                    broker.process.kill()
                    await asyncio.to_thread(broker.process.wait)
                    broker.start()
                async with Client.connect(broker.address, name="ben") as ben:
                    Service(ben).mail(list[object], take)
                    await until(all_read, 60.0)
                    assert read == confirmed, "a letter was lost, doubled or invented"
                    await until_told(ada)
                    confirmed.append(0)
                    await until(all_read, 60.0)
    finally:
        await broker.stop()
    tell(f"disk full: {rounds} times on a disk of 4 MB; {len(read):,} letters confirmed and read, {refused} refused")


async def until_told(client: Client) -> None:
    """A letter is taken again, without anybody having done anything about it."""
    async with asyncio.timeout(60):
        while True:
            try:
                await client.tell_raw("ben", encode_body([0, b""]))
            except RequestError:
                await asyncio.sleep(0.1)
            else:
                return


@pytest.mark.timeout(3600)
async def test_a_clock_that_jumps_by_ten_years_changes_nothing(
    tmp_path: Path, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process of the team has a wall clock that somebody sets while they talk."""
    site, clock = tmp_path / "site", tmp_path / "clock"
    site.mkdir()
    (site / "sitecustomize.py").write_text(CLOCK)
    clock.write_text("0")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep))
    monkeypatch.setenv("ROSTRA_TEST_CLOCK", str(clock))
    dice, jumps, figures = random.Random(9), sized(6, 200), Figures()
    async with chaos(tmp_path / "team", 9) as one:
        for number in range(jumps):
            scratch = tmp_path / "next"
            scratch.write_text(str(TEN_YEARS * (-1) ** number + dice.randrange(100_000)))
            scratch.replace(clock)
            seen = one.messages
            await until(lambda: one.messages >= seen + 4, 30.0)  # noqa: B023 - awaited at once
            if number % 3 == 2:
                await one.kill(dice.choice(("coordinator", "broker", "ada")))
    figures += one.figures
    assert _span(tmp_path) > 1.9 * TEN_YEARS * 1000, "the clock did not jump"
    tell(f"wall clock: {jumps} jumps of ten years, forward and back; {figures}")


def _span(folder: Path) -> int:
    """Milliseconds between the earliest and the latest row, as the clocks had it."""
    with contextlib.closing(sqlite3.connect(next(folder.rglob("transcript.db")))) as db:
        span: int = db.execute("SELECT max(done_ms) - min(done_ms) FROM row").fetchone()[0]
    return span
