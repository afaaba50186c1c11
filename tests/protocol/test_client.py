"""The client, over memory and over ZeroMQ: the same tests for both."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import Join, until

from rostra.broker.memory import MemoryBroker
from rostra.protocol import (
    BadMessage,
    BadName,
    BrokerLost,
    Cancelled,
    ChatMessage,
    Client,
    Incoming,
    NoSuchAgent,
    Presence,
    Refused,
    RemoteError,
    Service,
    Superseded,
    TimedOut,
    TooLarge,
    Transport,
    Unsupported,
    ZmqTransport,
)
from rostra.protocol.directory import PRESENCE
from rostra.protocol.limits import MAX_EVENT


async def echo(message: ChatMessage, _: Incoming) -> ChatMessage:
    return message


def answering(client: Client, handler: Any = echo, **options: Any) -> Service:
    service = Service(client, **options)
    service.method("ask", ChatMessage, handler)
    return service


@pytest.mark.requirement("R-CALL-1")
async def test_an_ask_is_answered(join: Join) -> None:
    answering(await join("bert"))
    assert (await (await join("anna")).ask("bert", "hello")).text == "hello"


@pytest.mark.requirement("R-ROUTE-1")
async def test_an_unknown_name_fails_within_a_second(join: Join) -> None:
    anna = await join("anna")
    started = time.monotonic()
    with pytest.raises(NoSuchAgent) as caught:
        await anna.ask("nobody", "hello")
    assert time.monotonic() - started < 1.0
    assert caught.value.peer == "nobody"


async def test_an_absent_peer_is_waited_for(join: Join) -> None:
    anna = await join("anna")
    waiting = asyncio.create_task(anna.ask("bert", "hello", absent=20.0))
    await until(lambda: bool(anna._calls))
    answering(await join("bert"))
    assert (await waiting).text == "hello"


async def test_a_peer_that_serves_nothing_says_so(join: Join) -> None:
    await join("bert")
    anna = await join("anna")
    with pytest.raises(Unsupported):
        await anna.ask("bert", "hello")
    answering(anna)
    with pytest.raises(Unsupported):
        await anna.request("anna", "nonsense")


@pytest.mark.requirement("R-CALL-3")
async def test_a_deadline_ends_the_wait_and_reaches_the_handler(join: Join) -> None:
    ended: list[str] = []

    async def sleep(_: ChatMessage, __: Incoming) -> ChatMessage:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("ended")
        raise AssertionError

    bert, anna = await join("bert"), await join("anna")
    answering(bert, sleep)
    with pytest.raises(TimedOut):
        await anna.ask("bert", "hello", timeout=0.3)
    await until(lambda: ended == ["ended"])
    await until(lambda: len(bert.session.serving) == 0)


@pytest.mark.requirement("R-SERVE-4")
async def test_a_cancelled_ask_cancels_the_handler(join: Join) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def sleep(_: ChatMessage, __: Incoming) -> ChatMessage:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        raise AssertionError

    bert, anna = await join("bert"), await join("anna")
    answering(bert, sleep)
    task = asyncio.create_task(anna.ask("bert", "hello"))
    await asyncio.wait_for(begun.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(ended.wait(), 20)
    assert not anna._calls
    assert len(anna.session.calls) == 0


async def test_two_requests_of_one_id_do_not_share_their_answer(join: Join) -> None:
    bert, anna = await join("bert"), await join("anna")
    go = asyncio.Event()

    async def wait(message: ChatMessage, _: Incoming) -> ChatMessage:
        await go.wait()
        return message

    answering(bert, wait)
    message = ChatMessage(content="x")
    first = asyncio.create_task(anna.request("bert", "ask", message, id=b"x" * 16))
    await until(lambda: bool(anna._calls))
    with pytest.raises(Refused):
        await anna.request("bert", "ask", message, id=b"x" * 16)
    go.set()
    await first
    assert (await anna.request("bert", "ask", ChatMessage(content="other"), id=b"x" * 16))["content"] == "x", "the kept reply"


@pytest.mark.requirement("R-BODY-2")
@pytest.mark.parametrize("reply", [object(), "x" * 1_100_000, "\ud800", 2**80, list(range(20_000))], ids=range(5))
async def test_a_reply_that_cannot_be_sent_is_an_error_to_the_caller(join: Join, reply: Any) -> None:
    async def bad(_: ChatMessage, __: Incoming) -> Any:
        return reply

    bert, anna = await join("bert"), await join("anna")
    answering(bert, bad)
    with pytest.raises(RemoteError):
        await anna.ask("bert", "hello", timeout=20)


@pytest.mark.requirement("R-SERVE-6")
@pytest.mark.parametrize(
    "error", [ValueError("x" * 100_000), Refused("no", details={"x": object()}), BadMessage("odd"), TimeoutError()], ids=range(4)
)
async def test_whatever_a_handler_raises_is_an_error_to_the_caller(join: Join, error: Exception) -> None:
    async def bad(_: ChatMessage, __: Incoming) -> Any:
        raise error

    bert, anna = await join("bert"), await join("anna")
    answering(bert, bad)
    with pytest.raises(Refused if isinstance(error, Refused) else RemoteError):
        await anna.ask("bert", "hello", timeout=20)


async def test_what_cannot_be_sent_is_refused_where_it_is_said(join: Join) -> None:
    anna = await join("anna")
    with pytest.raises(BadMessage):
        await anna.request("bert", "ask", object())
    with pytest.raises(TooLarge):
        await anna.request("bert", "x" * 20_000)
    with pytest.raises(BadName):
        anna.publish("a b", 1)
    with pytest.raises(TooLarge):
        anna.publish("news", bytes(MAX_EVENT + 1))
    with pytest.raises(BadName):
        anna.subscribe("a b")
    assert not anna._calls
    assert await anna.request("", "ping") is None


@pytest.mark.requirement("R-HELLO-4")
async def test_the_older_of_two_ends_and_what_it_waits_for_too(join: Join) -> None:
    answering(await join("bert"), lambda *_: asyncio.sleep(3600))
    old = await join("anna")
    asking = asyncio.create_task(old.ask("bert", "hello", timeout=None))
    events = old.subscribe("news")
    async with events:
        await until(lambda: bool(old._calls))
        await join("anna")
        with pytest.raises(Superseded):
            await asking
        assert isinstance(await asyncio.wait_for(old.ended, 20), Superseded)
        with pytest.raises(Superseded):
            await old.ask("bert", "hello")
        with pytest.raises(Superseded):
            await anext(events)


@pytest.mark.requirement("R-SESSION-6")
async def test_nobody_waits_on_a_closed_client(join: Join) -> None:
    anna = await join("anna")
    answering(await join("bert"), lambda *_: asyncio.sleep(3600))
    asking = asyncio.create_task(anna.ask("bert", "hello", timeout=None))
    events = anna.subscribe("news")
    await events.__aenter__()
    reading = asyncio.create_task(anext(events, None))
    await until(lambda: bool(anna._calls))
    await anna.aclose()
    with pytest.raises(Cancelled):
        await asking
    assert await reading is None
    assert await anna.ended is None
    with pytest.raises(Cancelled):
        await anna.ask("bert", "hello")
    with pytest.raises(Cancelled):
        await anna.subscribe("news").__aenter__()


@pytest.mark.requirement("R-EVENT-1")
async def test_events_come_in_order_to_every_subscription(join: Join) -> None:
    anna, bert = await join("anna"), await join("bert")
    async with bert.subscribe("chat.*") as narrow, bert.subscribe(">") as wide, anna.subscribe("chat.1") as own:
        for number in range(200):
            anna.publish("chat.1", number)
            anna.publish("other", number)
        seen = [await asyncio.wait_for(anext(narrow), 20) for _ in range(200)]
        assert [(event.payload, event.sender, event.topic) for event in seen] == [(n, "anna", "chat.1") for n in range(200)]
        assert [(await asyncio.wait_for(anext(own), 20)).payload for _ in range(200)] == list(range(200))
        payloads = [(await asyncio.wait_for(anext(wide), 20)).payload for _ in range(400)]
        assert sorted(payloads) == sorted([*range(200), *range(200)])
        assert narrow.missed == wide.missed == own.missed == 0


@pytest.mark.requirement("R-SUB-4")
async def test_since_replays_what_is_retained(join: Join) -> None:
    anna, bert = await join("anna"), await join("bert")
    for number in range(1, 6):
        anna.publish("news", number)
    await anna.request("", "ping")
    async with bert.subscribe("news", since=2) as news:
        assert [(await asyncio.wait_for(anext(news), 20)).payload for _ in range(3)] == [3, 4, 5]


@pytest.mark.requirement("R-PRESENCE-1")
async def test_presence_tells_who_came_and_went(join: Join, transport: Callable[[], Transport]) -> None:
    anna = await join("anna")
    async with anna.subscribe(PRESENCE) as presence:
        async with Client(transport(), name="bert", info={"kind": "test"}):
            came = (await asyncio.wait_for(anext(presence), 20)).decode(Presence)
        went = (await asyncio.wait_for(anext(presence), 20)).decode(Presence)
        assert (came.name, came.state, came.info) == ("bert", "online", {"kind": "test"})
        assert (went.name, went.state, went.boot) == ("bert", "left", came.boot)


@pytest.mark.requirement("R-PEERS-1")
async def test_all_peers_are_listed(join: Join) -> None:
    anna = await join("anna", info={"description": "x" * 50_000})
    for number in range(20):
        await join("team", shared=True, info={"number": number, "description": "x" * 60_000})
    peers = await anna.peers()
    assert sorted(one.address for one in peers) == sorted(["anna", *(f"team~{n}" for n in range(1, 21))])


@pytest.mark.requirement("R-GAP-1")
async def test_a_slow_subscriber_learns_exactly_how_many_it_missed(join: Join) -> None:
    anna, bert = await join("anna"), await join("bert")
    gaps: list[tuple[str, int]] = []
    async with bert.subscribe("news", on_gap=lambda topic, count: gaps.append((topic, count))) as news:
        for number in range(20_000):
            anna.publish("news", number)
            if number % 500 == 0:
                await asyncio.sleep(0)
        await anna.request("", "ping", timeout=60)
        seen: list[int] = []
        async with asyncio.timeout(60):
            while not seen or seen[-1] != 19_999:
                seen.append((await anext(news)).payload)
        assert seen == sorted(set(seen))
        assert len(seen) + news.missed == 20_000
        assert news.missed > 0
        await until(lambda: sum(count for _, count in gaps) == news.missed)
        assert {topic for topic, _ in gaps} == {"news"}


@pytest.mark.filterwarnings("default")
async def test_a_callback_that_raises_does_not_stop_the_reader(join: Join) -> None:
    anna, bert = await join("anna"), await join("bert")
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["exception"]))

    def bad(*_: Any) -> None:
        raise ZeroDivisionError

    bert.on_request = bad
    async with bert.subscribe("news", on_gap=bad) as news:
        with pytest.raises(TimedOut):
            await anna.request("bert", "x", timeout=0.3)
        for number in range(3000):
            anna.publish("news", number)
        async with asyncio.timeout(30):
            while (await anext(news)).payload != 2999:
                pass
        assert await bert.request("", "ping") is None
    assert any(isinstance(one, ZeroDivisionError) for one in complaints)


async def test_ending_a_subscription_from_within_its_gap_is_harmless(join: Join) -> None:
    anna, bert = await join("anna"), await join("bert")
    closing: list[asyncio.Task[None]] = []
    news = bert.subscribe("news", on_gap=lambda *_: closing.append(asyncio.create_task(news.aclose())))
    async with news:
        for number in range(3000):
            anna.publish("news", number)
        await anna.request("", "ping")
        await until(lambda: any(one.behind for sub in bert.session.subscriptions._all.values() for one in sub.cursors.values()))
        async with asyncio.timeout(30):
            async for _ in news:
                pass
    assert closing
    assert await bert.request("", "ping") is None


async def test_a_subscription_abandoned_while_it_opens_leaves_nothing_behind(join: Join) -> None:
    anna = await join("anna")
    opening = asyncio.create_task(anna.subscribe("news").__aenter__())
    await until(lambda: bool(anna._subscriptions))
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await (await opening).aclose()
    assert not anna._subscriptions
    assert not anna.session.subscriptions._all


@pytest.mark.requirement("R-CALL-6")
async def test_a_broker_that_never_comes_is_reported(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rostra.protocol import calls

    monkeypatch.setattr(calls, "SILENCE", 0.5)
    client = Client.connect(f"ipc://{tmp_path}/nobody", name="anna")
    await client.open()
    with pytest.raises(BrokerLost):
        await client.bound(0.1)
    with pytest.raises(BrokerLost):
        await asyncio.wait_for(client.ask("bert", "hello", timeout=None), 20)
    await client.aclose()


async def test_a_client_that_was_never_opened_closes() -> None:
    await Client(MemoryBroker().transport(), name="anna").aclose()


async def test_opening_and_closing_leaves_no_descriptor_task_or_thread(broker_address: str) -> None:
    async def cycle(number: int) -> None:
        async with Client(ZmqTransport(broker_address), name=f"a{number}") as client, client.subscribe("news"):
            await client.request("", "ping")

    for number in range(6):  # the pool of threads that close fills up first
        await cycle(number)
    descriptors, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    threads = threading.active_count()
    for number in range(25):
        await cycle(number)
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2
    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() <= max(threads, 8)
