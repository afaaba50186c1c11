"""The state machine of a chat, without socket, clock or disk: a store in memory carries out what it wants done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.groupchat import Budget
from rostra.groupchat.glance import Phase
from rostra.groupchat.inputs import (
    Answered,
    Ask,
    Broken,
    Close,
    Failed,
    Journal,
    Publish,
    Said,
    Select,
    Selected,
    Stopped,
    Ticked,
    Waits,
)
from rostra.groupchat.selection import Chosen
from rostra.protocol import ChatMessage, TurnReply, Usage
from rostra.protocol.chat import Why

from .desk import Desk, Kind
from .team import options


def test_a_turn_is_journalled_before_it_is_asked_and_written_before_it_is_published() -> None:
    desk = Desk(options("a", "b"))
    effects = desk.machine.handle(Selected(Chosen("a", Why(sequence=2, speaker="a", reason="r"))), 2000)
    assert [type(effect) for effect in effects] == [Journal, Publish, Ask]
    desk = Desk(options("a", "b"))
    desk.select()
    assert isinstance(desk.outstanding, Ask)
    effects = desk.machine.handle(Answered(desk.outstanding.turn, TurnReply(message=ChatMessage(content="x"))), 2000)
    assert [type(effect) for effect in effects] == [Close, Publish, Select]


@pytest.mark.semantics("S2.1")
def test_rounds_count_messages_with_the_opening() -> None:
    desk = Desk(options("a", "b", max_rounds=3))
    desk.turn()
    assert desk.result is None
    desk.turn()
    assert desk.result is not None
    assert (desk.result.outcome, desk.result.messages) == ("limit", 3)
    assert Desk(options("a", "b", max_rounds=1)).result is not None


def test_the_admin_opens_the_chat_where_it_is_a_member() -> None:
    desk = Desk(options("a", "b", "boss", admin="boss"))
    assert desk.messages[0].name == "boss"
    desk.turn()
    assert desk.messages[1].name == "a"
    assert Desk(options("a", "b", admin="boss")).messages[0].name == "user"


def test_a_failed_turn_is_a_row_but_no_hole_among_the_messages() -> None:
    desk = Desk(options("a", "b", "c", turn_retries=0))
    desk.select()
    desk.fail("raised")
    desk.turn()
    assert [(row.speaker, row.state, row.sequence) for row in desk.rows.values()] == [
        ("user", "done", 1),
        ("a", "failed", 0),
        ("b", "done", 2),
    ]
    assert desk.rows[2].error == "it raised"


def test_retries_keep_the_turns_id_and_are_counted_on_disk() -> None:
    desk = Desk(options("a", "b", turn_retries=2))
    desk.select()
    desk.fail("lost")
    desk.fail("raised")
    assert desk.rows[2].attempts == 3
    desk.load()  # counters go on after a restart
    desk.fail("lost")
    assert desk.rows[2].state == "failed"
    assert [ask.turn for ask in desk.asked] == [desk.asked[0].turn] * 4
    assert [ask.pause for ask in desk.asked[:3]] == [0.0, 0.25, 0.5]


@pytest.mark.parametrize(("kind", "type_"), [("final", "failed"), ("absent", "skipped")])
def test_some_failures_are_not_tried_again(kind: Kind, type_: str) -> None:
    desk = Desk(options("a", "b", turn_retries=5))
    desk.select()
    desk.fail(kind)
    assert [event.type for event in desk.events if event.speaker == "a"] == ["selected", type_]


def test_a_lost_broker_is_no_fault_of_the_member() -> None:
    desk = Desk(options("a", "b", turn_retries=0))
    desk.select()
    for _ in range(10):
        desk.fail("broker")
    desk.answer("here")
    assert desk.rows[2].attempts == 1
    assert desk.messages[-1].content == "here"


def test_the_same_turn_is_asked_again_after_a_crash() -> None:
    desk = Desk(options("a", "b"))
    desk.turn("one")
    desk.select()
    desk.load()
    assert desk.asked[-1].turn == desk.asked[-2].turn
    before, after = desk.asked[-2].body, desk.asked[-1].body
    assert (before.messages, before.after, before.sequence) == (after.messages, after.after, after.sequence)
    assert after.epoch == 2


def test_a_crash_between_answer_and_commit_loses_no_turn_and_doubles_none() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    assert isinstance(desk.outstanding, Ask)
    desk.handle(Answered(desk.outstanding.turn, TurnReply(message=ChatMessage(content="x"))), crash_after=0)
    desk.load()
    desk.answer("x")
    assert [message.content for message in desk.messages] == ["the task", "x"]


def test_a_late_answer_is_kept_and_not_applied() -> None:
    desk = Desk(options("a", "b", turn_retries=0))
    desk.select()
    first = desk.asked[0].turn
    desk.fail("lost")
    desk.handle(Answered(first, TurnReply(message=ChatMessage(content="too late"))))
    assert [row.state for row in desk.rows.values()] == ["done", "failed", "late"]
    desk.turn("in time")
    assert [message.content for message in desk.messages] == ["the task", "in time"]


def test_words_beside_the_turns_wait_for_the_open_turn_and_are_written_once() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.handle(Said(b"1", "user", "hello"))
    assert desk.heard == {}
    desk.answer("words")
    message = desk.heard[b"1"]
    assert message is not None
    assert message.sequence == 3
    desk.handle(Said(b"1", "user", "hello"))
    desk.load()
    desk.handle(Said(b"1", "user", "hello"))
    assert desk.heard[b"1"] == message
    assert len(desk.messages) == 3
    desk.turn()
    assert desk.rows[4].speaker == "b"  # the rotation goes on where it was


def test_words_said_while_a_speaker_is_chosen_come_before_its_turn() -> None:
    desk = Desk(options("a", "b"))
    desk.handle(Said(b"1", "user", "hello"))
    desk.select()
    assert [message.content for message in desk.asked[0].body.messages] == ["the task", "hello"]
    assert desk.asked[0].body.sequence == 3
    assert desk.rows[3].why is not None
    assert desk.rows[3].why.sequence == 3


def test_a_person_can_end_the_chat_by_saying_so() -> None:
    desk = Desk(options("a", "b", stop='text("stop now")'))
    desk.select()
    desk.handle(Said(b"1", "user", "stop now"))
    desk.answer("words")
    assert desk.result is not None
    assert (desk.result.outcome, desk.result.messages) == ("ended", 3)


def test_the_opening_ends_no_chat_by_what_it_says() -> None:
    desk = Desk(options("a", "b", stop='text("task") | exact("the task") | source("user")'))
    assert desk.result is None
    desk.turn("the task")
    assert desk.result is not None


@pytest.mark.semantics("S4.14")
def test_conditions_are_counted_over_the_transcript_so_that_a_restart_resets_none() -> None:
    desk = Desk(options("a", "b", stop='idle(3) | text("one") & text("two")', max_rounds=50))
    desk.turn("one")
    desk.load()
    desk.turn("three")
    desk.load()
    desk.turn("two")
    assert desk.result is not None
    assert "said 'one', and" in desk.result.stop_reason
    assert desk.result.outcome == "ended"
    desk = Desk(options("a", "b", stop="idle(3)", max_rounds=50))
    for _ in range(3):
        desk.turn("same")
        if desk.result is None:
            desk.load()
    assert desk.result is not None
    assert desk.result.outcome == "limit"


@pytest.mark.parametrize("budget", [Budget(tokens=6), Budget(cost=1.0)], ids=["tokens, those of the selection included", "cost"])
def test_the_budget_is_a_limit(budget: Budget) -> None:
    desk = Desk(options("a", "b", budget=budget))
    desk.turn()
    desk.load()
    desk.turn()
    assert desk.result is not None
    assert desk.result.outcome == "limit"
    assert "budget" in desk.result.stop_reason
    assert desk.result.usage.tokens == 6


def test_time_is_counted_from_the_beginning_whoever_coordinates() -> None:
    desk = Desk(options("a", "b", stop="seconds(5)", budget=Budget(seconds=9)))
    assert desk.machine.due_ms == 6001
    desk.now_ms = 4000
    desk.select()
    desk.load()
    assert desk.machine.due_ms == 6001
    desk.handle(Ticked())
    assert desk.result is None
    desk.now_ms = 6001
    desk.handle(Ticked())
    assert desk.result is not None
    assert (desk.result.outcome, desk.result.seconds) == ("limit", 5.001)
    assert desk.rows[2].state == "failed"
    assert "the chat ended" in desk.rows[2].error
    assert desk.machine.due_ms is None


def test_stopping_closes_the_open_turn_with_the_result() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.handle(Said(b"1", "user", "wait"))
    desk.handle(Stopped(""))
    assert desk.result is not None
    assert (desk.result.outcome, desk.result.stop_reason) == ("stopped", "stopped by an operator")
    assert desk.heard == {b"1": None}
    assert desk.rows[2].state == "failed"
    assert desk.outstanding is None
    events = len(desk.events)
    desk.handle(Stopped("again"))
    desk.handle(Failed(desk.asked[0].turn, "lost", "x"))
    desk.handle(Said(b"2", "user", "hello?"))
    assert desk.heard[b"2"] is None
    assert len(desk.events) == events


def test_a_chat_at_rest_keeps_its_turn_open_and_is_taken_up_with_it() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.handle(Waits("a waits for a person"))
    assert desk.machine.phase is Phase.RESTING
    assert desk.result is not None
    assert desk.result.outcome == "waits"
    assert desk.rows[2].state == "asked"
    desk.load()
    desk.answer("now")
    assert desk.asked[0].turn == desk.asked[1].turn
    assert desk.messages[-1].content == "now"


def test_what_breaks_the_coordinator_is_the_reason_of_the_end() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.handle(Broken("the disk is full"))
    assert desk.result is not None
    assert (desk.result.outcome, desk.result.stop_reason) == ("failed", "the disk is full")


def test_a_message_that_fits_in_no_frame_fails_the_turn() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.answer("x" * 970_000)
    assert desk.rows[2].state == "failed"
    assert "970" in desk.rows[2].error
    desk.turn()
    assert desk.messages[-1].name == "b"


def test_a_turn_carries_no_more_values_than_a_frame_may_hold() -> None:
    desk = Desk(options("a", "b", "c", max_rounds=100))
    many = TurnReply(message=ChatMessage(content="", metadata={"list": list(range(4500))}))
    for _ in range(5):
        desk.select()
        desk.answer(many) if desk.asked[-1].member != "c" else desk.fail("final")
    assert [(ask.body.after, len(ask.body.messages)) for ask in desk.asked if ask.member == "c"] == [(2, 1)]


def test_no_member_refills_the_budget_with_what_it_says_to_have_used() -> None:
    desk = Desk(options("a", "b"))
    impossible = Usage(prompt_tokens=-50, completion_tokens=2**62, cost=float("nan"))
    desk.select()
    desk.answer(TurnReply(message=ChatMessage(content="x"), usage=(impossible,)))
    assert desk.machine.usage == Usage(prompt_tokens=1, completion_tokens=10**12)


answers = st.sampled_from(
    ["answer", "same", "silent", "lost", "raised", "final", "absent", "say", "crash", "late", "tick", "stop", "wait"]
)


@given(st.lists(answers, max_size=60), st.integers(0, 2), st.sampled_from([True, False]))
@pytest.mark.semantics("S4.10")
def test_whatever_happens_there_are_no_gaps_no_doubles_and_always_a_reason(script: list[str], retries: int, repeat: bool) -> None:
    desk = Desk(options("a", "b", "c", max_rounds=9, turn_retries=retries, repeat=repeat, stop="idle(4)"))
    for number, step in enumerate(script):
        desk.now_ms += 10
        if desk.result is not None and desk.result.outcome != "waits":
            break
        if desk.machine.phase is Phase.RESTING:
            desk.load()
        match step:
            case "say":
                desk.handle(Said(b"said %12d" % number, "user", f"words {number}"))
            case "crash":
                desk.load()
            case "late" if desk.asked:
                desk.handle(Answered(b"some other turn", TurnReply(message=ChatMessage(content="late"))))
            case "tick":
                desk.handle(Ticked())
            case "stop":
                desk.handle(Stopped("enough"))
            case "wait":
                desk.handle(Waits("a person"))
            case _ if isinstance(desk.outstanding, Select):
                desk.select()
            case "answer" | "same":
                desk.answer(f"{step} {number if step == 'answer' else ''}")
            case "silent":
                desk.answer(TurnReply())
            case "lost" | "raised" | "final" | "absent":
                desk.fail(step)
    kept = desk.messages
    assert [message.sequence for message in kept] == list(range(1, len(kept) + 1))
    assert len(kept) <= 9 + len(script)
    turns = [row.turn for row in desk.rows.values() if row.state == "done"]
    assert len(turns) == len(set(turns))
    assert sorted(desk.rows) == list(range(1, len(desk.rows) + 1))
    assert sum(row.state == "asked" for row in desk.rows.values()) <= 1
    published = [event.message for event in desk.events if event.type == "message"]
    assert published == kept
    assert [message.content for message in kept].count("late") == 0
    if desk.result is not None:
        assert desk.result.stop_reason
        assert desk.result.messages == len(kept) or desk.result.outcome == "waits"
        if desk.result.outcome != "waits":
            assert not any(row.state == "asked" for row in desk.rows.values())
    for ask in desk.asked:
        sequences = [message.sequence for message in ask.body.messages]
        assert sequences == list(range(ask.body.after + 1, ask.body.sequence))
