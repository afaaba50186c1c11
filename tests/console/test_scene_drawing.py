"""The live view without a terminal: what is drawn."""

import pytest

from rostra.console.tui import scene
from rostra.console.tui.conversation import Conversation
from rostra.console.tui.desk import Desk
from rostra.console.tui.drawing import Drawing
from rostra.console.tui.lines import Pen, text
from rostra.protocol import Member
from rostra.protocol.chat import ChatEvent

from .scenes import CHAT, NOW, after, begun, drawn, folded, full, item, keys, message, selected


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
