"""People take the floor by signals, at any instant: once to the coordinator, twice to end it."""

import asyncio
import contextlib
import itertools
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rostra.broker.memory import MemoryBroker
from rostra.groupchat import Coordinator
from rostra.groupchat.signals import Signals
from rostra.protocol import COORDINATOR, ChatMessage, Client, Turn, TurnReply
from rostra.protocol.chat import ChatEvent, InboxAnswer, InboxItem

from .console import control, intact, messages, questions, reach, records
from .process import Process
from .team import Asker, Join, Slow, Speaker, holding, info, options, start


async def interrupted(console: Client, held: Coordinator, chat: str, admin: str, chance: random.Random) -> list[float]:
    """Hold a chat, and send a signal at some instant; returns the seconds until somebody had the floor, if it still ran."""
    signals = Signals(held, asyncio.Event(), grace=20.0)
    waits: list[float] = []
    async with console.subscribe(f"chat.{chat}") as events:
        await start(console, chat=chat)
        await asyncio.sleep(chance.random() * 0.04)
        began = time.perf_counter()
        if held.chats.active:
            signals.signalled(signal.SIGTERM if admin and chance.random() < 0.5 else signal.SIGINT)
            async for event in events:
                seen = event.decode(ChatEvent)
                if seen.type == "result" or (seen.control is not None and seen.control.what == "takeover"):
                    break
            waits.append(time.perf_counter() - began)
    if not admin and (await info(console, chat)).state != "ended":
        await control(console, "resume", chat)
    final = await reach(console, "ended", chat=chat)
    assert final.result is not None
    assert (final.messages, final.result.outcome) == (6, "limit")
    assert len(await messages(console, chat)) == 6
    turns = [row.turn for row in await held.transcript.rows(chat) if row.state == "done"]
    assert len(turns) == len(set(turns))
    await intact(console, chat)
    if signals._task is not None:
        signals._task.cancel()
    return waits


@pytest.mark.semantics("S2.18")
async def test_signals_at_random_instants_give_the_floor_within_half_a_second_and_lose_nothing(tmp_path: Path) -> None:
    chance, broker, waits, numbers = random.Random(5), MemoryBroker(), list[float](), itertools.count()

    async def hesitant(turn: Turn) -> TurnReply:
        await asyncio.sleep(chance.random() * 0.01)
        return TurnReply(message=ChatMessage(content=f"{turn.chat} at {turn.sequence}"))

    async with contextlib.AsyncExitStack() as stack:

        async def join(name: str) -> Client:
            return await stack.enter_async_context(Client(broker.transport(), name=name))

        for name in ("a", "b", "boss"):
            Speaker(await join(name), hesitant if name != "boss" else None)
        console = await join("console-1")
        for admin in ("boss", "", "boss", "boss"):
            async with Client(broker.transport(), name=COORDINATOR) as client:
                held = Coordinator(client, options("a", "b", "boss", max_rounds=6, admin=admin), tmp_path / "chats.db")
                await held.start()
                for _ in range(10):  # make chaos: 200 signals to processes
                    waits += await interrupted(console, held, f"c{next(numbers)}", admin, chance)
                await held.aclose()
    assert len(waits) > 20
    assert sorted(waits)[int(len(waits) * 0.9)] < 0.5


@pytest.fixture
async def over_sockets(broker_address: str) -> AsyncIterator[Join]:
    """Connects a client to the broker on sockets; all are closed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(name: str) -> Client:
            return await stack.enter_async_context(Client.connect(broker_address, name=name))

        yield connect


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_the_process_asks_the_admin_and_a_second_one_ends_it(
    broker_address: str, over_sockets: Join, tmp_path: Path, number: signal.Signals
) -> None:
    slow = Slow()
    Speaker(await over_sockets("a"), slow)
    Speaker(await over_sockets("b"))
    Asker(await over_sockets("boss"))
    console = await over_sockets("console-1")
    database = tmp_path / "chats.db"
    async with Process(broker_address, database, "boss") as held:
        await start(console, chat="c1")
        await asyncio.wait_for(slow.reached.wait(), 20)
        async with console.subscribe("inbox") as asked:
            began = time.perf_counter()
            held.signal(number)
            event = await asyncio.wait_for(anext(aiter(asked)), 20)
            assert event.decode(ChatEvent).speaker == "boss"
            assert time.perf_counter() - began < 5  # a busy machine; the campaign above measures
        held.signal(number)
        assert await held.ended() == 0
    slow.go.set()
    async with Process(broker_address, database, "boss") as held:
        (item,) = await questions(console)
        await console.request(COORDINATOR, "inbox.answer", InboxAnswer(number=item.number, text="mine"), reply=InboxItem)
        await reach(console, "ended")
        assert (await messages(console))[:2] == [("boss", "the task"), ("boss", "mine")]
        await intact(console)
        held.signal(number)  # no chat runs
        assert await held.ended() == 0


async def test_a_supervisors_stop_ends_the_process_at_once_and_start_goes_on(
    broker_address: str, over_sockets: Join, tmp_path: Path
) -> None:
    slow = Slow()
    Speaker(await over_sockets("a"), slow)
    Speaker(await over_sockets("b"))
    Speaker(await over_sockets("boss"))
    console = await over_sockets("console-1")
    for place, (admin, number) in enumerate((("boss", signal.SIGHUP), ("", signal.SIGTERM))):
        database, chat = tmp_path / f"chats-{place}.db", f"c{place}"
        slow.reached.clear()
        slow.go.clear()
        async with Process(broker_address, database, admin) as held:
            await start(console, chat=chat)
            await asyncio.wait_for(slow.reached.wait(), 20)
            held.signal(number)
            assert await held.ended() == 0
        slow.go.set()
        async with Process(broker_address, database, admin):
            found = await reach(console, "ended", chat=chat)
            assert found.messages == 4
            assert not [record for record in (await records(console, chat)).records if record.control]


async def test_sigterm_that_nobody_heeds_ends_the_process_and_undoes_the_pauses_it_made(tmp_path: Path, join: Join) -> None:
    for name in ("a", "b", "boss"):
        Speaker(await join(name), Slow())
    console = await join("console-1")
    stop = asyncio.Event()
    async with holding(join, tmp_path, options("a", "b", "boss", admin="boss")) as held:
        await start(console, chat="c1")
        await start(console, chat="c2", members=("a", "b"))
        Signals(held, stop, grace=0.2).signalled(signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 20)
        assert (await info(console, "c1")).speaker == "boss"
        assert (await info(console, "c2")).state == "running"
        kept = [(one.control.what, one.control.by) for one in (await records(console, "c2")).records if one.control]
        assert kept == [("takeover", "SIGTERM"), ("resume", "")]


async def test_after_somebody_has_done_something_a_signal_is_a_first_one_again(tmp_path: Path, join: Join) -> None:
    for name in ("a", "b", "boss"):
        Speaker(await join(name), Slow())
    console = await join("console-1")
    stop = asyncio.Event()
    async with holding(join, tmp_path, options("a", "b", "boss", admin="boss")) as held:
        await start(console, chat="c1")
        signals = Signals(held, stop)
        signals.signalled(signal.SIGINT)
        async with asyncio.timeout(20):
            while (await info(console, "c1")).speaker != "boss":
                await reach(console, "running")
        await control(console, "next", agent="b", now=True)
        signals.signalled(signal.SIGINT)
        assert not stop.is_set()
        signals.signalled(signal.SIGINT)
        assert stop.is_set()
