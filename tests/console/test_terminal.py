"""What a terminal may be shown."""

import io

import pytest

from rostra.console.flow import Flow, laid_out
from rostra.console.terminal import Style, clean, colour_wanted, columns, shorten, unfinished

PLAIN = Style(colour=False, width=40)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJmIH4=\x07safe", "safe"),
        ("\x1bPq#0;2;0;0;0\x1b\\after", "after"),
        ("\x9b2Jcleared", "cleared"),
        ("\x9d0;title\x9ctext", "text"),
        ("one\rtwo", "onetwo"),
        ("one\r\ntwo", "one\ntwo"),
        ("a\x08\x08\x7fb", "ab"),
        ("\u202edcba\u202c", "dcba"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\x1b", ""),
        ("\x1b[", ""),
        ("\x1bc reset", " reset"),
        ("tab\tstop", "tab stop"),
        ("naïve — 日本語 👍🏽", "naïve — 日本語 👍🏽"),
    ],
)
def test_text_of_others_cannot_act_on_the_terminal(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


def test_a_control_sequence_that_is_cut_between_two_pieces_is_taken_as_one() -> None:
    hostile = "good \x1b]0;evil title\x07morning \x1b[31;1mred\x1b[0m and\r\n\x1b[2Jmore"
    whole = laid_out(hostile, PLAIN)
    for cut in range(len(hostile)):
        flow = Flow(PLAIN)
        assert flow.feed(hostile[:cut]) + flow.feed(hostile[cut:]) + flow.end() == whole
    assert "\x1b" not in whole
    assert "evil" not in whole


def test_a_text_that_ends_within_no_sequence_is_finished() -> None:
    assert unfinished("plain") == 5
    assert unfinished("a\x1b[3") == 1
    assert unfinished("a\x1b[31m") == 6


def test_a_text_is_broken_between_words_at_the_width_and_indented() -> None:
    text = laid_out("the quick brown fox jumps over the lazy dog, twice in a row", PLAIN)
    assert text == "  the quick brown fox jumps over the\n  lazy dog, twice in a row\n"


def test_lines_and_indentation_of_code_are_kept() -> None:
    code = "def f():\n    return 1\n\n\nprint(f())"
    assert laid_out(code, PLAIN) == "  def f():\n      return 1\n\n\n  print(f())\n"


def test_a_word_that_is_longer_than_a_line_is_cut() -> None:
    lines = laid_out("x" * 100, PLAIN).splitlines()
    assert all(columns(line) < 40 for line in lines)
    assert sum(line.count("x") for line in lines) == 100


def test_a_text_fed_letter_by_letter_is_laid_out_as_a_whole_one() -> None:
    text = "Some words, 日本語も, and  two spaces.\n\n  - a list\n  - of things that are long enough to be broken\n"
    flow = Flow(PLAIN)
    assert "".join(flow.feed(letter) for letter in text) + flow.end() == laid_out(text, PLAIN)
    assert flow.raw == text


def test_an_empty_text_has_no_line() -> None:
    assert laid_out("", PLAIN) == ""


def test_shortening_counts_columns_and_keeps_one_line() -> None:
    assert shorten("a\nb", 10) == "a b"
    assert shorten("a" * 50, 10) == "a" * 9 + "…"
    assert columns(shorten("日本語" * 10, 10)) <= 10


@pytest.mark.parametrize(
    ("environment", "terminal", "wanted"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(environment: dict[str, str], terminal: bool, wanted: bool) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    assert colour_wanted(Stream(), environment) is wanted


def test_a_speaker_keeps_its_colour_and_shares_it_with_nobody() -> None:
    names = ["planner", "coder", "runner", "critic", "admin", "analyst"]
    style, again = Style(colour=True), Style(colour=True)
    shown = [style.speaker(name) for name in names]
    assert [again.speaker(name) for name in names] == shown
    assert [style.speaker(name) for name in names] == shown
    colours = {text.partition("m")[0] for text in shown}
    assert len(colours) == len(names)


def test_without_unicode_only_ascii_is_written() -> None:
    style = Style(colour=False, unicode=False)
    assert style.sign("✓").isascii()
    assert style.text("naïve 日本").isascii()
    assert laid_out("naïve 日本", style).isascii()
