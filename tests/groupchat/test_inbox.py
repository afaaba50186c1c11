"""Questions to people: on disk, answered once, on record in the chat, reminded of, bound to what was read."""

import asyncio
from pathlib import Path

import pytest

from rostra.groupchat import Coordinator
from rostra.groupchat.inbox import Entry
from rostra.groupchat.options import Budget
from rostra.protocol import (
    COORDINATOR,
    Answer,
    ChatMessage,
    Client,
    Question,
    Refused,
    RemoteError,
    Subscription,
    TimedOut,
    Turn,
    TurnReply,
)
from rostra.protocol.chat import ChatControl, ChatEvent, ChatInfo, ChatRef, InboxAnswer, InboxItem, Record, Verdict
from rostra.protocol.people import Asking, InboxRef

from .team import Asker, Join, Slow, Speaker, events_until_result, holding, info, options, start

BOUND = "a" * 64


async def answer(client: Client, number: int, text: str, **rest: str) -> InboxItem:
    item: InboxItem = await client.request(
        COORDINATOR, "inbox.answer", InboxAnswer(number=number, text=text, **rest), reply=InboxItem
    )
    return item


async def item(client: Client, number: int) -> InboxItem:
    found: InboxItem = await client.request(COORDINATOR, "inbox.item", InboxRef(number=number), reply=InboxItem)
    return found


async def asked(inbox: Subscription, type_: str = "question") -> ChatEvent:
    async with asyncio.timeout(20):
        async for event in inbox:
            seen = event.decode(ChatEvent)
            if seen.type == type_:
                return seen
    raise AssertionError(type_)


async def controls(held: Coordinator, chat: str = "c1") -> list[Record]:
    found = (await held.transcript.records(chat)).records
    return [one for one in found if one.control is not None]


async def test_who_answered_when_and_from_where_is_in_the_transcript(join: Join, tmp_path: Path) -> None:
    asker = Asker(await join("a"), kind="code", form="approval", digest=BOUND, detail="rm -r build")
    Speaker(await join("b"))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", max_rounds=3)) as held, console.subscribe("inbox") as inbox:
        await start(console, chat="c1")
        number = (await asked(inbox)).question
        given = await answer(console, number, "yes", by="anna@laptop", digest=BOUND)
        async with console.subscribe("chat.c1") as events:
            if (await info(console, "c1")).state != "ended":
                await events_until_result(events)
        assert given.answer is not None
        assert (given.answer.by, given.answer.origin, given.answer.digest) == ("anna@laptop", "console-1", BOUND)
        assert asker.answers == [given.answer]
        (record,) = await controls(held)
        control = record.control
        assert control is not None
        assert (control.what, control.by, control.agent, control.item) == ("answer", "anna@laptop", "a", given)
        assert given.asked_ms <= given.answer.at_ms <= record.done_ms
        with pytest.raises(Refused, match=rf"item {number} was answered by anna@laptop already"):
            await answer(console, number, "no")
        verdict: Verdict = await console.request(COORDINATOR, "chat.verify", ChatRef(chat="c1"), reply=Verdict)
        assert verdict.intact


async def test_an_answer_that_was_given_right_before_the_end_of_the_coordinator_goes_on_record_later(
    join: Join, tmp_path: Path
) -> None:
    Asker(await join("a"))
    Speaker(await join("b"))
    console = await join("console-1")
    chosen = options("a", "b", max_rounds=2, people=frozenset({"a"}))
    async with holding(join, tmp_path, chosen) as held, console.subscribe("inbox") as inbox:
        await start(console, chat="c1")
        number = (await asked(inbox)).question

        def dies(entry: Entry) -> None:  # when the answer is on disk, and nobody knows it
            raise RuntimeError("killed")

        held.people._inbox._closed = dies
        with pytest.raises(RemoteError):
            await answer(console, number, "fine")
    async with holding(join, tmp_path, chosen) as held:
        async with console.subscribe("chat.c1") as events:
            if (await info(console, "c1")).state != "ended":
                await events_until_result(events)
        (record,) = await controls(held)
        assert record.control is not None
        assert record.control.item == await item(console, number)


async def test_an_answer_to_something_else_than_was_read_is_refused(join: Join, tmp_path: Path) -> None:
    a, b, console = await join("a"), await join("b"), await join("console-1")
    stranger = await join("stranger")
    async with holding(join, tmp_path, options("a", "b")), console.subscribe("inbox") as inbox:
        question = Question(text="Run it?", kind="code", digest=BOUND, detail="x" * 5_000)
        asking = asyncio.create_task(a.request(COORDINATOR, "inbox.ask", question, reply=Answer, id=b"i" * 16, timeout=None))
        number = (await asked(inbox)).question
        with pytest.raises(Refused, match="asks about something else: its digest is aaaa"):
            await answer(console, number, "yes", digest="b" * 64)
        with pytest.raises(Refused, match="stranger may not do that; consoles may"):
            await answer(stranger, number, "yes")
        for digest in ("b" * 64, BOUND):  # of another agent, too
            other = Question(text="Run it?", kind="code", digest=digest)
            with pytest.raises(Refused, match="something else"):
                await b.request(COORDINATOR, "inbox.ask", other, reply=Answer, id=b"i" * 16, timeout=10)
            b = await join(f"b{len(digest.strip('b'))}")
        listed: list[InboxItem] = await console.request(COORDINATOR, "inbox.list", reply=list[InboxItem])
        assert [len(one.question.detail) for one in listed] == [2_001]
        assert (await item(console, number)).question.detail == "x" * 5_000
        with pytest.raises(Refused, match="no item 99"):
            await item(console, 99)
        asking.cancel()


async def test_a_question_whose_detail_nobody_could_read_is_refused(join: Join, tmp_path: Path) -> None:
    a = await join("a")
    async with holding(join, tmp_path, options("a", "b")):
        with pytest.raises(Refused, match="200000 characters at most"):
            await a.request(COORDINATOR, "inbox.ask", Question(text="?", detail="x" * 200_001), reply=Answer)


async def test_people_are_reminded_until_somebody_answers(join: Join, tmp_path: Path) -> None:
    a, console = await join("a"), await join("console-1")
    async with holding(join, tmp_path, options("a", "b", remind_seconds=0.05)), console.subscribe("inbox") as inbox:
        asking = asyncio.create_task(a.request(COORDINATOR, "inbox.ask", Question(text="Well?"), reply=Answer, timeout=None))
        number = (await asked(inbox)).question
        for _ in range(3):
            event = await asked(inbox, "reminder")
            assert (event.question, event.speaker, event.message and event.message.text) == (number, "a", "Well?")
        await answer(console, number, "well")
        assert (await asyncio.wait_for(asking, 20)).text == "well"
        assert (await asked(inbox, "answered")).question == number


async def test_the_default_applies_at_the_deadline_and_is_on_record(join: Join, tmp_path: Path) -> None:
    asker = Asker(await join("a"), seconds=0.2, default="go on")
    Speaker(await join("b"))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", max_rounds=2, remind_seconds=0.05)) as held:
        async with console.subscribe("chat.c1") as events:
            await start(console, chat="c1")
            seen = await events_until_result(events)
        assert [event.message.text for event in seen if event.type == "message" and event.message][1:] == ["go on"]
        (record,) = await controls(held)
        assert record.control is not None
        assert record.control.item is not None
        assert record.control.item.answer == asker.answers[0]
        assert (asker.answers[0].by, asker.answers[0].origin) == ("", "")
        assert record.control.item.due_ms == record.control.item.asked_ms + 200


async def test_without_a_default_it_is_on_record_that_nobody_answered(join: Join, tmp_path: Path) -> None:
    async def asks(turn: Turn) -> TurnReply:
        question = Question(text="May I?", chat=turn.chat, seconds=0.1)
        with pytest.raises(TimedOut):
            await a.request(COORDINATOR, "inbox.ask", question, reply=Answer, timeout=None)
        return TurnReply(message=ChatMessage(content="nobody there"))

    a = await join("a")
    Speaker(a, asks)
    Speaker(await join("b"))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", max_rounds=2)) as held:
        async with console.subscribe("chat.c1") as events:
            await start(console, chat="c1")
            seen = await events_until_result(events)
        assert [event.why for event in seen if event.type == "answered"] == ["expired"]
        (record,) = await controls(held)
        assert record.control is not None
        assert record.control.item is not None
        assert record.control.item.answer is None


async def test_the_time_that_a_person_takes_is_not_the_members(join: Join, tmp_path: Path) -> None:
    asker = Asker(await join("a"))
    Speaker(await join("b"))
    console = await join("console-1")
    chosen = options("a", "b", max_rounds=2, turn_seconds=0.5, turn_retries=0, remind_seconds=0.4)
    async with holding(join, tmp_path, chosen), console.subscribe("inbox") as inbox, console.subscribe("chat.c1") as events:
        await start(console, chat="c1")
        number = (await asked(inbox)).question
        for _ in range(4):  # three times what a turn may take
            await asked(inbox, "reminder")
        await answer(console, number, "at last")
        seen = await events_until_result(events)
    assert [event.message.text for event in seen if event.type == "message" and event.message][1:] == ["at last"]
    assert len(asker.speaker.ids) == 1


async def test_a_member_that_is_silent_without_asking_anybody_is_given_up(join: Join, tmp_path: Path) -> None:
    Speaker(await join("a"), Slow())
    Speaker(await join("b"))
    console = await join("console-1")
    chosen = options("a", "b", max_rounds=2, turn_seconds=0.3, turn_retries=0)
    async with holding(join, tmp_path, chosen), console.subscribe("chat.c1") as events:
        await start(console, chat="c1")
        seen = await events_until_result(events)
    assert [event.error for event in seen if event.type == "failed"] == ["timed_out: a did not answer in time"]


async def test_a_budget_is_extended_through_the_inbox_also_after_a_restart(join: Join, tmp_path: Path) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    console = await join("console-1")
    chosen = options("a", "b", max_rounds=9, budget=Budget(cost=0.025), extending=Asking())
    async with holding(join, tmp_path, chosen), console.subscribe("inbox") as inbox:
        await start(console, chat="c1")
        number = (await asked(inbox)).question
        assert (await info(console, "c1")).state == "paused"
    async with (
        holding(join, tmp_path, chosen) as held,
        console.subscribe("inbox") as inbox,
        console.subscribe("chat.c1") as events,
    ):
        listed: list[InboxItem] = await console.request(COORDINATOR, "inbox.list", reply=list[InboxItem])
        assert [one.number for one in listed] == [number]
        await answer(console, number, "yes", by="anna")
        second = (await asked(inbox)).question
        assert (await info(console, "c1")).max_cost == pytest.approx(0.055)
        await answer(console, second, "no")
        seen = await events_until_result(events)
        result = seen[-1].result
        assert result is not None
        assert result.outcome == "limit"
        assert result.stop_reason.endswith("and nobody extended it")
        assert [one.control.what for one in await controls(held) if one.control] == ["budget", "answer", "budget", "answer"]


async def test_another_method_of_selection_holds_from_the_next_turn_on_and_after_a_restart(join: Join, tmp_path: Path) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    for name in ("b", "c"):
        Speaker(await join(name))
    console = await join("console-1")
    chosen = options("a", "b", "c", max_rounds=4)
    async with holding(join, tmp_path, chosen), console.subscribe("inbox") as inbox:
        await start(console, chat="c1")
        await asyncio.wait_for(slow.reached.wait(), 20)
        wish = ChatControl(chat="c1", selection="Manual")
        changed: ChatInfo = await console.request(COORDINATOR, "chat.selection", wish, reply=ChatInfo)
        assert changed.selection == "manual"
        slow.go.set()
        first = await asked(inbox)
        assert (await item(console, first.question)).question.kind == "speaker"
    async with holding(join, tmp_path, chosen), console.subscribe("inbox") as inbox, console.subscribe("chat.c1") as events:
        assert (await info(console, "c1")).selection == "manual"
        await answer(console, first.question, "c")
        await answer(console, (await asked(inbox)).question, "2")
        seen = await events_until_result(events)
    assert [event.speaker for event in seen if event.type == "message"] == ["c", "b"]
