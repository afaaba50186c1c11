"""Votes on whether the task is done: asked once a round, counted over the transcript, the chat's end when they say yes."""

import msgspec

from rostra.groupchat import VotePassed
from rostra.groupchat.conditions import Watch
from rostra.groupchat.facts import Facts
from rostra.groupchat.glance import Phase
from rostra.groupchat.inputs import Select, Selected, Voted
from rostra.groupchat.replaying import replay
from rostra.groupchat.selection import Polled
from rostra.groupchat.votes import stop_proposal
from rostra.protocol import COORDINATOR, Proposal, Tally, Usage

from .console import intact, script, whys
from .desk import Desk
from .team import Join, Open, hold, options
from .voters import DONE, STOP, Voter, always


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
    await intact(probe)
    assert replay(await script(probe)) == []
