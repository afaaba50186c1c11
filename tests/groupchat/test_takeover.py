"""People take the floor: controls as requests on the bus, and signals at any instant."""

import asyncio
import contextlib
import itertools
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rostra.broker.memory import MemoryBroker
from rostra.groupchat import ChatOptions, Coordinator
from rostra.groupchat.replaying import replay
from rostra.groupchat.signals import Signals
from rostra.protocol import (
    COORDINATOR,
    Answer,
    ChatMessage,
    Client,
    History,
    HistoryRequest,
    Question,
    Refused,
    Turn,
    TurnReply,
)
from rostra.protocol.chat import (
    ChatControl,
    ChatEvent,
    ChatInfo,
    ChatRef,
    ChatRewind,
    ChatSay,
    Found,
    InboxAnswer,
    InboxItem,
    Records,
    RecordsRequest,
    SearchRequest,
    Verdict,
)

from .team import Join, Speaker, coordinator, events_until_result, hold, info, options, start
from .test_votes import script


async def control(client: Client, what: str, chat: str = "c1", **rest: Any) -> ChatInfo:
    """Do something to a chat."""
    found: ChatInfo = await client.request(COORDINATOR, f"chat.{what}", ChatControl(chat=chat, **rest), reply=ChatInfo)
    return found


async def messages(client: Client, chat: str = "c1") -> list[tuple[str, str]]:
    """Who said what."""
    history: History = await client.request(COORDINATOR, "history", HistoryRequest(chat=chat, limit=1000), reply=History)
    assert [one.sequence for one in history.messages] == list(range(1, len(history.messages) + 1))
    return [(one.name, one.text) for one in history.messages]


async def intact(client: Client, chat: str = "c1") -> None:
    """The chain must be good."""
    verdict: Verdict = await client.request(COORDINATOR, "chat.verify", ChatRef(chat=chat), reply=Verdict)
    assert verdict.intact, verdict.problem


async def records(client: Client, chat: str = "c1") -> Records:
    """All closed rows."""
    found: Records = await client.request(COORDINATOR, "chat.records", RecordsRequest(chat=chat), reply=Records)
    assert not found.more
    return found


async def questions(client: Client) -> list[InboxItem]:
    """What waits for a person."""
    items: list[InboxItem] = await client.request(COORDINATOR, "inbox.list", reply=list[InboxItem])
    return items


async def reach(client: Client, state: str, count: int = 0, chat: str = "c1") -> ChatInfo:
    """Wait until the chat is in a state, with so many messages (0: any number)."""
    async with client.subscribe(f"chat.{chat}") as events, asyncio.timeout(20):
        found = await info(client, chat)
        while found.state != state or count not in (0, found.messages):
            async with asyncio.timeout(20):
                await anext(aiter(events))
            found = await info(client, chat)
        return found


class Slow:
    """What a member says when it is let; `cancelled` when its turn was taken back."""

    def __init__(self) -> None:
        self.reached, self.go, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, turn: Turn) -> TurnReply:
        self.reached.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return TurnReply(message=ChatMessage(content=f"slow at {turn.sequence}"))


class Person:
    """A member that asks the inbox what to say."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.speaker = Speaker(client, self._speak)

    async def _speak(self, turn: Turn) -> TurnReply:
        id_ = self.speaker.ids[-1]
        question = Question(text="What do you say?", chat=turn.chat)
        answer: Answer = await self._client.request(COORDINATOR, "inbox.ask", question, reply=Answer, id=id_, timeout=None)
        return TurnReply(message=ChatMessage(content=answer.text))


@contextlib.asynccontextmanager
async def holding(join: Join, tmp_path: Path, chosen: ChatOptions) -> AsyncIterator[Coordinator]:
    """A coordinator as long as the context is open."""
    made = await coordinator(join, tmp_path / "chats.db", chosen)
    try:
        yield made
    finally:
        await made.aclose()


async def test_a_chat_is_paused_stepped_and_resumed_from_a_second_terminal(join: Join, tmp_path: Path) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    Speaker(await join("b"))
    one, two = await join("console-1"), await join("console-2")
    async with holding(join, tmp_path, options("a", "b", max_rounds=5)), one.subscribe("chat.c1") as events:
        await start(one, chat="c1")
        await asyncio.wait_for(slow.reached.wait(), 20)
        assert (await control(two, "pause")).state == "running"
        slow.go.set()
        await reach(two, "paused", 2)
        await control(two, "step")
        await reach(two, "paused", 3)
        assert (await control(two, "resume")).state in ("running", "ended")
        seen = await events_until_result(events)
        assert len(await messages(two)) == 5
        controls = [event.control for event in seen if event.control is not None]
        assert [(each.what, each.by) for each in controls] == [
            ("pause", "console-2"),
            ("step", "console-2"),
            ("resume", "console-2"),
        ]
        assert [event.why for event in seen if event.type == "state" and event.why] == ["paused", "running", "paused", "running"]
        kept = [record.control.what for record in (await records(two)).records if record.control]
        assert kept == ["pause", "step", "resume"]
        await intact(two)


async def test_only_consoles_may_control_a_chat(join: Join, tmp_path: Path) -> None:
    member = Speaker(await join("a"))
    Speaker(await join("b"), Slow())
    async with holding(join, tmp_path, options("a", "b")):
        await start(await join("console-1"), chat="c1")
        for what in ("pause", "resume", "step", "skip", "next", "takeover", "mute", "unmute", "join", "leave", "limit"):
            with pytest.raises(Refused, match="a may not do that"):
                await control(member.client, what, agent="b")
        for method, body in (("chat.stop", ChatRef(chat="c1")), ("chat.rewind", ChatRewind(chat="c1", sequence=1))):
            with pytest.raises(Refused, match="a may not do that"):
                await member.client.request(COORDINATOR, method, body, reply=ChatInfo)


async def test_a_paused_chat_is_paused_when_the_coordinator_is_back(join: Join, tmp_path: Path) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    Speaker(await join("b"))
    console = await join("console-1")
    chosen = options("a", "b", max_rounds=3)
    async with holding(join, tmp_path, chosen) as first:
        await start(console, chat="c1")
        await asyncio.wait_for(slow.reached.wait(), 20)
        await control(console, "pause", now=True)
        await asyncio.wait_for(slow.cancelled.wait(), 20)
        await first.aclose()
        await first._client.aclose()
    async with holding(join, tmp_path, chosen):
        assert (await info(console, "c1")).state == "paused"
        said = ChatSay(chat="c1", content="still there?")
        await console.request(COORDINATOR, "chat.say", said, reply=ChatMessage)
        assert await messages(console) == [("user", "the task"), ("user", "still there?")]
        slow.go.set()
        await control(console, "resume")
        found = await reach(console, "ended")
        assert (found.messages, found.epoch) == (3, 2)
        await intact(console)


async def test_members_are_chosen_muted_joined_and_let_go_while_the_chat_runs(join: Join, tmp_path: Path) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    for name in ("b", "c"):
        Speaker(await join(name))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", "c", max_rounds=5)):
        await start(console, chat="c1", members=("a", "b"))
        await asyncio.wait_for(slow.reached.wait(), 20)
        assert [member.name for member in (await control(console, "join", agent="c")).members] == ["a", "b", "c"]
        assert (await control(console, "mute", agent="b")).muted == ("b",)
        assert (await control(console, "limit", max_rounds=4)).max_rounds == 4
        await control(console, "next", agent="c")
        await control(console, "skip")
        await asyncio.wait_for(slow.cancelled.wait(), 20)
        slow.go.set()
        await reach(console, "ended")
        assert [name for name, _ in await messages(console)] == ["user", "c", "a", "c"]
        with pytest.raises(Refused, match="has ended"):
            await control(console, "leave", agent="c")


async def test_a_takeover_asks_the_admin_and_withdraws_what_nobody_needs_to_answer(join: Join, tmp_path: Path) -> None:
    Person(await join("a"))
    Person(await join("boss"))
    console = await join("console-1")
    chosen = options("a", "boss", max_rounds=3, admin="boss", people=frozenset({"a", "boss"}))
    async with holding(join, tmp_path, chosen), console.subscribe("inbox") as asked:
        await start(console, chat="c1")
        assert (await anext(aiter(asked))).decode(ChatEvent).speaker == "a"
        await control(console, "takeover")
        told = [(await anext(aiter(asked))).decode(ChatEvent) for _ in range(2)]
        assert sorted((event.type, event.speaker, event.why) for event in told) == [
            ("answered", "a", "withdrawn"),
            ("question", "boss", ""),
        ]
        (item,) = await questions(console)
        assert item.question.agent == "boss"
        await console.request(COORDINATOR, "inbox.answer", InboxAnswer(number=item.number, text="mine"), reply=InboxItem)
        await reach(console, "running", 2)
        assert (await messages(console))[1] == ("boss", "mine")


async def test_a_chat_is_stopped_after_the_turn_or_now(join: Join, tmp_path: Path) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    Speaker(await join("b"))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", max_rounds=9)):
        await start(console, chat="c1")
        await start(console, chat="c2")
        await asyncio.wait_for(slow.reached.wait(), 20)
        later = ChatRef(chat="c1", reason="done", after_turn=True)
        assert (await console.request(COORDINATOR, "chat.stop", later, reply=ChatInfo)).state == "running"
        ended = await console.request(COORDINATOR, "chat.stop", ChatRef(chat="c2"), reply=ChatInfo)
        assert (ended.state, ended.result.stop_reason) == ("ended", "stopped by console-1")
        slow.go.set()
        found = await reach(console, "ended")
        assert found.result is not None
        assert (found.messages, found.result.stop_reason) == (2, "done")


# ---- time travel


async def test_an_ended_chat_is_rewound_edited_and_goes_on(join: Join, tmp_path: Path) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", max_rounds=6)):
        await hold(console)
        before = await records(console)
        wish = ChatRewind(chat="c1", sequence=3, content="no: like this", name="user")
        await console.request(COORDINATOR, "chat.rewind", wish, reply=ChatInfo)
        await reach(console, "ended", 6)
        assert (await messages(console))[2:] == [("b", "b at 3"), ("user", "no: like this"), ("a", "a at 5"), ("b", "b at 6")]
        after = await records(console)
        assert [one.hash for one in after.records[: len(before.records)]] == [one.hash for one in before.records]
        assert [one.sequence for one in after.records if one.rewound] == [4, 5, 6]
        await intact(console)
        with pytest.raises(Refused, match="no message 7"):
            await console.request(COORDINATOR, "chat.rewind", ChatRewind(chat="c1", sequence=7), reply=ChatInfo)
        assert (await info(console, "c1")).state == "ended"


async def test_a_fork_at_every_message_has_an_equal_prefix_and_goes_on(join: Join, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Speaker(await join(name))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", "c", max_rounds=30)) as held:
        await hold(console)
        whole = await held.transcript.history("c1", 0, 1000)
        assert len(whole.messages) == 30
        for place in range(1, 31):
            fork = ChatRewind(chat="c1", sequence=place, fork=f"f{place}", paused=True)
            made: ChatInfo = await console.request(COORDINATOR, "chat.fork", fork, reply=ChatInfo)
            assert (made.messages, made.parent) == (place, "c1")
            assert (await held.transcript.history(made.chat, 0, 1000)).messages == whole.messages[:place]
            await intact(console, made.chat)
            await reach(console, "paused" if place < 30 else "ended", place, made.chat)  # the last one is at its limit
            again = await script(console, made.chat)
            assert [record.message for record in again.records if record.sequence] == list(whole.messages[:place])
            assert replay(again) == []
            if place < 29:  # the last one ends it
                await control(console, "step", made.chat)
                await reach(console, "paused", place + 1, made.chat)
                assert (await messages(console, made.chat))[place] == (await messages(console))[place]
        assert len((await held.transcript.history("c1", 0, 1000)).messages) == 30
        with pytest.raises(Refused, match="exists already"):
            await console.request(COORDINATOR, "chat.fork", ChatRewind(chat="c1", sequence=2, fork="f2"), reply=ChatInfo)


async def test_one_changed_byte_in_any_of_thirty_messages_fails_the_replay(join: Join, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Speaker(await join(name))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", "c", max_rounds=30)):
        await hold(console)
        whole = await script(console)
    assert replay(whole) == []
    for place, record in enumerate(whole.records):
        assert record.message is not None
        text = record.message.text
        at = place % len(text)
        message = msgspec.structs.replace(record.message, content=f"{text[:at]}{chr(ord(text[at]) ^ 1)}{text[at + 1 :]}")
        records = (*whole.records[:place], msgspec.structs.replace(record, message=message), *whole.records[place + 1 :])
        found = replay(msgspec.structs.replace(whole, records=records))
        assert found == [f"row {record.number} (message {place + 1}) is not what was written"]


async def test_what_was_said_is_found_by_its_words(join: Join, tmp_path: Path) -> None:
    Speaker(await join("a"), lambda turn: "The broker's mailbox is a file.")
    Speaker(await join("b"), lambda turn: f"Nobody reads the mailbox of {turn.chat}.")
    console = await join("console-1")

    async def search(query: str, **rest: Any) -> list[tuple[str, int, str]]:
        found = await console.request(COORDINATOR, "chat.search", SearchRequest(query=query, **rest), reply=list[Found])
        return sorted((one.chat, one.sequence, one.speaker) for one in found)

    async with holding(join, tmp_path, options("a", "b", max_rounds=3)):
        await hold(console)
        await hold(console, "another task", "c2")
        assert await search("mailbox") == [("c1", 2, "a"), ("c1", 3, "b"), ("c2", 2, "a"), ("c2", 3, "b")]
        assert await search("mailbox", chat="c2", speaker="b") == [("c2", 3, "b")]
        assert await search("nobody c1") == [("c1", 3, "b")]
        assert await search("broker's (") == [("c1", 2, "a"), ("c2", 2, "a")]
        assert await search('"another task"') == [("c2", 1, "user")]
        await console.request(COORDINATOR, "chat.rewind", ChatRewind(chat="c1", sequence=2, paused=True), reply=ChatInfo)
        assert await search("mailbox", chat="c1") == [("c1", 2, "a")]
        with pytest.raises(Refused, match="no word"):
            await search('"')


# ---- signals


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


class Process:
    """A coordinator as a process."""

    def __init__(self, address: str, database: Path, admin: str) -> None:
        self._arguments = [address, str(database), admin]

    async def __aenter__(self) -> "Process":
        program = [sys.executable, "-m", "tests.groupchat.process", *self._arguments]
        root = Path(__file__).parents[2]
        self.process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE, cwd=root)
        assert self.process.stdout is not None
        assert await asyncio.wait_for(self.process.stdout.readline(), 60) == b"ready\n"
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code."""
        return await asyncio.wait_for(self.process.wait(), 30)

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_the_process_asks_the_admin_and_a_second_one_ends_it(
    broker_address: str, tmp_path: Path, number: signal.Signals
) -> None:
    async with contextlib.AsyncExitStack() as stack:

        async def join(name: str) -> Client:
            return await stack.enter_async_context(Client.connect(broker_address, name=name))

        slow = Slow()
        Speaker(await join("a"), slow)
        Speaker(await join("b"))
        Person(await join("boss"))
        console = await join("console-1")
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


async def test_a_supervisors_stop_ends_the_process_at_once_and_start_goes_on(broker_address: str, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:

        async def join(name: str) -> Client:
            return await stack.enter_async_context(Client.connect(broker_address, name=name))

        slow = Slow()
        Speaker(await join("a"), slow)
        Speaker(await join("b"))
        Speaker(await join("boss"))
        console = await join("console-1")
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
