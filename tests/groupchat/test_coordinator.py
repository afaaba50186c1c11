"""Chats on a bus, in memory and over ZeroMQ: begun, held side by side, read, ended and refused."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rostra.groupchat import BadOptions, Budget, Coordinator, serve
from rostra.protocol import (
    COORDINATOR,
    ChatMessage,
    History,
    HistoryRequest,
    Refused,
    Superseded,
    ToolCall,
    Transport,
    Turn,
    TurnReply,
)
from rostra.protocol.chat import ChatInfo, ChatRef, ChatSay, ChatStart, Verdict

from .team import Join, Open, Slow, Speaker, hold, info, options, said, start


async def test_several_chats_are_held_at_once(join: Join, held: Open) -> None:
    both = asyncio.Barrier(2)

    async def together(turn: Turn) -> TurnReply:
        await both.wait()  # answers only when both chats have asked
        return TurnReply(message=ChatMessage(content=turn.chat))

    Speaker(await join("a"), together)
    Speaker(await join("b"))
    await held(options("a", "b", max_rounds=2))
    console = await join("console-1")
    (one, seen), (other, _) = await asyncio.gather(hold(console, chat="c1"), hold(console, chat="c2"))
    assert (one.chat, other.chat) == ("c1", "c2")
    assert said(seen)[1] == ("a", "c1")
    chats = await console.request(COORDINATOR, "chat.list", reply=list[ChatInfo])
    assert {chat.chat for chat in chats} == {"c1", "c2"}
    assert {chat.state for chat in chats} == {"ended"}


async def test_history_comes_in_pages(join: Join, held: Open) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    await held(options("a", "b", max_rounds=10))
    console = await join("console-1")
    await hold(console)
    sequences: list[int] = []
    more = True
    while more:
        wanted = HistoryRequest(chat="c1", after=len(sequences), limit=4)
        page = await console.request(COORDINATOR, "history", wanted, reply=History)
        sequences += [message.sequence for message in page.messages]
        more = page.more
    assert sequences == list(range(1, 11))
    with pytest.raises(Refused, match="no chat"):
        await console.request(COORDINATOR, "history", HistoryRequest(chat="c2"), reply=History)


async def test_an_operator_stops_a_chat_and_the_open_turn_is_cancelled(join: Join, held: Open) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    Speaker(await join("b"))
    await held(options("a", "b"))
    console = await join("console-1")
    await start(console, chat="c1")
    await asyncio.wait_for(slow.reached.wait(), 10)
    ended = await console.request(COORDINATOR, "chat.stop", ChatRef(chat="c1", reason="enough"), reply=ChatInfo)
    assert (ended.state, ended.speaker) == ("ended", "")
    assert ended.result is not None
    assert (ended.result.outcome, ended.result.stop_reason) == ("stopped", "enough")
    await asyncio.wait_for(slow.cancelled.wait(), 10)
    verdict = await console.request(COORDINATOR, "chat.verify", ChatRef(chat="c1"), reply=Verdict)
    assert verdict.intact
    with pytest.raises(Refused):
        await console.request(COORDINATOR, "chat.say", ChatSay(chat="c1", content="wait"), reply=ChatMessage)


async def test_a_member_without_anything_to_say_ends_the_chat_with_its_reason(join: Join, held: Open) -> None:
    Speaker(await join("a"), lambda _: TurnReply(reason="a is done"))
    Speaker(await join("b"))
    await held(options("a", "b"))
    result, _ = await hold(await join("console-1"))
    assert (result.outcome, result.stop_reason, result.messages) == ("ended", "a is done", 1)


@pytest.mark.semantics("S4.5")
async def test_the_termination_message_is_in_the_transcript_and_published(join: Join, held: Open) -> None:
    Speaker(await join("a"), lambda _: "all good. TERMINATE")
    Speaker(await join("b"))
    await held(options("a", "b", stop='text("TERMINATE")'))
    result, events = await hold(await join("console-1"), task="say TERMINATE when you are done")
    assert (result.outcome, result.messages) == ("ended", 2)
    assert said(events)[-1] == ("a", "all good. TERMINATE")


async def test_time_ends_a_chat_in_the_middle_of_a_turn(join: Join, held: Open) -> None:
    Speaker(await join("a"), Slow())
    Speaker(await join("b"))
    await held(options("a", "b", budget=Budget(seconds=0.3)))
    result, _ = await hold(await join("console-1"))
    assert result.outcome == "limit"
    assert "0.3 seconds" in result.stop_reason


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        ({"chat": "a.b"}, "no id"),
        ({"chat": "a b"}, "no id"),
        ({"members": ("a",)}, "two members"),
        ({"members": ("a", "a")}, "twice"),
        ({"members": ("a", "z")}, "no member"),
        ({"task": "x" * 1_000_000}, "task"),
    ],
)
async def test_a_chat_that_cannot_be_held_is_refused(join: Join, held: Open, wish: dict[str, Any], problem: str) -> None:
    await held(options("a", "b"))
    with pytest.raises(Refused, match=problem):
        await start(await join("console-1"), **wish)


async def test_an_id_that_exists_is_refused_but_a_repeated_request_is_not(join: Join, held: Open) -> None:
    await held(options("a", "b"))
    console, other = await join("console-1"), await join("console-2")
    wish = ChatStart(task="t", chat="c1")
    first = await console.request(COORDINATOR, "chat.start", wish, reply=ChatInfo, id=b"s" * 16)
    again = await other.request(COORDINATOR, "chat.start", wish, reply=ChatInfo, id=b"s" * 16)  # not from the reply cache
    assert first.chat == again.chat == "c1"
    with pytest.raises(Refused, match="exists"):
        await console.request(COORDINATOR, "chat.start", wish, reply=ChatInfo)


async def test_what_a_member_says_of_itself_goes_before_the_options(join: Join, held: Open) -> None:
    call = ToolCall(id="1", name="count", arguments="{}")
    Speaker(await join("a"), lambda _: TurnReply(message=ChatMessage(content="", tool_calls=(call,))))
    await held(options("a", "b", "c", max_rounds=3))
    Speaker(await join("b"))
    Speaker(await join("c", info={"tools": ["count"], "description": "counts"}))
    console = await join("console-1")
    _, events = await hold(console)
    assert [name for name, _ in said(events)] == ["user", "a", "c"]
    assert (await info(console, "c1")).members[2].description == "counts"


@pytest.mark.semantics("S2.4")
async def test_a_coordinator_with_impossible_options_is_not_made(join: Join, tmp_path: Path) -> None:
    client = await join(COORDINATOR)
    with pytest.raises(BadOptions, match="two members"):
        Coordinator(client, options("a"), tmp_path / "chats.db")


async def test_serve_answers_until_it_is_told_to_stop(join: Join, tmp_path: Path, transport: Callable[[], Transport]) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(serve("", options("a", "b"), tmp_path / "chats.db", stop=stop, transport=transport))
    console = await join("console-1")
    chats = await console.request(COORDINATOR, "chat.list", reply=list[ChatInfo], absent=20)
    assert chats == []
    stop.set()
    await asyncio.wait_for(serving, 10)


async def test_serve_says_when_a_newer_coordinator_took_its_place(
    join: Join, tmp_path: Path, transport: Callable[[], Transport]
) -> None:
    serving = asyncio.create_task(serve("", options("a", "b"), tmp_path / "db", stop=asyncio.Event(), transport=transport))
    await (await join("console-1")).request(COORDINATOR, "chat.list", reply=list[ChatInfo], absent=20)
    await join(COORDINATOR)
    with pytest.raises(Superseded):
        await asyncio.wait_for(serving, 10)
