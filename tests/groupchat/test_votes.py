"""Votes of a chat's members: who speaks next, whether the task is done, and what somebody proposes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rostra.groupchat import Transcript, VotePassed
from rostra.groupchat.conditions import Watch
from rostra.groupchat.facts import Facts
from rostra.groupchat.glance import Phase
from rostra.groupchat.inputs import Select, Selected, Voted
from rostra.groupchat.replaying import Script, replay
from rostra.groupchat.rows import Settings
from rostra.groupchat.selection import Polled
from rostra.groupchat.votes import elected, speaker_proposal, stop_proposal
from rostra.protocol import (
    COORDINATOR,
    Ballot,
    ChatMessage,
    Client,
    Incoming,
    Proposal,
    Refused,
    Tally,
    Turn,
    TurnReply,
    Usage,
)
from rostra.protocol.chat import ChatEvent, ChatRef, ChatVote, Records, RecordsRequest, Verdict, VoteRequest, Why

from .desk import Desk
from .team import Join, Open, Speak, Speaker, hold, info, options, said, start

DONE = "Is the task done?"
STOP = f'vote("{DONE}")'


class Voter(Speaker):
    """A member that votes as `choose` says, and remembers what it was asked."""

    def __init__(self, client: Client, choose: Callable[[VoteRequest], str], speak: Speak | None = None) -> None:
        super().__init__(client, speak)
        self.asked: list[VoteRequest] = []
        self._choose = choose
        self.service.method("vote", VoteRequest, self._vote)

    async def _vote(self, wish: VoteRequest, request: Incoming) -> Ballot:
        self.asked.append(wish)
        choice = self._choose(wish)
        return Ballot(choices=(choice,) if choice else (), usage=(Usage(prompt_tokens=3),))


def always(*choices: str) -> Callable[[VoteRequest], str]:
    """The first of `choices` that is an option."""
    return lambda wish: next((each for each in choices if each in wish.proposal.options), "")


async def whys(client: Client, chat: str = "c1") -> list[Why]:
    found: list[Why] = await client.request(COORDINATOR, "chat.why", ChatRef(chat=chat), reply=list[Why])
    return found


async def intact(client: Client, chat: str = "c1") -> bool:
    verdict: Verdict = await client.request(COORDINATOR, "chat.verify", ChatRef(chat=chat), reply=Verdict)
    assert verdict.intact, verdict.problem
    return True


async def script(client: Client, chat: str = "c1") -> Script:
    """The chat as an export has it."""
    page: Records = await client.request(COORDINATOR, "chat.records", RecordsRequest(chat=chat), reply=Records)
    about = await info(client, chat)
    rows = msgspec.convert(page.settings, Settings)
    return Script(
        chat=chat, created_ms=about.created_ms, settings=rows, records=page.records, members=about.members, result=about.result
    )


# ---- who speaks next


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
    assert await intact(probe)
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


# ---- whether the task is done


def polled(winner: str, text: str = DONE) -> Selected:
    return Selected(Polled((Tally(proposal=stop_proposal(text, ("a", "b"), 1.0), winner=winner, reason="so"),)))


def polls(desk: Desk) -> tuple[str, ...]:
    assert isinstance(desk.outstanding, Select)
    return desk.outstanding.situation.polls


def vote(desk: Desk, winner: str) -> None:
    desk.outstanding = None
    desk.handle(polled(winner))


def test_the_members_are_asked_once_a_round_until_they_say_yes() -> None:
    desk = Desk(options("a", "b", stop=STOP, max_rounds=20))
    asked: list[int] = []
    while desk.result is None:
        if polls(desk):
            asked.append(len(desk.messages))
            vote(desk, "yes" if len(asked) == 3 else "no")
        else:
            desk.turn()
    assert asked == [3, 5, 7]
    assert (desk.result.outcome, desk.result.stop_reason) == ("ended", f"the members voted yes: {DONE}")
    votes = [row for row in desk.rows.values() if row.kind == "vote"]
    assert [row.why.tally.winner for row in votes if row.why and row.why.tally] == ["no", "no", "yes"]
    assert [(event.type, event.speaker) for event in desk.events].count(("vote", COORDINATOR)) == 3


def test_votes_are_counted_over_the_transcript_so_that_a_restart_resets_none() -> None:
    desk = Desk(options("a", "b", stop=f'vote("{DONE}", every=3) & text("bye")', max_rounds=20))
    for _ in range(3):
        desk.turn()
    assert polls(desk) == (DONE,)
    vote(desk, "yes")
    assert desk.result is None
    desk.load()
    assert polls(desk) == ()
    for _ in range(3):
        desk.turn()
    assert polls(desk) == ()  # what was met stays met
    desk.turn("bye")
    assert desk.result is not None
    assert desk.result.outcome == "ended"


def test_a_vote_that_was_rewound_does_not_count() -> None:
    desk = Desk(options("a", "b", stop=f'{STOP} & text("bye")', max_rounds=20))
    desk.turn()
    desk.turn()
    vote(desk, "yes")
    desk.turn()
    assert desk.control("rewind", sequence=3) == ""
    live = polls(desk)
    assert live == (DONE,)
    desk.load()
    assert polls(desk) == live
    vote(desk, "no")
    desk.turn()
    assert desk.control("rewind", sequence=4) == ""
    live = polls(desk)
    desk.load()
    assert polls(desk) == live == ()


def test_nobody_elses_question_ends_the_chat() -> None:
    desk = Desk(options("a", "b", stop=STOP, max_rounds=20))
    tally = Tally(proposal=Proposal(text=DONE, options=("yes", "maybe")), winner="yes")
    desk.handle(Voted(b"v" * 16, "a", tally))
    assert desk.heeds[b"v" * 16] == ""
    desk.turn()
    assert desk.result is None
    assert not Watch(VotePassed(DONE)).look(Facts().with_vote(DONE, "no"))


def test_a_vote_in_the_midst_of_a_turn_is_no_hole_among_the_messages() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.handle(Voted(b"v" * 16, "a", Tally(proposal=stop_proposal("Well?", ("a", "b"), 1.0), reason="nobody voted")))
    desk.handle(Voted(b"v" * 16, "a", Tally(proposal=stop_proposal("Well?", ("a", "b"), 1.0), reason="once more")))
    desk.answer("words")
    kinds = [(row.kind, row.sequence) for row in desk.rows.values()]
    assert kinds == [("opening", 1), ("turn", 2), ("vote", 0)]
    assert desk.rows[3].why is not None
    assert desk.rows[3].why.reason == "Well? → no decision: nobody voted"


def test_a_vote_in_a_paused_chat_is_written_at_once() -> None:
    desk = Desk(options("a", "b"))
    desk.control("pause")
    assert desk.machine.phase is Phase.PAUSED
    desk.handle(Voted(b"v" * 16, "console-1", Tally(proposal=stop_proposal("Go on?", ("a", "b"), 1.0), winner="yes")))
    assert desk.machine.phase is Phase.PAUSED
    assert [row.kind for row in desk.rows.values()] == ["opening", "control", "vote"]


def test_a_chat_with_votes_comes_out_again_when_it_is_played_again() -> None:
    desk = Desk(options("a", "b", stop=f'{STOP} | vote("Enough?", every=2)', max_rounds=20))
    desk.turn()
    desk.select()
    desk.handle(Voted(b"v" * 16, "b", Tally(proposal=stop_proposal("Well?", ("a", "b"), 1.0), usage=(Usage(prompt_tokens=3),))))
    desk.answer("words")
    assert polls(desk) == (DONE, "Enough?")
    desk.outstanding = None
    no, none = (Tally(proposal=stop_proposal(text, ("a", "b"), 1.0), winner=won) for text, won in ((DONE, "no"), ("Enough?", "")))
    desk.handle(Selected(Polled((no, none))))
    assert replay(desk.script) == []
    desk.turn()
    desk.turn()
    vote(desk, "yes")
    assert desk.result is not None
    assert replay(desk.script) == []
    told = desk.script
    *others, last = told.records
    assert last.why is not None
    assert last.why.tally is not None
    forged = msgspec.structs.replace(last, why=msgspec.structs.replace(last.why, tally=no))
    assert replay(msgspec.structs.replace(told, records=(*others, forged))) == [f"row {last.number} is not what was written"]


async def test_a_chat_ends_when_its_members_vote_so(join: Join, held: Open) -> None:
    late = Voter(await join("b"), lambda wish: "yes" if wish.turn and wish.turn.sequence > 4 else "no")
    Voter(await join("a"), always("yes"))
    await held(options("a", "b", stop=STOP, max_rounds=20))
    probe = await join("console-1")
    result, events = await hold(probe)
    assert (result.outcome, result.stop_reason, result.messages) == ("ended", f"the members voted yes: {DONE}", 5)
    votes = [event for event in events if event.type == "vote"]
    assert [event.why for event in votes] == [
        f"{DONE} → no decision: a tie between 'yes' and 'no' (each has half of the votes)",
        f"{DONE} → yes: 'yes' has 2 of 2 votes",
    ]
    assert votes[1].tally is not None
    assert [ballot.voter for ballot in votes[1].tally.ballots] == ["a", "b"]
    assert result.usage.prompt_tokens == 4 * 10 + 4 * 3
    assert [why.method for why in await whys(probe)] == [*["round_robin"] * 2, "vote", *["round_robin"] * 2, "vote"]
    assert [wish.ordinal for wish in late.asked] == [0, 1]
    assert await intact(probe)
    assert replay(await script(probe)) == []


# ---- what somebody proposes


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
    assert await intact(probe)


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
