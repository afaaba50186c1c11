"""Votes on who speaks next: the members elect, and rotation decides what they do not."""

from rostra.groupchat.replaying import replay
from rostra.groupchat.votes import elected, speaker_proposal
from rostra.protocol import Tally

from .console import intact, script, whys
from .team import Join, Open, Speaker, hold, options, said
from .voters import Voter, always


async def test_the_members_elect_the_next_speaker(join: Join, held: Open) -> None:
    for name in ("a", "b", "c"):
        Voter(await join(name), always("c", "b"))
    await held(options("a", "b", "c", selection="vote", max_rounds=4, repeat=False))
    probe = await join("console-1")
    result, events = await hold(probe)
    assert said(events)[1:] == [("c", "c at 2"), ("b", "b at 3"), ("c", "c at 4")]
    first, second, _ = await whys(probe)
    assert first.reason == "voted by the members: 'c' has the most votes, 3 of 3"
    assert first.tally is not None
    assert (first.tally.winner, first.tally.voted) == ("c", ("a", "b", "c"))
    assert (second.candidates, second.removed) == (("a", "b"), {"c": "spoke last"})
    assert result.usage.prompt_tokens == 3 * 10 + 9 * 3
    await intact(probe)
    assert replay(await script(probe)) == []


async def test_a_dead_voter_is_absent_and_the_others_decide(join: Join, held: Open) -> None:
    for name in ("a", "b"):
        Voter(await join(name), always("b", "a"))
    await held(options("a", "b", "dead", selection="vote", max_rounds=3, on_absent="skip"))
    probe = await join("console-1")
    _, events = await hold(probe)
    assert said(events)[1:] == [("b", "b at 2"), ("b", "b at 3")]
    (first, _) = await whys(probe)
    assert first.tally is not None
    assert first.tally.absent["dead"].startswith("no_such_agent")


async def test_without_a_quorum_the_turn_rotates(join: Join, held: Open) -> None:
    Voter(await join("a"), always("b"))
    Speaker(await join("b"))  # knows nothing of votes
    await held(options("a", "b", "c", selection="vote", max_rounds=2))
    probe = await join("console-1")
    _, events = await hold(probe)
    assert said(events)[1:] == [("a", "a at 2")]
    (first,) = await whys(probe)
    assert first.fallback == "no quorum: 1 ballot, and 2 are needed"
    assert first.reason == "next in rotation, as the vote did not decide"
    assert first.tally is not None
    assert first.tally.absent["b"].startswith("unsupported")


def test_of_the_tied_the_next_in_rotation_speaks() -> None:
    proposal = speaker_proposal(("a", "b", "c"), ("a", "b", "c"), 1.0)
    tally = Tally(proposal=proposal, reason="a tie between 'a' and 'c' (each has 1 votes)", tied=("a", "c"))
    assert elected(tally, ("a", "b", "c"), "a") == ("c", "of the tied, next in rotation", tally.reason)
    assert elected(tally, ("a", "b", "c"), "c")[0] == "a"


async def test_a_single_candidate_is_not_voted_on(join: Join, held: Open) -> None:
    voters = [Voter(await join(name), always("a")) for name in ("a", "b")]
    await held(options("a", "b", selection="vote", max_rounds=3, repeat=False))
    _, events = await hold(await join("console-1"))
    assert said(events)[1:] == [("a", "a at 2"), ("b", "b at 3")]
    assert [len(voter.asked) for voter in voters] == [1, 1]


async def test_voters_are_shown_what_they_have_not_seen(join: Join, held: Open) -> None:
    one, _ = [Voter(await join(name), always("a")) for name in ("a", "b")]
    await held(options("a", "b", selection="vote", max_rounds=4))
    await hold(await join("console-1"))
    turns = [wish.turn for wish in one.asked if wish.turn is not None]
    assert [(turn.after, len(turn.messages), turn.sequence) for turn in turns] == [(0, 1, 2), (2, 0, 3), (3, 0, 4)]
    assert [wish.ordinal for wish in one.asked] == [0, 1, 2]
