"""A budget that is used up: a person may extend it, and the chat goes on as if it had been larger from the start."""

import pytest

from rostra.groupchat.forking import forked
from rostra.groupchat.glance import Phase
from rostra.groupchat.inputs import Controlled, Select
from rostra.groupchat.options import Budget
from rostra.groupchat.replaying import replay
from rostra.protocol import Answer
from rostra.protocol.chat import Control, InboxItem
from rostra.protocol.people import Asking

from .desk import Desk
from .team import options


def spent(budget: Budget | None = None, **rest: object) -> Desk:
    """A chat of whose 3 dollars 3 are used after six turns; then a person is asked."""
    desk = Desk(options("a", "b", budget=budget or Budget(cost=3.0), extending=Asking(assignee="anna"), max_rounds=30), **rest)
    for _ in range(6):
        desk.turn()
    return desk


def test_a_person_is_asked_and_the_chat_is_paused_until_then() -> None:
    desk = spent()
    assert (desk.machine.phase, desk.state, desk.outstanding, desk.result) == (Phase.PAUSED, "paused", None, None)
    (petition,) = desk.petitions
    question = petition.question
    assert question.text.startswith("In chat c1 the budget of 3 dollars is used up (3.0000). Extend it?")
    assert (question.kind, question.form, question.agent, question.assignee) == ("budget", "amount", "", "anna")
    control = list(desk.rows.values())[-1].control
    assert control is not None
    assert (control.what, control.by, control.reason) == ("budget", "", "the budget of 3 dollars is used up (3.0000)")
    assert replay(desk.script) == []


@pytest.mark.parametrize(("text", "turns"), [("yes", 6), ("Approve", 6), ("0.5", 1), ("+$1.50", 3), ("1_000", 23)])
def test_yes_is_as_much_again_and_a_number_is_that_much(text: str, turns: int) -> None:
    desk = spent()
    assert desk.person(text) == ""
    assert desk.state == "running"
    for _ in range(turns):
        desk.turn()
    if turns < 23:
        assert len(desk.petitions) == 2
        assert desk.petitions[0].id != desk.petitions[1].id
        assert desk.person("no") == ""
    assert desk.result is not None
    assert (desk.result.outcome, desk.result.messages) == ("limit", 1 + 6 + turns if turns < 23 else 30)
    assert replay(desk.script) == []


@pytest.mark.parametrize("text", ["no", "", "0", "-5", "nan", "inf", "why?", None])
def test_whatever_extends_nothing_ends_the_chat(text: str | None) -> None:
    desk = spent()
    desk.person(text)
    assert desk.result is not None
    assert desk.result.outcome == "limit"
    assert desk.result.stop_reason == "the budget of 3 dollars is used up (3.0000), and nobody extended it"
    control = list(desk.rows.values())[-1].control
    assert control is not None
    assert control.what == "answer"
    assert replay(desk.script) == []


def test_the_same_question_is_asked_after_a_restart_and_what_was_answered_before_holds() -> None:
    desk = spent()
    desk.load()
    assert desk.machine.phase is Phase.PAUSED
    assert desk.petitions[0] == desk.petitions[1]
    desk.person("yes")
    desk.load()
    assert desk.state == "running"
    desk.turn()
    assert desk.result is None
    assert desk.person("yes") == ""  # the same answer once more, after a crash
    assert len([row for row in desk.rows.values() if row.control is not None and row.control.what == "answer"]) == 1


def test_an_operator_may_move_the_limit_instead_and_nobody_needs_to_answer() -> None:
    desk = spent()
    assert desk.control("limit", cost=4.0) == ""
    assert desk.withdrawn == [""]
    desk.turn()
    desk.turn()
    assert len(desk.petitions) == 2
    assert desk.control("resume") == ""  # without more to spend
    assert len(desk.petitions) == 3
    assert desk.machine.phase is Phase.PAUSED
    assert replay(desk.script) == []


def test_a_budget_of_time_does_not_cut_off_what_is_under_way_and_waiting_takes_no_time() -> None:
    desk = Desk(options("a", "b", budget=Budget(seconds=10.0), extending=Asking(), max_rounds=30))
    desk.select()
    due = desk.machine.due_ms
    assert due is not None
    desk.now_ms = due
    desk.tick()
    assert (desk.result, desk.petitions) == (None, [])
    desk.answer("words")
    assert len(desk.petitions) == 1
    desk.now_ms += 86_400_000
    desk.person("yes")
    desk.turn()
    assert desk.result is None
    desk.now_ms += 9_000
    desk.turn()
    assert desk.result is None
    desk.now_ms += 2_000
    desk.turn()
    assert len(desk.petitions) == 2
    assert replay(desk.script) == []


def test_without_people_and_without_the_wish_the_chat_ends_as_ever() -> None:
    assert spent(no_input=True).petitions == []
    desk = Desk(options("a", "b", budget=Budget(cost=0.5)))
    desk.turn()
    assert desk.result is not None
    assert desk.result.stop_reason == "the budget of 0.5 dollars is used up (0.5000)"


def test_no_member_extends_the_budget_by_asking_such_a_question_itself() -> None:
    desk = spent()
    petition = desk.petitions[-1]
    question = type(petition.question)(text="May I?", agent="a", kind="budget", form="amount", chat="c1")
    item = InboxItem(number=9, question=question, answer=Answer(text="yes", by="console-1"))
    desk.handle(Controlled(b"m" * 16, Control(what="answer", by="console-1", agent="a", item=item)))
    assert desk.machine.phase is Phase.PAUSED


def test_a_fork_has_the_limits_and_the_method_of_its_prefix() -> None:
    desk = spent()
    desk.person("1")
    desk.control("selection", selection="random")
    desk.control("limit", max_rounds=12, tokens=5000)
    desk.turn()
    control = Control(what="fork", by="console-1", sequence=8, chat="c1")
    _, floor = forked(desk.rows.values(), desk.settings, control, b"r" * 16, desk.now_ms)
    assert (floor.cost, floor.tokens, floor.max_rounds, floor.selection) == (4.0, 5000, 12, "random")
    assert not floor.asking
    assert not floor.paused


def test_the_method_of_selection_is_changed_on_record() -> None:
    desk = Desk(options("a", "b"))
    desk.turn()
    for method in ("psychic", "flow"):  # there is no flow
        assert desk.control("selection", selection=method).startswith(
            f"selection: '{method}' is no method; there are auto, manual"
        )
    assert desk.control("selection", selection="random") == ""
    for _ in range(2):
        assert isinstance(desk.outstanding, Select)
        assert desk.outstanding.situation.selection == "random"
        desk.load()


@pytest.mark.parametrize("rest", [{}, {"max_rounds": -1}, {"tokens": -5}])
def test_a_limit_that_limits_nothing_is_refused(rest: dict[str, int]) -> None:
    assert Desk(options("a", "b")).control("limit", **rest) != ""
