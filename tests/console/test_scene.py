"""The live view without a terminal: what events make of the scene."""

import msgspec

from rostra.console.following import Listening, Reconnected
from rostra.console.tui import scene
from rostra.console.tui.desk import Do
from rostra.console.tui.scene import Limits
from rostra.protocol import ChatMessage
from rostra.protocol.chat import ChatEvent, Result, Why

from .scenes import BUDGET, CHAT, INFO, NOW, after, begun, control, drawn, item, keys, message, piece, presence, selected, state


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
