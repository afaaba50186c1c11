"""What operators do to a chat, on the state machine: no socket, no clock, no disk, and any number of restarts."""

from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.groupchat.floor import sentence
from rostra.groupchat.glance import Phase
from rostra.groupchat.inputs import Answered, Ask, Controlled, Failed, Said, Select
from rostra.groupchat.replaying import replay
from rostra.protocol import ChatMessage, TurnReply
from rostra.protocol.chat import Control, ControlKind

from .desk import Desk
from .team import options


def test_a_skipped_turn_is_on_record_with_who_did_it_and_another_member_speaks() -> None:
    desk = Desk(options("a", "b"))
    assert desk.control("skip") == "there is no turn to skip"
    desk.select()
    desk.control("skip", reason="too slow")
    assert (desk.rows[2].state, desk.rows[2].error) == ("failed", "console-1 skipped a: too slow")
    assert desk.rows[3].control == Control(what="skip", by="console-1", agent="a", reason="too slow")
    assert [event.speaker for event in desk.events if event.type == "skipped"] == ["a"]
    desk.turn()
    assert desk.speakers == ["user", "b"]


@pytest.mark.parametrize("restart", [True, False])
def test_who_speaks_next_is_said_and_is_the_reason(restart: bool) -> None:
    desk = Desk(options("a", "b", "c", transitions=None, repeat=False))
    desk.select()
    assert desk.control("next", agent="c") == ""
    if restart:
        desk.load()
    desk.answer("words")
    if restart:
        desk.load()
    assert isinstance(desk.outstanding, Ask)
    assert desk.outstanding.member == "c"
    why = desk.rows[max(desk.rows)].why
    assert why is not None
    assert (why.method, why.reason, why.speaker) == ("next", "console-1 gives c the floor", "c")
    desk.answer("words")
    assert isinstance(desk.outstanding, Select)  # it was for one turn
    assert "no member" in desk.control("next", agent="nobody")


def test_next_at_once_takes_the_open_turn_back() -> None:
    desk = Desk(options("a", "b", "c"))
    desk.select()
    desk.control("next", agent="c", now=True)
    assert isinstance(desk.outstanding, Ask)
    assert desk.outstanding.member == "c"
    assert desk.rows[2].state == "cancelled"


@pytest.mark.parametrize("moment", ["selecting", "asking", "paused"])
@pytest.mark.semantics("S2.18")
def test_a_takeover_gives_the_admin_the_floor_at_any_moment(moment: str) -> None:
    desk = Desk(options("a", "b", "boss", admin="boss"))
    if moment == "asking":
        desk.select()
    if moment == "paused":
        desk.control("pause")
    desk.control("takeover")
    assert isinstance(desk.outstanding, Ask)
    assert desk.outstanding.member == "boss"
    assert desk.control("takeover") == "boss has the floor already"
    desk.load()
    desk.answer("my word")
    assert desk.speakers == ["boss", "boss"]
    assert isinstance(desk.outstanding, Select)


@pytest.mark.parametrize("admin", ["", "stranger", "a"])
@pytest.mark.semantics("S2.18")
def test_a_takeover_without_an_admin_who_can_be_asked_pauses(admin: str) -> None:
    desk = Desk(options("a", "b", admin=admin), no_input=True)
    desk.select()
    desk.control("takeover")
    assert desk.machine.phase is Phase.PAUSED
    desk.load()
    assert desk.machine.phase is Phase.PAUSED
    desk.control("resume")
    desk.turn()
    assert len(desk.messages) == 2


def test_a_muted_member_gets_no_turn_until_it_is_unmuted() -> None:
    desk = Desk(options("a", "b", max_rounds=20))
    desk.control("mute", agent="b")
    desk.load()
    for _ in range(3):
        desk.turn()
    assert desk.speakers == ["user", "a", "a", "a"]
    assert desk.control("mute", agent="b") == "b is muted already"
    assert desk.control("mute", agent="a") == "somebody must be left to speak"
    assert desk.control("next", agent="b") == "b is muted"
    desk.control("unmute", agent="b")
    desk.turn()
    assert desk.speakers[-1] == "b"


def test_members_join_and_leave() -> None:
    desk = Desk(options("a", "b", "c", max_rounds=20), members=("a", "b"))
    desk.turn()
    desk.turn()
    assert desk.control("join", agent="c", last=1) == ""
    desk.load()
    desk.turn()
    desk.turn()
    desk.turn()
    assert desk.speakers == ["user", "a", "b", "c", "a", "b"]
    joined = next(ask.body for ask in desk.asked if ask.member == "c")
    assert (joined.since, joined.after, joined.sequence) == (2, 0, 4)
    assert desk.control("join", agent="c") == "c is a member already"
    assert "no agent of the team" in desk.control("join", agent="x")
    desk.select()
    assert desk.control("leave", agent="c") == ""  # in its own turn
    assert desk.machine.members == ("a", "b")
    assert desk.control("leave", agent="a") == "a group chat needs two members at least"
    desk.turn()
    assert desk.speakers[-1] == "a"


def test_a_limit_can_be_moved_while_the_chat_runs() -> None:
    desk = Desk(options("a", "b", max_rounds=3))
    desk.turn()
    desk.select()
    assert desk.control("limit", max_rounds=4) == ""
    desk.answer("words")
    assert desk.result is None
    desk.load()
    desk.turn()
    assert desk.result is not None
    assert desk.result.stop_reason == "max_rounds: there are 4 messages"


def test_a_lower_limit_ends_a_chat_that_is_past_it() -> None:
    desk = Desk(options("a", "b"))
    desk.turn()
    desk.control("limit", max_rounds=2)
    assert desk.result is not None
    assert desk.result.outcome == "limit"


@pytest.mark.parametrize("restart", [True, False])
def test_a_stop_after_the_turn_lets_the_turn_be_finished(restart: bool) -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.control("stop", reason="enough")
    if restart:
        desk.load()
    assert desk.result is None
    desk.answer("last words")
    assert desk.result is not None
    assert (desk.result.outcome, desk.result.stop_reason, desk.result.messages) == ("stopped", "enough", 2)


def test_a_stop_now_is_on_record_and_holds_after_a_crash_in_the_middle_of_it() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.handle(Controlled(b"1", Control(what="stop", by="console-1", now=True)), crash_after=2)
    desk.load()
    assert desk.result is not None
    assert desk.result.stop_reason == "stopped by console-1"
    assert desk.rows[3].control is not None


def test_the_same_request_is_heeded_once() -> None:
    desk = Desk(options("a", "b"))
    event = Controlled(b"once", Control(what="pause", by="console-1"))
    for _ in range(2):
        desk.handle(event)
        desk.load()
    desk.handle(event)
    assert desk.heeds[b"once"] == ""
    assert sum(row.kind == "control" for row in desk.rows.values()) == 1


def test_controls_of_a_chat_that_is_over_are_refused() -> None:
    desk = Desk(options("a", "b"))
    desk.control("stop", now=True)
    assert desk.control("pause") == "the chat has ended"


@pytest.mark.parametrize("what", get_args(ControlKind))
def test_every_control_reads_as_a_sentence(what: ControlKind) -> None:
    said = sentence(Control(what=what, by="console-1", agent="ada", sequence=3, chat="c0", max_rounds=5, reason="because"))
    assert said.startswith("console-1 ")
    assert said.endswith(": because")


steps = st.sampled_from(
    ["answer", "answer", "lost", "final", "say", "crash", "late", "pause", "pause now", "resume", "step", "skip", "next",
     "next now", "takeover", "mute", "unmute", "join", "leave", "rewind"]
)  # fmt: skip


@given(st.lists(st.tuples(steps, st.sampled_from("abcd"), st.integers(1, 6)), max_size=50), st.sampled_from(["", "d"]))
def test_whatever_operators_do_and_whoever_dies_no_turn_is_lost_or_doubled(
    script: list[tuple[str, str, int]], admin: str
) -> None:
    desk = Desk(options("a", "b", "c", "d", max_rounds=30, turn_retries=1, admin=admin), members=("a", "b", "d"))
    for number, (step, name, place) in enumerate(script):
        desk.now_ms += 10
        if desk.result is not None:
            break
        what, _, now = step.partition(" ")
        match step:
            case "say":
                desk.handle(Said(b"said %12d" % number, "user", f"words {number}"))
            case "crash":
                ledger = desk.machine.ledger
                desk.load()
                again = desk.machine.ledger
                assert (again.messages, again.own, again.last_speaker) == (ledger.messages, ledger.own, ledger.last_speaker)
                assert (again.floor, again.failures, again.heeded) == (ledger.floor, ledger.failures, ledger.heeded)
                assert again.seconds(desk.now_ms) == ledger.seconds(desk.now_ms)
                assert again.facts.with_usage(()).messages == ledger.facts.messages
            case "late":
                current = desk.outstanding.turn if isinstance(desk.outstanding, Ask) else b""
                for turn in {ask.turn for ask in desk.asked} - {current}:
                    desk.handle(Failed(turn, "lost", "late"))
                    desk.handle(Answered(turn, TurnReply(message=ChatMessage(content="late"))))
            case "answer" | "lost" | "final":
                if isinstance(desk.outstanding, Select):
                    desk.select()
                elif isinstance(desk.outstanding, Ask):
                    desk.answer(f"words {number}") if step == "answer" else desk.fail(step)
            case _:
                content = "edit" if (what, place) == ("rewind", 3) else ""
                desk.control(cast(ControlKind, what), agent=name, now=bool(now), sequence=place, content=content)
    kept = desk.messages
    assert [message.sequence for message in kept] == list(range(1, len(kept) + 1))
    assert [message.content for message in kept].count("late") == 0
    assert sum(row.state == "asked" for row in desk.rows.values()) <= 1
    assert sorted(desk.rows) == list(range(1, len(desk.rows) + 1))
    turns = [row.turn for row in desk.rows.values() if row.state == "done"]
    assert len([turn for turn in turns if desk.heeds.get(turn) is None]) == len({t for t in turns if desk.heeds.get(t) is None})
    assert replay(desk.script) == []
    if desk.result is None:
        paused = desk.machine.phase is Phase.PAUSED
        assert paused == (desk.outstanding is None)  # it never just sits there
        assert paused == (desk.state == "paused")
