"""What `kill -9` does to peers and brokers that are real processes."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from tests import processes
from tests.conftest import until

from rostra.protocol import ChatMessage, Client, Incoming, NoSuchAgent, PeerLost, Presence, RequestError, Service
from rostra.protocol.directory import PRESENCE


@pytest.mark.requirement("R-ROUTE-2")
async def test_a_killed_peer_is_an_error_within_ten_seconds_and_everyone_hears_of_it(broker_address: str) -> None:
    async with (
        Client.connect(broker_address, name="anna") as anna,
        processes.peer(broker_address, "bert") as bert,
        anna.subscribe(PRESENCE) as presence,
    ):
        assert (await anna.ask("bert", "hello")).text == "HELLO"
        asking = asyncio.create_task(anna.ask("bert", "sleep", timeout=None))
        await until(lambda: bool(anna._calls))
        await bert.kill()
        started = time.monotonic()
        with pytest.raises((PeerLost, NoSuchAgent)):
            await asking
        assert time.monotonic() - started < 10
        async with asyncio.timeout(30):
            async for event in presence:
                one = event.decode(Presence)
                if (one.name, one.state) == ("bert", "lost"):
                    break


@pytest.mark.requirement("R-CALL-2")
async def test_a_stopped_peer_is_an_error_within_ten_seconds(broker_address: str) -> None:
    async with Client.connect(broker_address, name="anna") as anna, processes.peer(broker_address, "bert") as bert:
        asking = asyncio.create_task(anna.ask("bert", "sleep", timeout=None))
        await asyncio.sleep(0)
        os.kill(bert.pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(RequestError):
            await asking
        assert time.monotonic() - started < 12


@pytest.mark.requirement("R-REPLICA-2")
async def test_when_a_replica_is_killed_the_other_goes_on(broker_address: str) -> None:
    async with (
        Client.connect(broker_address, name="anna") as anna,
        processes.peer(broker_address, "team", shared=True) as first,
        processes.peer(broker_address, "team", shared=True),
    ):
        asks = [asyncio.create_task(anna.ask("team", "sleep", timeout=60)) for _ in range(2)]
        await until(lambda: len(anna._calls) == 2)
        await anna.request("", "ping")
        await first.kill()
        done, waiting = await asyncio.wait(asks, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        assert isinstance(done.pop().exception(), PeerLost)
        assert len(waiting) == 1, "the other replica works on"
        for _ in range(4):
            assert (await anna.ask("team", "hello", absent=10)).text == "HELLO"
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


@pytest.mark.requirement("R-CALL-7")
@pytest.mark.requirement("R-GAP-3")
async def test_a_killed_broker_comes_back_and_nobody_noticed(tmp_path: Path) -> None:
    async with (
        processes.broker(tmp_path) as (broker, address),
        Client.connect(address, name="anna") as anna,
        Client.connect(address, name="bert") as bert,
        bert.subscribe("news") as news,
    ):
        go, calls = asyncio.Event(), list[str]()

        async def wait(message: ChatMessage, _: Incoming) -> ChatMessage:
            calls.append(message.text)
            await go.wait()
            return message

        Service(bert).method("ask", ChatMessage, wait)
        rebound: list[float] = []
        for client in (anna, bert):
            client.on_bound = lambda _: rebound.append(time.monotonic())
        for number in range(1, 101):
            anna.publish("news", number)
        assert [(await asyncio.wait_for(anext(news), 20)).payload for _ in range(100)] == list(range(1, 101))
        asking = asyncio.create_task(anna.ask("bert", "hello", timeout=60))
        await until(lambda: calls == ["hello"])

        await broker.kill()
        for number in range(101, 201):
            anna.publish("news", number)
            await asyncio.sleep(0.002)
        await broker.start()
        started = time.monotonic()
        await until(lambda: len(rebound) == 2)
        assert max(rebound) - started < 3 + 2, "3 s, and the start of the process"
        go.set()
        assert (await asking).text == "hello"
        assert calls == ["hello"], "worked on once"

        for number in range(201, 301):
            anna.publish("news", number)
        seen: list[int] = []
        async with asyncio.timeout(30):
            while not seen or seen[-1] != 300:
                seen.append((await anext(news)).payload)
        assert seen == sorted(set(seen))
        assert len(seen) + news.missed == 200


async def test_a_broker_killed_again_and_again_is_found_each_time(tmp_path: Path) -> None:
    async with (
        processes.broker(tmp_path) as (broker, address),
        Client.connect(address, name="anna") as anna,
        Client.connect(address, name="bert") as bert,
    ):

        async def echo(message: ChatMessage, _: Incoming) -> ChatMessage:
            return message

        Service(bert).method("ask", ChatMessage, echo)
        for number in range(3):
            await broker.kill()
            asking = asyncio.create_task(anna.ask("bert", str(number), timeout=60, absent=30))
            await broker.start()
            assert (await asking).text == str(number)
