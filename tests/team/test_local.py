"""Teams in one process."""

from pathlib import Path
from typing import Any

import pytest

from rostra.agents.responder import Context
from rostra.protocol import ChatMessage, Refused, RemoteError
from rostra.protocol.chat import ChatEvent
from rostra.team.team import Team


class Says:
    """An agent that says the same thing each time, and how much it has seen."""

    def __init__(self, name: str, words: str) -> None:
        self.name, self.words, self.description = name, words, f"says {words}"

    async def respond(self, message: ChatMessage, context: Context) -> str:
        if self.words == "raise":
            raise ValueError("no words")
        return f"{self.words} {len(context.history)}"


def pair(**chat: Any) -> Team:
    return Team.local([Says("ping", "hi"), Says("pong", "ho")], selection="round_robin", **{"max_rounds": 4, **chat})


async def test_a_chat_is_held_in_this_process() -> None:
    async with pair() as team:
        result = await team.run("go")
    assert [(said.sequence, said.name, said.text) for said in result.messages] == [
        (1, "user", "go"),
        (2, "ping", "hi 1"),
        (3, "pong", "ho 2"),
        (4, "ping", "hi 3"),
    ]
    assert (result.outcome, result.text) == ("limit", "hi 3")
    assert "max_rounds" in result.stop_reason


@pytest.mark.semantics("S3.4")
async def test_a_stream_says_the_same_as_a_run() -> None:
    async with pair() as team:
        result = await team.run("go", chat="first")
        events = [event async for event in team.stream("go", chat="second")]
    last = events[-1]
    assert isinstance(last, ChatEvent)
    assert last.type == "result"
    assert last.result is not None
    said = [event.message for event in events if isinstance(event, ChatEvent) and event.message]
    assert tuple(said) == result.messages
    assert (last.result.outcome, last.result.stop_reason) == (result.outcome, result.stop_reason)
    assert [event.type for event in events if isinstance(event, ChatEvent)].count("selected") == 3


@pytest.mark.semantics("S3.5", "S4.12")
async def test_a_team_holds_one_chat_after_another_and_remembers_them() -> None:
    async with pair() as team:
        await team.run("one", chat="a")
        await team.run("two", chat="b", max_rounds=2)
        assert {info.chat: info.messages for info in await team.chats.all()} == {"a": 4, "b": 2}
        assert (await team.chats.verify("a")).intact
        assert [why.speaker for why in await team.chats.why("b")] == ["ping"]
        followed = [event async for event in team.chats.follow("a")]
    assert [event.type for event in followed if isinstance(event, ChatEvent)] == ["message"] * 4 + ["result"]


async def test_the_members_of_a_chat_can_be_chosen() -> None:
    agents = [Says("a", "a"), Says("b", "b"), Says("c", "c")]
    async with Team.local(agents, selection="round_robin", max_rounds=4) as team:
        result = await team.run("go", members=["c", "a"])
    assert [said.name for said in result.messages] == ["user", "c", "a", "c"]


async def test_an_agent_can_be_asked_outside_any_chat() -> None:
    async with Team.local([Says("ping", "hi"), Says("bad", "raise")]) as team:
        assert (await team.ask("ping", "you?")).text == "hi 1"
        with pytest.raises(RemoteError, match="no words"):
            await team.ask("bad", "you?")


@pytest.mark.semantics("S4.6")
async def test_a_member_that_fails_is_told_and_does_not_end_the_others_work() -> None:
    agents = [Says("ping", "hi"), Says("bad", "raise"), Says("pong", "ho")]
    async with Team.local(agents, selection="round_robin", max_rounds=3, turn_retries=0) as team:
        events = [event async for event in team.stream("go")]
    failed = [event for event in events if isinstance(event, ChatEvent) and event.type == "failed"]
    assert [event.speaker for event in failed] == ["bad"]
    assert "no words" in failed[0].error
    assert [event.speaker for event in events if isinstance(event, ChatEvent) and event.message] == ["user", "ping", "pong"]


async def test_a_transcript_is_kept_where_it_is_wanted(tmp_path: Path) -> None:
    database = tmp_path / "kept.db"
    async with pair(database=database) as team:
        await team.run("one", chat="a")
    async with pair(database=database) as team:
        assert [info.chat for info in await team.chats.all()] == ["a"]
        with pytest.raises(Refused, match="exists already"):
            await team.run("two", chat="a")


async def test_a_reader_that_leaves_early_leaves_the_chat_running() -> None:
    async with pair() as team:
        stream = team.stream("go", chat="a")
        async for event in stream:
            if event.type == "message":  # type: ignore[union-attr]
                break
        await stream.aclose()
        ended = [event async for event in team.chats.follow("a")][-1]
    assert isinstance(ended, ChatEvent)
    assert ended.result is not None
    assert ended.result.messages == 4
