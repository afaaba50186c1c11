"""People take the floor: controls as requests on the bus."""

import asyncio
from pathlib import Path

import pytest

from rostra.protocol import COORDINATOR, ChatMessage, Refused
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatRef, ChatRewind, ChatSay, InboxAnswer, InboxItem

from .console import control, intact, messages, questions, reach, records
from .team import Asker, Join, Slow, Speaker, events_until_result, holding, info, options, start


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
    async with holding(join, tmp_path, chosen):
        await start(console, chat="c1")
        await asyncio.wait_for(slow.reached.wait(), 20)
        await control(console, "pause", now=True)
        await asyncio.wait_for(slow.cancelled.wait(), 20)

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
    Asker(await join("a"))
    Asker(await join("boss"))
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
