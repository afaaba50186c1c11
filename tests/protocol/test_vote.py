"""A vote on the bus, over both transports: voters that answer, refuse, talk nonsense, and are never heard."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rostra.protocol import BadProposal, Ballot, Client, Incoming, Refused, Service
from rostra.protocol.chat import VoteRequest

Join = Callable[..., Awaitable[Client]]


async def voter(join: Join, name: str, answer: Callable[[VoteRequest], Any]) -> Service:
    async def vote(wish: VoteRequest, request: Incoming) -> Any:
        said = answer(wish)
        return await said if asyncio.iscoroutine(said) else said

    service = Service(await join(name))
    service.method("vote", VoteRequest, vote)
    return service


def refuses(wish: VoteRequest) -> Ballot:
    raise Refused("not today")


async def test_everybody_is_asked_at_once_and_who_cannot_vote_is_absent(join: Join) -> None:
    both = asyncio.Barrier(2)

    async def together(wish: VoteRequest) -> Ballot:
        await both.wait()  # neither answers before the other one is asked
        return Ballot(choices=("yes",), voter="mallory")

    await voter(join, "a", together)
    await voter(join, "b", together)
    await voter(join, "c", refuses)
    await voter(join, "d", lambda wish: 42)
    await voter(join, "e", lambda wish: Ballot(choices=("perhaps",)))
    probe = await join("probe")
    members = ["a", "b", "c", "d", "e", "nobody-here"]
    tally = await probe.vote("Ship it?", ["yes", "no"], members=members, quorum=2, timeout=20)
    assert (tally.winner, tally.reason) == ("yes", "'yes' has 2 of 2 votes")
    assert [ballot.voter for ballot in tally.ballots] == ["a", "b"]
    assert {name: why.partition(":")[0] for name, why in tally.absent.items()} == {
        "c": "refused",
        "d": "bad_message",
        "e": "its ballot is invalid",
        "nobody-here": "no_such_agent",
    }
    assert tally.rejected == (("e", "invalid: 'perhaps' is no option"),)


async def test_the_rules_travel_with_the_proposal(join: Join) -> None:
    asked: list[VoteRequest] = []

    def note(wish: VoteRequest) -> Ballot:
        asked.append(wish)
        return Ballot(choices=(wish.proposal.options[0],))

    await voter(join, "a", note)
    tally = await (await join("probe")).vote(
        "Which?", ["x", "y"], members=["a"], method="weighted", weights={"a": 2}, secret=True, tie="draw", timeout=20
    )
    assert (tally.winner, tally.scores, tally.voted) == ("x", {"x": 2, "y": 0}, ("a",))
    assert tally.ballots == (Ballot(choices=("x",)),)
    assert (asked[0].proposal.secret, asked[0].proposal.seed) == (True, "")  # nobody knows the draw before the count
    assert tally.proposal.seed


async def test_a_silent_voter_is_absent_when_the_time_is_up_and_stops_working(join: Join) -> None:
    stopped = asyncio.Event()

    async def forever(wish: VoteRequest) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    await voter(join, "a", forever)
    tally = await (await join("probe")).vote("Ship it?", ["yes", "no"], members=["a"], timeout=0.5)
    assert tally.absent["a"].startswith("timed_out")
    assert tally.reason == "nobody voted"
    await asyncio.wait_for(stopped.wait(), 20)


async def test_a_vote_that_is_given_up_is_cancelled_at_its_voters(join: Join) -> None:
    asked, stopped = asyncio.Event(), asyncio.Event()

    async def forever(wish: VoteRequest) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    await voter(join, "a", forever)
    voting = asyncio.ensure_future((await join("probe")).vote("Ship it?", ["yes", "no"], members=["a"]))
    await asyncio.wait_for(asked.wait(), 20)
    voting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await voting
    await asyncio.wait_for(stopped.wait(), 20)


async def test_what_nobody_can_vote_on_asks_nobody(join: Join) -> None:
    with pytest.raises(BadProposal, match="no voters"):
        await (await join("probe")).vote("Ship it?", ["yes", "no"], members=[])
