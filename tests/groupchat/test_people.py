"""People and a chat on a bus: what they say, what they are asked, and a chat that rests until they answer."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from rostra.groupchat import Coordinator
from rostra.protocol import COORDINATOR, Answer, ChatMessage, Client, Question, Refused, TimedOut, Transport, Turn, TurnReply
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatRef, ChatSay, InboxAnswer, InboxItem

from .team import Join, Open, Slow, Speaker, coordinator, events_until_result, hold, info, options, said, start


async def test_what_a_person_says_follows_the_open_turn_and_is_seen_by_the_next_speaker(join: Join, held: Open) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    b = Speaker(await join("b"))
    await held(options("a", "b", max_rounds=4))
    console = await join("console-1")
    async with console.subscribe("chat.c1") as events:
        await start(console, chat="c1")
        await asyncio.wait_for(slow.reached.wait(), 10)
        saying = asyncio.create_task(
            console.request(COORDINATOR, "chat.say", ChatSay(chat="c1", content="mind the gap"), reply=ChatMessage)
        )
        await console.request(COORDINATOR, "chat.info", ChatRef(chat="c1"), reply=ChatInfo)  # the words have arrived
        slow.go.set()
        message = await saying
        seen = await events_until_result(events)
    assert (message.sequence, message.name) == (3, "user")
    assert said(seen) == [("user", "the task"), ("a", "slow at 2"), ("user", "mind the gap"), ("b", "b at 4")]
    assert [one.text for one in b.turns[0].messages] == ["the task", "slow at 2", "mind the gap"]


@pytest.mark.semantics("S4.15")
async def test_without_people_a_question_makes_the_chat_rest_until_it_is_answered(join: Join, held: Open) -> None:
    a = await join("a")

    async def asks(turn: Turn) -> TurnReply:
        question = Question(text="May I?", chat=turn.chat)
        answer = await a.request(COORDINATOR, "inbox.ask", question, reply=Answer, id=b"q" * 16, timeout=None)
        return TurnReply(message=ChatMessage(content=f"they said {answer.text}"))

    Speaker(a, asks)
    Speaker(await join("b"))
    await held(options("a", "b", max_rounds=2, people=frozenset({"a"})))
    console = await join("console-1")
    result, _ = await hold(console, no_input=True)
    assert result.outcome == "waits"
    assert (await info(console, "c1")).state == "paused"
    (item,) = await console.request(COORDINATOR, "inbox.list", reply=list[InboxItem])
    assert (item.question.agent, item.question.text) == ("a", "May I?")
    async with console.subscribe("chat.c1") as events:
        answer = InboxAnswer(number=item.number, text="yes")
        await console.request(COORDINATOR, "inbox.answer", answer, reply=InboxItem)
        seen = await events_until_result(events)
    assert said(seen) == [("a", "they said yes")]
    with pytest.raises(Refused, match="already"):
        await console.request(COORDINATOR, "inbox.answer", answer, reply=InboxItem)


async def test_a_resting_chat_stays_at_rest_over_a_restart_and_can_be_stopped(
    join: Join, tmp_path: Path, transport: Callable[[], Transport]
) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    console = await join("console-1")
    chosen = options("a", "b", selection="manual")
    async with Client(transport(), name=COORDINATOR) as client:
        old = Coordinator(client, chosen, tmp_path / "chats.db")
        await old.start()
        result, _ = await hold(console, no_input=True)
        await old.aclose()
    assert result.outcome == "waits"
    new = await coordinator(join, tmp_path / "chats.db", chosen)
    assert (await info(console, "c1")).state == "paused"
    ended = await console.request(COORDINATOR, "chat.stop", ChatRef(chat="c1"), reply=ChatInfo)
    assert ended.state == "ended"
    assert await console.request(COORDINATOR, "inbox.list", reply=list[InboxItem]) == []
    await new.aclose()


async def test_a_question_falls_back_to_its_default_at_its_deadline(join: Join, held: Open) -> None:
    await held(options("a", "b"))
    asker = await join("a")
    question = Question(text="Deploy?", default="no", seconds=0.1)
    answer = await asker.request(COORDINATOR, "inbox.ask", question, reply=Answer, timeout=10)
    assert (answer.text, answer.by) == ("no", "")
    with pytest.raises(TimedOut):
        await asker.request(COORDINATOR, "inbox.ask", Question(text="Deploy?", seconds=0.1), reply=Answer, timeout=10)


async def test_the_same_question_is_one_item_and_both_who_ask_get_the_answer(join: Join, held: Open) -> None:
    await held(options("a", "b"))
    one, console = await join("a"), await join("console-1")
    async with console.subscribe("inbox") as inbox:
        first = asyncio.create_task(
            one.request(COORDINATOR, "inbox.ask", Question(text="?"), reply=Answer, id=b"i" * 16, timeout=None)
        )
        number = (await anext(aiter(inbox))).decode(ChatEvent).question
        other = await join("b")
        second = asyncio.create_task(
            other.request(COORDINATOR, "inbox.ask", Question(text="?"), reply=Answer, id=b"i" * 16, timeout=None)
        )
        await console.request(COORDINATOR, "inbox.answer", InboxAnswer(number=number, text="fine"), reply=InboxItem)
        assert [(await task).text for task in (first, second)] == ["fine", "fine"]
        assert (await anext(aiter(inbox))).decode(ChatEvent).type == "answered"


async def test_a_member_answers_no_question_to_people(join: Join, held: Open) -> None:
    await held(options("a", "b"))
    a, console = await join("a"), await join("console-1")
    async with console.subscribe("inbox") as inbox:
        asking = asyncio.create_task(a.request(COORDINATOR, "inbox.ask", Question(text="Run it?"), reply=Answer, timeout=None))
        number = (await anext(aiter(inbox))).decode(ChatEvent).question
        with pytest.raises(Refused, match="members"):
            await a.request(COORDINATOR, "inbox.answer", InboxAnswer(number=number, text="yes", by="console-1"))
        await console.request(COORDINATOR, "inbox.answer", InboxAnswer(number=number, text="no"), reply=InboxItem)
        answer = await asking
        assert (answer.text, answer.by, answer.origin) == ("no", "console-1", "console-1")


async def test_a_question_answered_while_the_chat_lies_down_wakes_it_again(join: Join, held: Open) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    await held(options("a", "b", max_rounds=2, selection="manual"))
    console = await join("console-1")

    async with console.subscribe("inbox") as inbox, console.subscribe("chat.c1") as events:

        async def answer_at_once() -> None:
            number = (await anext(aiter(inbox))).decode(ChatEvent).question
            await console.request(COORDINATOR, "inbox.answer", InboxAnswer(number=number, text="b"), reply=InboxItem)

        answering = asyncio.create_task(answer_at_once())
        await start(console, chat="c1", no_input=True)
        seen = await events_until_result(events)
        await answering
        while seen[-1].result is not None and seen[-1].result.outcome == "waits":
            seen += await events_until_result(events)
    assert ("b", "b at 2") in said(seen)


@pytest.mark.parametrize("name", ["", "System", "everyone", "a b"])
async def test_words_come_from_somebody_with_a_name(join: Join, held: Open, name: str) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    Speaker(await join("b"))
    await held(options("a", "b"))
    console = await join("console-1")
    await start(console, chat="c1")
    await asyncio.wait_for(slow.reached.wait(), 10)
    with pytest.raises(Refused):
        await console.request(COORDINATOR, "chat.say", ChatSay(chat="c1", content="x", name=name), reply=ChatMessage)
