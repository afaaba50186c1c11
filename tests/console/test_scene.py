"""The core of the live view, without a terminal: what events make of the scene, what keys do, what is drawn."""

from typing import Any

import msgspec
import pytest

from rostra.console.following import Followed, Listening, Reconnected
from rostra.console.tui import acts, scene
from rostra.console.tui.conversation import Conversation
from rostra.console.tui.desk import (
    Act,
    Answer,
    Desk,
    Do,
    Extent,
    Helping,
    Leave,
    Looking,
    Say,
    Stop,
    Writing,
    press,
    sent,
)
from rostra.console.tui.drawing import Drawing
from rostra.console.tui.folding import told
from rostra.console.tui.lines import Pen, text
from rostra.console.tui.scene import Limits, Scene
from rostra.protocol import ChatMessage, Member, Presence, ToolCall, ToolResponse, Usage
from rostra.protocol.chat import ChatEvent, ChatInfo, Control, ControlKind, Delta, InboxItem, Question, Result, Why

CHAT = "c-1"
NOW = 1_000_000_000_000
BUDGET = {"max_tokens": 20_000, "max_cost": 0.5, "max_seconds": 600.0}
EXTENT = Extent(lines=100, room=20)
INFO = ChatInfo(
    chat=CHAT,
    state="running",
    task="Bake bread.",
    members=tuple(Member(name=name) for name in ("ada", "bob", "you")),
    max_rounds=9,
    admin="you",
    usage=Usage(prompt_tokens=100, completion_tokens=50),
)


def begun(**changes: Any) -> Scene:
    return scene.with_info(Scene(chat=CHAT), msgspec.structs.replace(INFO, **changes), NOW)


def after(start: Scene, *events: Followed) -> Scene:
    for event in events:
        start = told(start, event)
    return start


def message(sequence: int, name: str, content: Any = "", **more: Any) -> ChatEvent:
    said = ChatMessage(sequence=sequence, name=name, content=content, **more)
    return ChatEvent(type="message", chat=CHAT, sequence=sequence, speaker=name, message=said)


def selected(sequence: int, name: str, why: str = "its turn") -> ChatEvent:
    return ChatEvent(type="selected", chat=CHAT, sequence=sequence, speaker=name, why=why)


def piece(sequence: int, name: str, text_: str) -> Delta:
    return Delta(chat=CHAT, sequence=sequence, speaker=name, text=text_)


def control(what: ControlKind, **fields: Any) -> ChatEvent:
    return ChatEvent(type="state", chat=CHAT, control=Control(what=what, by="console-1", **fields))


def state(word: str) -> ChatEvent:
    return ChatEvent(type="state", chat=CHAT, why=word)


def presence(name: str, how: Any) -> Presence:
    return Presence(name=name, address=name, boot=b"0", state=how)


def item(number: int, words: str = "May I?", agent: str = "you", **fields: Any) -> InboxItem:
    return InboxItem(number=number, question=Question(text=words, chat=CHAT, agent=agent, **fields))


def drawn(seen: Scene, desk: Desk | None = None, *, width: int = 80, height: int = 24, unicode: bool = True, **more: Any) -> str:
    lines, _ = Drawing(Pen(unicode=unicode)).screen(seen, desk or Desk(), width=width, height=height, now_ms=NOW, **more)
    assert len(lines) == height
    return text(lines)


def keys(seen: Scene, *pressed: str, desk: Desk | None = None, extent: Extent = EXTENT) -> tuple[Desk, Act | None]:
    desk, act = desk or Desk(), None
    for key in pressed:
        desk, act = press(seen, desk, key, extent)
    return desk, act


# ---- what events make of the scene


def test_whoever_is_chosen_has_the_floor_until_the_message_is_there() -> None:
    chosen = after(begun(), selected(2, "ada", "its turn in rotation"))
    assert (chosen.floor, chosen.why, chosen.turn) == (("ada",), "its turn in rotation", 2)
    done = after(chosen, message(2, "ada", "Flour."))
    assert (done.floor, done.why, done.last) == ((), "", 2)


def test_a_message_that_is_seen_twice_is_there_once() -> None:
    once = after(begun(), message(1, "you", "Bake."), message(1, "you", "Bake."))
    assert [entry.text for entry in once.entries] == ["Bake."]


def test_pieces_add_up_until_the_message_takes_their_place() -> None:
    half = after(begun(), selected(2, "ada"), piece(2, "ada", "Flo"), piece(2, "ada", "ur "))
    assert [one.text for one in half.writing] == ["Flour "]
    whole = after(half, message(2, "ada", "Flour and water."), piece(2, "ada", "too late"))
    assert whole.writing == ()
    assert [entry.text for entry in whole.entries] == ["Flour and water."]


def test_an_answer_of_which_pieces_are_missing_is_shown_when_it_is_whole() -> None:
    gap = after(begun(), selected(2, "ada"), piece(2, "ada", "Flo"), Reconnected(fresh=False), piece(2, "ada", "ter."))
    assert gap.writing == ()
    assert after(gap, selected(2, "ada"), piece(2, "ada", "Again")).writing


def test_whoever_comes_when_an_answer_is_half_written_sees_that_its_beginning_is_missing() -> None:
    joined = scene.with_beginnings_missed(begun(speaker="ada", messages=1))
    assert "  … and water ▌" in drawn(after(joined, piece(2, "ada", " and water")))
    assert "  Flour ▌" in drawn(after(joined, selected(2, "ada"), piece(2, "ada", "Flour")))
    assert "  Flour ▌" in drawn(after(begun(speaker="ada", messages=1), piece(2, "ada", "Flour")))


def test_whoever_died_says_all_of_it_again() -> None:
    died = after(begun(), selected(2, "ada"), piece(2, "ada", "Flo"), presence("ada", "lost"))
    assert died.writing == ()
    assert died.away == {"ada"}
    again = after(died, presence("ada", "online"), piece(2, "ada", "Flour"))
    assert again.away == frozenset()
    assert [one.text for one in again.writing] == ["Flour"]
    assert [entry.text for entry in again.entries] == ["ada died", "ada is back"]


def test_processes_that_are_no_members_are_not_noted() -> None:
    assert after(begun(), presence("models", "lost"), Listening()).entries == ()


def test_a_pause_waits_for_the_open_turn() -> None:
    pausing = after(begun(), selected(2, "ada"), control("pause"))
    assert pausing.state == "pausing"
    assert scene.with_info(pausing, INFO, NOW).state == "pausing"
    paused = after(pausing, message(2, "ada", "Flour."), state("paused"))
    assert paused.state == "paused"
    assert after(paused, control("resume"), state("running")).state == "running"


def test_what_operators_do_is_noted_and_shown() -> None:
    done = after(begun(), control("next", agent="bob"), control("mute", agent="ada"), control("limit", max_rounds=12))
    assert (done.wanted, done.muted, done.max_rounds) == ("bob", ("ada",), 12)
    assert [entry.text for entry in done.entries] == [
        "console-1 gives bob the floor",
        "console-1 muted ada",
        "console-1 set the limit to 12 messages",
    ]
    assert after(done, selected(2, "bob"), control("unmute", agent="ada")).wanted == ""


def test_what_was_rewound_is_not_shown_any_more() -> None:
    said = after(begun(), message(1, "you", "Bake."), message(2, "ada", "Flour."), message(3, "bob", "Water."))
    rewound = after(said, control("rewind", sequence=1), message(2, "bob", "Yeast."))
    assert [entry.text for entry in rewound.entries if entry.sequence] == ["Bake.", "Yeast."]


def test_a_failed_turn_frees_the_floor_and_says_why() -> None:
    failed = ChatEvent(type="failed", chat=CHAT, sequence=2, speaker="ada", error="it\nbroke")
    seen = after(begun(), selected(2, "ada"), piece(2, "ada", "Flo"), failed)
    assert (seen.floor, seen.writing) == ((), ())
    assert (seen.entries[-1].text, seen.entries[-1].bad) == ("[2] ada failed: it broke", True)


def test_of_a_round_everybody_has_the_floor_until_it_has_spoken_passed_or_failed() -> None:
    asked = after(begun(), selected(2, "ada"), selected(2, "bob"), selected(2, "you"))
    assert asked.floor == ("ada", "bob", "you")
    writing = after(asked, piece(3, "bob", "Wa"), piece(2, "ada", "Flour"), piece(3, "bob", "ter"))
    assert [(one.speaker, one.text) for one in writing.writing] == [("ada", "Flour"), ("bob", "Water")]
    assert "now ada, bob, you" in drawn(writing)
    passed = ChatEvent(type="passed", chat=CHAT, sequence=2, speaker="you")
    spoken = after(writing, passed, message(2, "ada", "Flour."))
    assert (spoken.floor, [one.speaker for one in spoken.writing]) == (("bob",), ["bob"])
    assert after(spoken, message(3, "bob", "Water.")).floor == ()
    assert begun(speaker="ada, bob", messages=1).floor == ("ada", "bob")


def test_of_a_round_one_member_is_skipped() -> None:
    asked = after(begun(), selected(2, "ada"), selected(2, "bob"))
    assert keys(asked, "k", "2")[1] == Do(what="skip", agent="bob")
    assert after(asked, control("skip", agent="bob")).floor == ("ada",)


def test_a_turn_that_is_taken_back_is_no_part_of_the_next_one() -> None:
    again = after(begun(), selected(2, "ada"), control("next", agent="bob", now=True), selected(2, "bob"))
    assert again.floor == ("bob",)


def test_questions_are_in_the_inbox_until_somebody_answers() -> None:
    asked = scene.with_inbox(begun(), (item(3), item(4, "How much?", "ada")), new=True)
    assert [entry.text for entry in asked.entries] == ["you asks (question 3): May I?", "ada asks (question 4): How much?"]
    answered = ChatEvent(
        type="answered", chat=CHAT, speaker="you", question=3, message=ChatMessage(content="yes", name="console-2")
    )
    left = after(asked, answered)
    assert [one.number for one in left.inbox] == [4]
    assert left.entries[-1].text == "question 3 is answered by console-2"
    assert scene.with_inbox(begun(), (item(3),), new=False).entries == ()


def test_the_result_ends_the_chat_and_its_questions() -> None:
    result = Result(chat=CHAT, outcome="limit", stop_reason="the budget is used up", messages=4, seconds=7.0)
    over = after(scene.with_inbox(begun(), (item(3),), new=True), ChatEvent(type="result", chat=CHAT, result=result))
    assert (over.state, over.inbox, over.taken(NOW + 99_000)) == ("ended", (), 7.0)
    assert over.entries[-1].text == "stopped at a limit: the budget is used up"
    rests = msgspec.structs.replace(result, outcome="waits")
    assert after(begun(), ChatEvent(type="result", chat=CHAT, result=rests)).state == "resting"


def test_time_stands_still_while_the_chat_is_paused() -> None:
    assert begun(seconds=5.0).taken(NOW + 3_000) == 8.0
    assert begun(seconds=5.0, state="paused").taken(NOW + 3_000) == 5.0


def test_the_reason_of_a_turn_that_was_open_already_is_asked_for() -> None:
    seen = begun(speaker="ada", messages=3)
    assert scene.with_why(seen, Why(sequence=4, speaker="ada", reason="by vote")).why == "by vote"
    assert scene.with_why(seen, Why(sequence=3, speaker="ada", reason="long ago")).why == ""


def test_the_budget_is_that_of_the_chat_until_a_control_moves_it() -> None:
    seen = begun(**BUDGET)
    assert seen.limits == Limits(tokens=20_000, cost=0.5, seconds=600.0)
    moved = after(seen, control("limit", tokens=30_000))
    assert (moved.limits, moved.max_rounds) == (Limits(tokens=30_000, cost=0.5, seconds=600.0), 9)


# ---- what keys do


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


def folded() -> Scene:
    call = ToolCall(id="1", name="weigh", arguments='{"what": "flour", "grams": 500}')
    response = ToolResponse(id="1", name="weigh", content="one\ntwo\nthree")
    return after(
        begun(),
        message(1, "you", "Bake."),
        message(2, "ada", "Let me see.", tool_calls=(call,)),
        message(3, "ada", "", tool_responses=(response,)),
        message(4, "bob", "exitcode: 1 (execution failed)\nCode output: \nTraceback\nKeyError"),
    )


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


# ---- what is drawn


def test_tool_calls_and_outputs_are_folded_until_they_are_unfolded() -> None:
    screen = drawn(folded())
    assert '▸ → weigh(what="flour", grams=500)' in screen
    assert "▸ ← weigh: 3 lines" in screen
    assert "▸ code ran, exit code 1: 2 lines" in screen
    assert "KeyError" not in screen
    screen = drawn(folded(), keys(folded(), "f")[0])
    assert (
        "      what = flour\n" in screen.replace("│", "\n").replace(" \n", "\n").replace("  \n", "\n")
        or "      what = flour" in screen
    )
    for line in ("      what = flour ", "      grams = 500 ", "      three", "      KeyError", "▾ ← weigh: 3 lines"):
        assert line in screen


def full() -> Scene:
    """A chat in which there is something of everything."""
    seen = begun(speaker="bob", messages=4, muted=("you",), seconds=75.0, usage=Usage(prompt_tokens=1200, cost=0.25), **BUDGET)
    seen = after(seen, message(1, "you", "Bake bread."), message(2, "ada", "Flour."), message(3, "you", "How much?"))
    seen = scene.with_inbox(seen, (item(7, "May I buy yeast?", "ada", options=("yes", "no")),), new=True)
    seen = after(seen, message(4, "ada", "500 g."), selected(5, "bob", "ada spoke last, and the graph allows bob"))
    return after(seen, piece(5, "bob", "Water, \x1b[31mluke"))


def test_a_screen_of_80_by_24_shows_everything_at_once() -> None:
    screen = drawn(full())
    for part in (
        " rostra  c-1  running  Bake bread.",
        " inbox 1 ",
        "[4/9] ada",
        "[5/9] bob",
        "  Water, luke ▌",
        "? ada  asks",
        "● bob  writes",
        "○ you  muted",
        "now bob",
        "ada spoke last, and",
        "rounds █████░░░░░░░ 4/9",
        "tokens █░░░░░░ 1200/20k",
        "$0.25/$0.5",
        "1:15/10:00",
        "7 ada: May I buy yeast?",
        "p pause  s say  n next  k skip  x stop  a answer  f unfold  ? keys  q leave",
    ):
        assert part in screen, screen
    assert "\x1b" not in screen


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (132, 50), (60, 12), (40, 10), (20, 6), (10, 4), (5, 1)])
@pytest.mark.parametrize("pressed", ["", "?", "n", "x", "a", "s", "f", "home"])
def test_every_screen_has_the_size_of_its_terminal(width: int, height: int, pressed: str, unicode: bool) -> None:
    from rostra.console.terminal import columns

    desk = keys(full(), *([pressed] if len(pressed) != 1 else pressed))[0] if pressed else Desk()
    lines, _ = Drawing(Pen(unicode=unicode)).screen(full(), desk, width=width, height=height, now_ms=NOW)
    assert len(lines) == max(4, height)
    for line in lines:
        assert sum(columns(part) for _, part in line) == max(20, width)
    assert unicode or text(lines).isascii()


def test_a_narrow_screen_says_in_a_line_who_has_the_floor() -> None:
    screen = drawn(full(), width=50, height=12)
    assert "now: bob (ada spoke last" in screen
    assert "│" not in screen


def test_a_broker_that_is_away_is_said_at_the_top() -> None:
    assert "THE BROKER IS AWAY" in drawn(full(), connected=False).splitlines()[0]


def test_a_question_is_shown_whole_while_it_is_answered() -> None:
    asked = scene.with_inbox(begun(), (item(7, "May I buy\nyeast, and " + "much " * 20 + "more?", "ada"),), new=True)
    screen = drawn(asked, keys(asked, "a")[0])
    assert "ada asks: May I buy" in screen
    assert "more?\n enter sends it" in screen


def test_what_is_above_can_be_read_while_the_chat_goes_on() -> None:
    long = after(begun(), *(message(number, "ada", f"Line {number}.") for number in range(1, 40)))
    conversation = Conversation(Pen())
    lines, extent = conversation.shown(long, Desk(top=0), 50, 10)
    assert "Line 1." in text(lines)
    assert "69 more lines below" in text(lines)
    assert extent.lines == 78
    longer = after(long, message(40, "bob", "Line 40."))
    assert text(conversation.shown(longer, Desk(top=0), 50, 10)[0][:9]) == text(lines[:9])
    assert "Line 40." in text(conversation.shown(longer, Desk(), 50, 10)[0])


def test_more_members_than_lines_are_counted() -> None:
    crowd = begun(members=tuple(Member(name=f"agent-{number}") for number in range(40)))
    assert "more members" in drawn(crowd)
    assert "rounds" in drawn(crowd)


def test_text_of_others_cannot_act_on_the_terminal() -> None:
    hostile = after(
        begun(task="\x1b]0;title\x07Bake."),
        message(1, "you", "a\x1b[2Jb"),
        selected(2, "ada", "why\x1b[1m"),
        ChatEvent(type="failed", chat=CHAT, sequence=2, speaker="ada", error="\x1b[31mred"),
    )
    hostile = scene.with_inbox(hostile, (item(1, "\x9b31mred", options=("\x1b[0m", "b")),), new=True)
    for desk in (Desk(), keys(hostile, "a")[0]):
        screen = drawn(hostile, desk)
        assert "\x1b" not in screen
        assert "\x9b" not in screen
