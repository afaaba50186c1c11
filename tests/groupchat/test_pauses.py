"""Pauses and steps, on the state machine: no socket, no clock, no disk, and any number of restarts."""

import pytest

from rostra.groupchat.glance import Phase
from rostra.groupchat.inputs import Answered, Ask, Said, Select, Ticked
from rostra.protocol import ChatMessage, TurnReply
from rostra.protocol.chat import Control

from .desk import Desk
from .team import options


@pytest.mark.semantics("S3.3")
def test_a_pause_lets_the_open_turn_be_finished_and_begins_no_other() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    assert desk.control("pause") == ""
    assert desk.state == "running"
    desk.answer("words")
    assert (desk.machine.phase, desk.state, desk.outstanding) == (Phase.PAUSED, "paused", None)
    assert desk.speakers == ["user", "a"]
    assert desk.control("pause") == "the chat is paused already"
    assert desk.control("resume") == ""
    assert desk.state == "running"
    desk.turn()
    assert desk.speakers == ["user", "a", "b"]
    assert desk.control("resume") == "the chat is not paused"


def test_a_pause_at_once_takes_the_turn_back_and_keeps_its_answer_as_late() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    ask = desk.outstanding
    assert isinstance(ask, Ask)
    desk.control("pause", now=True)
    assert desk.rows[2].state == "cancelled"
    assert "console-1 paused the chat" in desk.rows[2].error
    assert desk.withdrawn == ["", "a"]
    desk.handle(Answered(ask.turn, TurnReply(message=ChatMessage(content="too late"))))
    assert desk.speakers == ["user"]
    assert [row.state for row in desk.rows.values()] == ["done", "cancelled", "done", "late"]
    desk.control("resume")
    desk.turn()  # it was not its fault: it is chosen again
    assert desk.speakers == ["user", "a"]


@pytest.mark.parametrize("now", [True, False])
def test_a_paused_chat_is_paused_after_a_restart(now: bool) -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    desk.control("pause", now=now)
    desk.load()
    if not now:
        desk.answer("words")
        desk.load()
    assert desk.machine.phase is Phase.PAUSED
    assert desk.outstanding is None
    desk.control("resume")
    desk.load()
    assert isinstance(desk.outstanding, Select)


def test_a_step_is_one_turn_and_then_a_pause_whatever_dies_between() -> None:
    desk = Desk(options("a", "b"))
    desk.control("pause")
    assert desk.outstanding is None
    for place, name in enumerate(["a", "b", "a"], 2):
        assert desk.control("step") == ""
        desk.load()
        desk.select()
        desk.load()
        desk.answer("words")
        assert desk.machine.phase is Phase.PAUSED
        desk.load()
        assert desk.machine.phase is Phase.PAUSED
        assert (len(desk.messages), desk.messages[-1].name) == (place, name)


def test_a_step_in_an_open_turn_is_a_pause_after_it() -> None:
    desk = Desk(options("a", "b"))
    desk.select()
    assert desk.control("step") == ""
    assert desk.rows[3].control == Control(what="pause", by="console-1")
    desk.answer("words")
    assert desk.machine.phase is Phase.PAUSED


def test_a_chat_in_which_only_muted_members_may_speak_pauses() -> None:
    desk = Desk(options("a", "b", repeat=False))
    desk.control("mute", agent="b")
    desk.turn()
    desk.select()
    assert desk.machine.phase is Phase.PAUSED
    control = desk.rows[max(desk.rows)].control
    assert control is not None
    assert "only members that are muted could speak: b" in control.reason
    desk.control("unmute", agent="b")
    desk.control("resume")
    desk.turn()
    assert desk.speakers == ["user", "a", "b"]


def test_what_is_said_to_a_paused_chat_is_written_at_once() -> None:
    desk = Desk(options("a", "b"))
    desk.control("pause")
    desk.handle(Said(b"s" * 16, "user", "by the way"))
    assert desk.heard[b"s" * 16] == desk.messages[-1]
    assert desk.machine.phase is Phase.PAUSED


def test_the_time_in_which_a_chat_is_paused_does_not_count() -> None:
    desk = Desk(options("a", "b", stop="seconds(10)"))
    desk.select()
    desk.now_ms += 4000
    desk.control("pause")
    desk.now_ms += 1000
    desk.answer("words")
    assert desk.machine.due_ms is None
    desk.now_ms += 86_400_000
    desk.load()
    desk.handle(Ticked())
    assert desk.result is None
    desk.control("resume")
    desk.load()
    assert desk.machine.due_ms == desk.now_ms + 5001
    desk.now_ms += 5001
    desk.handle(Ticked())
    assert desk.result is not None
    assert desk.result.seconds == pytest.approx(10.001)
