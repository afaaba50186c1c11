"""Several at once, handoffs and passes, held by a coordinator: in memory and over a broker."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import until

from rostra.groupchat import Several, Transitions
from rostra.protocol import COORDINATOR, ChatMessage, TurnReply
from rostra.protocol.chat import ChatEvent, ChatRef, Verdict, Why

from .team import Join, Open, Speaker, events_until_result, hold, options, said, start

NAMES = ("a", "b", "c")


def waiting(database: Path) -> int:
    """How many turns were answered whose round is not over."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        return int(db.execute("SELECT count(*) FROM row WHERE state = 'held'").fetchone()[0])


async def names(join: Join, held: Open, **rest: Any) -> tuple[list[str], list[ChatEvent]]:
    """Who spoke in a chat between members that say where they are."""
    for name in NAMES:
        Speaker(await join(name))
    await held(options(*NAMES, **rest))
    _, events = await hold(await join("console-1"))
    return [name for name, _ in said(events)], events


@pytest.mark.semantics("S3.8")
async def test_in_parallel_all_candidates_are_asked_at_once_again_and_again(join: Join, held: Open) -> None:
    spoke, events = await names(join, held, selection="parallel", max_rounds=7)
    assert spoke == ["user", "a", "b", "c", "a", "b", "c"]
    assert [event.message.text for event in events if event.type == "message" and event.message][1:4] == [
        "a at 2",
        "b at 3",
        "c at 4",
    ]


async def test_in_parallel_the_rules_still_say_who_may_speak(join: Join, held: Open) -> None:
    allowed = Transitions(allowed={"a": ("b",), "b": ("c",), "c": ("a", "b")})
    spoke, _ = await names(join, held, selection="parallel", max_rounds=7, transitions=allowed)
    assert spoke == ["user", "a", "b", "c", "a", "b", "c"]


async def test_a_function_may_choose_several_and_how_many_of_them_are_enough(join: Join, held: Open) -> None:
    never = asyncio.Event()
    asked: list[str] = []

    async def slow(_: object) -> TurnReply:
        asked.append("b")
        await never.wait()
        raise AssertionError

    def choose(last: str, messages: list[ChatMessage]) -> object:
        return [["c", "a"], Several(("b", "c", "a"), need=2), None][0 if len(messages) == 1 else 1 if len(messages) == 3 else 2]

    for name in NAMES:
        Speaker(await join(name), slow if name == "b" else None)
    await held(options(*NAMES, selection=choose))
    console = await join("console-1")
    result, events = await hold(console)
    assert [name for name, _ in said(events)] == ["user", "c", "a", "c", "a"]
    assert (result.stop_reason, asked) == ("the selection function ended the chat", ["b"])
    whys: list[Why] = await console.request(COORDINATOR, "chat.why", ChatRef(chat="c1"), reply=list[Why])
    assert [(why.sequence, why.speaker, why.together, why.need) for why in whys] == [
        (2, "c", ("c", "a"), 0),
        (3, "a", ("c", "a"), 0),
        (4, "b", ("b", "c", "a"), 2),
        (4, "c", ("b", "c", "a"), 2),
        (5, "a", ("b", "c", "a"), 2),
    ]


async def test_a_function_that_names_a_stranger_among_several_gets_the_others(join: Join, held: Open) -> None:
    spoke, _ = await names(join, held, selection=lambda *_: ["a", "x", "c"], max_rounds=3)
    assert spoke == ["user", "a", "c"]


async def test_all_requests_of_a_round_are_under_way_at_the_same_time(join: Join, held: Open) -> None:
    meeting = asyncio.Barrier(3)

    async def meet(turn: Any) -> str:
        async with asyncio.timeout(20):
            await meeting.wait()
        return f"met at {turn.sequence}"

    for name in NAMES:
        Speaker(await join(name), meet)
    await held(options(*NAMES, selection="parallel", max_rounds=4))
    _, events = await hold(await join("console-1"))
    assert said(events)[1:] == [("a", "met at 2"), ("b", "met at 3"), ("c", "met at 4")]


@pytest.mark.semantics("S3.8")
async def test_a_coordinator_that_takes_a_round_over_asks_only_who_has_not_answered(
    join: Join, held: Open, tmp_path: Path
) -> None:
    go, first = asyncio.Event(), asyncio.Event()
    speakers: dict[str, Speaker] = {}

    async def held_up(turn: Any) -> str:
        first.set()
        await go.wait()
        return "at last"

    for name in NAMES:
        speakers[name] = Speaker(await join(name), held_up if name == "b" else None)
    chosen = options(*NAMES, selection="parallel", max_rounds=4)
    one = await held(chosen)
    console = await join("console-1")
    async with console.subscribe("chat.c1") as events:
        await start(console, chat="c1")
        await first.wait()
        await until(lambda: waiting(tmp_path / "chats.db") == 2)
        await one.aclose()
        await held(chosen)
        go.set()
        seen = await events_until_result(events)
    assert said(seen)[1:] == [("a", "a at 2"), ("b", "at last"), ("c", "c at 4")]
    assert [len(speakers[name].turns) for name in ("a", "c")] == [1, 1]
    assert len(set(speakers["b"].ids)) == 1
    verdict: Verdict = await console.request(COORDINATOR, "chat.verify", ChatRef(chat="c1"), reply=Verdict)
    assert verdict.intact


def handing(*path: str) -> Any:
    """Says where it is, and hands over to the next of `path`."""
    left = list(path)

    def speak(turn: Any) -> TurnReply:
        target = left.pop(0) if left else ""
        metadata = {"handoff": target} if target else {}
        return TurnReply(message=ChatMessage(content=f"to {target or 'nobody'}", metadata=metadata))

    return speak


@pytest.mark.semantics("S3.6")
async def test_a_member_that_hands_over_chooses_the_next_speaker_and_else_keeps_the_floor(join: Join, held: Open) -> None:
    for name, path in (("a", ("", "c")), ("b", ("a",)), ("c", ("b", ""))):
        Speaker(await join(name), handing(*path))
    await held(options(*NAMES, selection="handoff", max_rounds=7))
    _, events = await hold(await join("console-1"))
    assert [name for name, _ in said(events)] == ["user", "a", "a", "c", "b", "a", "a"]
    whys = [event.why for event in events if event.type == "selected"]
    assert whys[:4] == [
        "the first, as nobody has the floor",
        "has the floor until it hands over",
        "a handed over",
        "c handed over",
    ]


@pytest.mark.semantics("S3.6")
async def test_a_handoff_to_whom_the_rules_keep_away_is_put_on_record_and_the_floor_stays(join: Join, held: Open) -> None:
    for name in NAMES:
        Speaker(await join(name), handing("somebody"))
    await held(options(*NAMES, selection="handoff", max_rounds=3))
    console = await join("console-1")
    _, events = await hold(console)
    assert [name for name, _ in said(events)] == ["user", "a", "a"]
    whys: list[Why] = await console.request(COORDINATOR, "chat.why", ChatRef(chat="c1"), reply=list[Why])
    assert whys[1].fallback == "a handed over to somebody, who may not speak"


@pytest.mark.semantics("S3.2", "S3.6")
async def test_a_handoff_may_end_the_chat(join: Join, held: Open) -> None:
    for name in NAMES:
        Speaker(await join(name), handing("user"))
    await held(options(*NAMES, selection="handoff", stop='handoff("user")'))
    result, _ = await hold(await join("console-1"))
    assert result.stop_reason == "a hands over to user"


@pytest.mark.semantics("S3.8")
async def test_a_chat_is_over_when_all_members_pass_in_a_row(join: Join, held: Open) -> None:
    for name in NAMES:
        Speaker(await join(name), lambda turn: TurnReply(passed=True) if turn.sequence > 2 else "hello")
    await held(options(*NAMES))
    result, events = await hold(await join("console-1"))
    assert (result.outcome, result.stop_reason, result.messages) == ("ended", "everybody passed", 2)
    assert [event.speaker for event in events if event.type == "passed"] == ["b", "c", "a"]


async def test_who_has_the_floor_are_all_who_are_asked(join: Join, held: Open) -> None:
    go = asyncio.Event()

    async def wait(_: object) -> str:
        await go.wait()
        return "done"

    for name in NAMES:
        Speaker(await join(name), wait)
    made = await held(options(*NAMES, selection="parallel", max_rounds=4))
    console = await join("console-1")
    async with console.subscribe("chat.c1") as events:
        await start(console, chat="c1")
        selected = 0
        async for event in events:
            selected += event.decode(ChatEvent).type == "selected"
            if selected == 3:
                break
    assert (await made.info("c1")).speaker == "a, b, c"
    assert made.chats.runners["c1"].machine.speakers == NAMES
    go.set()
