"""Slow recipients and subscribers, comings and goings, SIGTERM at any instant: memory is bounded and nothing is lost."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.conftest import until

from rostra.protocol import Client, MailboxFull
from rostra.protocol.effects import Lettered
from rostra.protocol.frames import encode_body
from rostra.protocol.service import Service

from .brokers import Broker
from .checker import Figures, check_mail
from .conftest import lots, sized
from .peers import READER, SENDER, database
from .teams import Peer


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    one = Broker(tmp_path)
    yield one
    await one.stop()


@pytest.mark.timeout(600)
async def test_a_slow_recipient_fills_its_mailbox_and_nothing_else(broker: Broker, tell: Callable[[str], None]) -> None:
    async with Client.connect(broker.address, name="ada") as ada, Client.connect(broker.address, name="ben") as ben:
        release, read = asyncio.Event(), []

        async def take(body: bytes, letter: Lettered) -> None:
            await release.wait()
            read.append(body[:4])

        Service(ben).mail(bytes, take)
        before, taken, refused = broker.rss(), [], 0
        body = bytes(60_000)
        for lot in range(12):  # 72 MB; a mailbox holds 64 MiB
            answers = await asyncio.gather(
                *(ada.tell_raw("ben", encode_body((lot * 100 + n).to_bytes(4, "big") + body)) for n in range(100)),
                return_exceptions=True,
            )
            assert all(one is None or isinstance(one, MailboxFull) for one in answers)
            taken += [(lot * 100 + n).to_bytes(4, "big") for n, one in enumerate(answers) if one is None]
            refused += sum(one is not None for one in answers)
        grown = broker.rss() - before
        assert refused > 0
        assert grown < 60, "the broker keeps letters in memory"
        release.set()
        await until(lambda: len(read) >= len(taken), 60.0)
        assert read == taken
    tell(f"slow recipient: {len(taken)} letters of 60 KB taken and read, {refused} refused; broker +{grown:.0f} MB")


@pytest.mark.timeout(600)
async def test_a_slow_subscriber_loses_what_it_is_told_it_lost(broker: Broker, tell: Callable[[str], None]) -> None:
    count = sized(20_000, 1_000_000)
    async with Client.connect(broker.address, name="ada") as ada, Client.connect(broker.address, name="ben") as ben:
        async with ben.subscribe("news") as slow:
            before = broker.rss()
            for number in range(count):
                ada.publish("news", number)
                if number % 200 == 0:
                    await asyncio.sleep(0)
            seen = 0
            async with asyncio.timeout(300):
                while seen + slow.missed < count:
                    await anext(slow)
                    seen += 1
            grown = broker.rss() - before
        assert seen + slow.missed == count
        assert grown < 60
    tell(f"slow subscriber: {count:,} events, {seen:,} seen, {slow.missed:,} counted as missed; broker {grown:+.0f} MB")


@pytest.mark.timeout(3600)
async def test_comings_and_goings_leave_nothing_behind(broker: Broker, tell: Callable[[str], None]) -> None:
    count, width = sized(600, 10_000), 10

    async def visit(number: int) -> None:
        async with Client.connect(broker.address, name=f"guest-{number % (3 * width)}") as guest:
            await guest.tell_raw("ben", encode_body(number))
            async with guest.subscribe("news.>"):
                pass

    async with Client.connect(broker.address, name="ben") as ben:
        read: list[int] = []

        async def take(number: int, letter: Lettered) -> None:
            read.append(number)

        Service(ben).mail(int, take)
        middle = 0.0
        for start in range(0, count, width):
            await asyncio.gather(*(visit(start + n) for n in range(width)))
            if start == count // 2 // width * width:
                middle = broker.rss()
        await until(lambda: len(read) >= count, 60.0)
        assert sorted(read) == list(range(count))
        assert [one.name for one in await ben.peers()] == ["ben"]
        grown = broker.rss() - middle
        assert grown < 15
    tell(f"churn: {count:,} came, wrote and left; broker {grown:+.1f} MB over the second half; every letter read once")


@pytest.mark.timeout(3600)
async def test_sigterm_at_any_instant_loses_nothing(tmp_path: Path, tell: Callable[[str], None]) -> None:
    stops, figures, places = sized(10, 500), Figures(), asyncio.Semaphore(4)

    async def attack(lot: int, count: int) -> None:
        nonlocal figures
        async with places:
            (tmp_path / str(lot)).mkdir()
            figures += await _stopped(tmp_path / str(lot), count, random.Random(8 + lot))

    async with asyncio.TaskGroup() as group:
        for lot, count in enumerate(lots(stops, 25)):
            group.create_task(attack(lot, count))
    tell(f"SIGTERM: {stops} times to the broker, the sender or the recipient; {figures}")


async def _stopped(folder: Path, stops: int, dice: random.Random) -> Figures:
    broker = Broker(folder)
    database(str(folder / "uma.db"), READER).close()
    database(str(folder / "sue.db"), SENDER).close()
    sue = Peer("send", broker.address, "sue", "uma", str(folder / "sue.db"))
    uma = Peer("read", broker.address, "uma", str(folder / "uma.db"))
    try:
        for _ in range(stops):
            await asyncio.sleep(dice.uniform(0.1, 0.6))
            if dice.random() < 0.5:
                assert await broker.stop() == 0
                await asyncio.to_thread(broker.start)
            else:
                peer = dice.choice((sue, uma))
                peer.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(peer.process.wait, 90)
                peer.start()
        await asyncio.sleep(1.0)
        await sue.stop()

        def all_read() -> bool:
            with contextlib.suppress(AssertionError):
                check_mail(folder / "sue.db", folder / "uma.db", "sue")
                return True
            return False

        await until(all_read, 60.0)
        await uma.stop()
        return check_mail(folder / "sue.db", folder / "uma.db", "sue")
    finally:
        for process in (sue.process, uma.process):
            if process.poll() is None:
                process.kill()
                process.wait()
        await broker.stop()
