"""Votes that a member or a console calls for: who may, what is on record, and what a chat's end overtakes."""

import asyncio
from pathlib import Path

import pytest

from rostra.groupchat import Transcript
from rostra.protocol import COORDINATOR, Ballot, ChatMessage, Client, Incoming, Proposal, Refused, Tally, Turn, TurnReply
from rostra.protocol.chat import ChatEvent, ChatRef, ChatVote, VoteRequest

from .console import intact
from .team import Join, Open, hold, info, options, said, start
from .voters import Voter, always


def proposal(**rules: object) -> Proposal:
    return Proposal(**{"text": "Ship it?", "options": ("yes", "no"), "seconds": 20.0, **rules})  # type: ignore[arg-type]


async def called(client: Client, chat: str = "c1", id_: bytes | None = None, **rest: object) -> Tally:
    wish = ChatVote(chat=chat, **{"proposal": proposal(), **rest})  # type: ignore[arg-type]
    tally: Tally = await client.request(COORDINATOR, "chat.vote", wish, reply=Tally, id=id_)
    return tally


async def test_a_member_calls_for_a_vote_in_the_midst_of_its_turn(join: Join, held: Open, tmp_path: Path) -> None:
    async def speak(turn: Turn) -> TurnReply:
        first, again = [await called(one.client, id_=b"v" * 16) for _ in range(2)]
        assert first == again
        return TurnReply(message=ChatMessage(content=f"We decided: {first.winner}."))

    one = Voter(await join("a"), always("yes"), speak)
    Voter(await join("b"), always("yes"))
    await held(options("a", "b", max_rounds=2))
    probe = await join("console-1")
    result, events = await hold(probe)
    assert said(events)[-1] == ("a", "We decided: yes.")
    (vote,) = [event for event in events if event.type == "vote"]
    assert (vote.speaker, vote.why) == ("a", "Ship it? → yes: 'yes' has 2 of 2 votes")
    assert len(one.asked) == 1
    assert result.usage.prompt_tokens == 2 * 3
    await intact(probe)


async def test_a_console_calls_for_a_secret_vote_that_is_on_record_when_it_is_answered(
    join: Join, held: Open, tmp_path: Path
) -> None:
    waits = asyncio.Event()

    async def speak(turn: Turn) -> TurnReply:
        await waits.wait()
        return TurnReply(reason="enough")

    for name in ("a", "b"):
        Voter(await join(name), always("yes"), speak)
    await held(options("a", "b"))
    probe = await join("console-1")
    await start(probe, chat="c1")
    tally = await called(probe, proposal=proposal(secret=True), members=("b",))
    assert (tally.winner, tally.ballots, tally.voted) == ("yes", (Ballot(choices=("yes",)),), ("b",))
    transcript = Transcript(tmp_path / "chats.db")
    (row,) = [row for row in await transcript.rows("c1") if row.kind == "vote"]
    await transcript.aclose()
    assert row.why is not None
    assert (row.speaker, row.why.tally) == ("console-1", tally)
    waits.set()


async def test_votes_that_nobody_may_call_are_refused(join: Join, held: Open) -> None:
    never = asyncio.Event()

    async def speak(turn: Turn) -> TurnReply:
        await never.wait()
        return TurnReply()

    for name in ("a", "b"):
        Voter(await join(name), always("yes"), speak)
    await held(options("a", "b"))
    probe, stranger = await join("console-1"), await join("stranger")
    await start(probe, chat="c1")
    with pytest.raises(Refused, match="stranger is no member"):
        await called(stranger)
    with pytest.raises(Refused, match="'x' is no member"):
        await called(probe, members=("x",))
    with pytest.raises(Refused, match="3 of 2 voters"):
        await called(probe, proposal=proposal(quorum=3))
    with pytest.raises(Refused, match="no chat 'c2'"):
        await called(probe, chat="c2")
    await probe.request(COORDINATOR, "chat.stop", ChatRef(chat="c1"))
    with pytest.raises(Refused, match="is not running"):
        await called(probe)


async def test_a_vote_that_a_chats_end_overtakes_is_refused(join: Join, held: Open) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def speak(turn: Turn) -> TurnReply:
        await never.wait()
        return TurnReply()

    class Slow(Voter):
        async def _vote(self, wish: VoteRequest, request: Incoming) -> Ballot:
            asked.set()
            await ended.wait()
            return Ballot(choices=("yes",))

    ended = asyncio.Event()
    for name in ("a", "b"):
        Slow(await join(name), always("yes"), speak)
    await held(options("a", "b"))
    probe = await join("console-1")
    await start(probe, chat="c1")
    voting = asyncio.create_task(called(probe))
    await asyncio.wait_for(asked.wait(), 20)
    await probe.request(COORDINATOR, "chat.stop", ChatRef(chat="c1"))
    ended.set()
    with pytest.raises(Refused, match="over"):
        await voting
    assert (await info(probe, "c1")).state == "ended"


def test_a_vote_is_an_event_of_its_own() -> None:
    tally = Tally(proposal=proposal(), winner="yes", reason="so")
    event = ChatEvent(type="vote", chat="c1", speaker="a", why="Ship it? → yes: so", tally=tally)
    assert event.tally is not None
    assert event.tally.decided
