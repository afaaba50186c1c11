"""The live view without a terminal: what keys do."""

import pytest

from rostra.console.tui import acts, scene
from rostra.console.tui.desk import Act, Answer, Desk, Do, Extent, Helping, Leave, Looking, Say, Stop, Writing, sent

from .scenes import after, begun, control, drawn, folded, item, keys


@pytest.mark.parametrize(
    ("pressed", "act"),
    [
        ("p", Do(what="pause")),
        ("P", Do(what="pause", now=True)),
        ("e", Do(what="step")),
        ("k", Do(what="skip")),
        ("t", Do(what="takeover")),
        ("n2", Do(what="next", agent="bob")),
        ("N1", Do(what="next", agent="ada", now=True)),
        ("m1", Do(what="mute", agent="ada")),
        ("x1", Stop()),
        ("x2", Stop(after_turn=True)),
        ("x3", None),
        ("q", Leave()),
        ("z", None),
    ],
)
def test_keys_act(pressed: str, act: Act | None) -> None:
    desk, done = keys(begun(), *pressed)
    assert done == act
    assert desk.mode == Looking()


def test_a_paused_chat_is_resumed_by_the_key_that_paused_it() -> None:
    assert keys(begun(state="paused"), "p")[1] == Do(what="resume")
    assert keys(after(begun(), control("pause")), "p")[1] == Do(what="resume")


def test_nobody_who_is_muted_is_offered_as_the_next_speaker() -> None:
    muted = begun(muted=("ada",))
    assert keys(muted, "n", "1")[1] == Do(what="next", agent="bob")
    assert keys(muted, "m", "1")[1] == Do(what="unmute", agent="ada")


def test_something_is_said_when_the_line_is_sent_and_not_when_it_is_left() -> None:
    desk, _ = keys(begun(), "s")
    assert desk.mode == Writing("say")
    assert sent(desk, "Hello.") == (Desk(), Say("Hello."))
    assert sent(desk, "  ") == (Desk(), None)
    assert keys(begun(), "s", "escape") == (Desk(), None)


def test_a_list_is_left_without_a_choice() -> None:
    assert keys(begun(), "n", "escape") == (Desk(), None)
    assert keys(begun(), "n", "7")[1] is None
    desk, act = keys(begun(), "n", "down", "down", "enter")
    assert (desk.mode, act) == (Looking(), Do(what="next", agent="you"))


def test_the_only_question_is_answered_at_once() -> None:
    asked = scene.with_inbox(begun(), (item(3, default="no"),), new=True)
    desk, _ = keys(asked, "a")
    assert sent(desk, "yes, do")[1] == Answer(3, "yes, do")
    assert sent(desk, "")[1] == Answer(3, "no")


def test_a_question_with_options_offers_them_and_the_default_is_marked() -> None:
    asked = scene.with_inbox(begun(), (item(3, options=("yes", "no", "later"), default="no"),), new=True)
    assert keys(asked, "a", "enter")[1] == Answer(3, "no")
    assert keys(asked, "a", "3")[1] == Answer(3, "later")
    desk, _ = keys(asked, "a", "4")
    assert sent(desk, "2")[1] == Answer(3, "no")
    assert sent(desk, "perhaps")[1] == Answer(3, "perhaps")


def test_a_careless_enter_approves_nothing() -> None:
    asked = scene.with_inbox(begun(), (item(3, options=("yes", "no"), form="approval"),), new=True)
    assert keys(asked, "a", "enter")[1] == Answer(3, "no")


def test_what_exactly_is_approved_is_read_whole_and_the_answer_is_good_for_that_alone() -> None:
    code = "\n".join(f"line {number}" for number in range(1, 41))
    question = item(3, "May this run?", "ada", options=("yes", "no"), default="no", detail=code, digest="d1", kind="code")
    asked = scene.with_inbox(begun(), (question,), new=True)
    assert "▸ what exactly it is about" in drawn(asked)
    desk, _ = keys(asked, "a")
    extent = Extent(lines=40, room=18)
    assert "line 1 " in drawn(asked, desk)
    assert "23 more lines below" in drawn(asked, desk)
    assert "page down" in drawn(asked, desk).splitlines()[-1]
    lower, _ = keys(asked, "pagedown", "pagedown", desk=desk, extent=extent)
    assert lower.read == 22
    assert "line 40 " in drawn(asked, lower)
    assert keys(asked, "pageup", "pageup", desk=lower, extent=extent)[0].read == 0
    assert keys(asked, "1", desk=lower)[1] == Answer(3, "yes", "d1")
    desk, _ = keys(asked, "3", desk=lower)
    assert "line 1 " in drawn(asked, desk)
    assert sent(desk, "no: not that file")[1] == Answer(3, "no: not that file", "d1")


def test_of_several_questions_one_is_chosen_first() -> None:
    asked = scene.with_inbox(begun(), (item(3), item(5, "How much?", "ada")), new=True)
    desk, _ = keys(asked, "a", "2")
    assert sent(desk, "much")[1] == Answer(5, "much")
    assert "nobody waits" in keys(begun(), "a")[0].notice


@pytest.mark.parametrize("key", list("pPesnNktmxa"))
def test_a_chat_that_has_ended_cannot_be_directed(key: str) -> None:
    over = begun(state="ended")
    assert keys(over, key) == (Desk(notice="the chat has ended", bad=True), None)


def test_any_key_leaves_the_help() -> None:
    desk, _ = keys(begun(), "?")
    assert desk.mode == Helping()
    assert keys(begun(), "x", desk=desk) == (Desk(), None)


def test_scrolling_stops_at_both_ends_and_follows_again_at_the_last_line() -> None:
    assert keys(begun(), "up")[0].top == 79
    assert keys(begun(), "pageup")[0].top == 61
    assert keys(begun(), "home", "up")[0].top == 0
    assert keys(begun(), "home", "end")[0].top is None
    assert keys(begun(), "up", "down")[0].top is None
    assert keys(begun(), "up", extent=Extent(lines=5, room=20))[0].top is None


def test_what_is_folded_is_marked_and_unfolded_one_by_one_or_all_together() -> None:
    seen = folded()
    starts = {2: 2, 3: 6, 4: 9}
    one, _ = keys(seen, "tab", "tab", "enter", extent=Extent(lines=12, room=5, starts=starts))
    assert (one.marked, one.top) == (3, 5)
    assert one.unfolded == {3}
    every, _ = keys(seen, "f")
    assert every.unfolded == {2, 3, 4}
    assert keys(seen, "f", "f")[0].unfolded == frozenset()
    assert "nothing to unfold" in keys(begun(), "tab")[0].notice


def test_what_is_shown_while_an_act_is_done_says_when_it_takes_effect() -> None:
    assert "open turn" in acts.going(Say("Hello."))
    assert acts.going(Do(what="pause")) == ""
