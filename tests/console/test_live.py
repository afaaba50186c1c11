"""The live view: what it shows, once each, on whatever kind of output."""

import io
from typing import Any

import pytest

from rostra.console.live import Live
from rostra.console.terminal import Style, columns
from rostra.protocol import ChatMessage, Member, ToolCall, ToolResponse, Usage
from rostra.protocol.chat import ChatEvent, ChatInfo, Delta, Question, Result

CHAT = "c1"


class Screen:
    """A live view whose two outputs are one text, as on a terminal."""

    def __init__(self, *, streaming: bool = False, width: int = 80, **style: Any) -> None:
        self.out = io.StringIO()
        looks = Style(**{"colour": False, "width": width, **style})
        self.live = Live(self.out, self.out, streaming=streaming, style=looks, notes_style=looks)

    @property
    def text(self) -> str:
        return self.out.getvalue()

    def said(self, sequence: int, speaker: str, content: Any = "", **more: Any) -> None:
        message = ChatMessage(sequence=sequence, name=speaker, content=content, **more)
        self.live.show(ChatEvent(type="message", chat=CHAT, sequence=sequence, speaker=speaker, message=message))

    def piece(self, sequence: int, speaker: str, text: str) -> None:
        self.live.delta(Delta(chat=CHAT, sequence=sequence, speaker=speaker, text=text))


def test_a_message_is_shown_with_its_place_and_speaker() -> None:
    screen = Screen()
    screen.live.opening(ChatInfo(chat=CHAT, state="running", task="t", max_rounds=12, members=(Member(name="coder"),)))
    screen.said(2, "coder", "Hello.")
    assert "chat c1 with coder\n" in screen.text
    assert "\n[2/12] coder\n  Hello.\n" in screen.text


def test_streamed_text_is_shown_once() -> None:
    screen = Screen(streaming=True)
    for piece in ("Hel", "lo th", "ere, ", "friend"):
        screen.piece(2, "coder", piece)
    screen.said(2, "coder", "Hello there, friend.")
    assert screen.text == "\n[2] coder\n  Hello there, friend.\n"


def test_pieces_show_before_the_message_is_there() -> None:
    screen = Screen(streaming=True)
    screen.piece(2, "coder", "Hello there, fri")
    assert screen.text == "\n[2] coder\n  Hello there,"


def test_a_message_that_is_not_what_was_streamed_is_shown_as_it_stands() -> None:
    screen = Screen(streaming=True)
    screen.piece(2, "coder", "Hello wor")
    screen.said(2, "coder", "Goodbye.")
    assert screen.text.endswith("the message as it stands:\n  Goodbye.\n")


def test_pieces_that_come_after_their_message_are_ignored() -> None:
    screen = Screen(streaming=True)
    screen.said(2, "coder", "Hello.")
    before = screen.text
    screen.piece(2, "coder", "Hello.")
    assert screen.text == before


def test_the_same_message_twice_is_shown_once() -> None:
    screen = Screen()
    screen.said(1, "user", "Once.")
    screen.said(1, "user", "Once.")
    assert screen.text.count("Once.") == 1


def test_a_piped_view_shows_no_pieces() -> None:
    screen = Screen(streaming=False)
    screen.piece(2, "coder", "Hello")
    assert screen.text == ""


def test_a_note_ends_the_line_that_is_being_written_and_the_text_goes_on() -> None:
    screen = Screen(streaming=True)
    screen.piece(2, "coder", "one two ")
    screen.live.note("critic died", bad=True)
    screen.piece(2, "coder", "three")
    screen.said(2, "coder", "one two three")
    assert screen.text == "\n[2] coder\n  one two\ncritic died\n  three\n"


def test_a_second_attempt_begins_anew() -> None:
    screen = Screen(streaming=True)
    screen.piece(2, "coder", "Hel")
    screen.live.show(ChatEvent(type="failed", chat=CHAT, sequence=2, speaker="coder", error="peer_lost: it died"))
    screen.piece(2, "coder", "Hello")
    screen.said(2, "coder", "Hello")
    assert "coder failed: peer_lost: it died" in screen.text
    assert screen.text.endswith("\n[2] coder\n  Hello\n")


def test_a_choice_is_shown_with_its_reason() -> None:
    screen = Screen()
    screen.live.show(ChatEvent(type="selected", chat=CHAT, sequence=3, speaker="runner", why="the only candidate"))
    assert screen.text == "    ↳ next: runner (the only candidate)\n"


def test_calls_and_answers_are_folded() -> None:
    screen = Screen()
    screen.said(2, "analyst", tool_calls=(ToolCall(id="1", name="query", arguments='{"sql": "SELECT 1", "limit": 5}'),))
    screen.said(3, "analyst", "17", role="tool", tool_responses=(ToolResponse(id="1", name="query", content="17"),))
    rows = "\n".join(f"row {number}" for number in range(30))
    screen.said(4, "analyst", rows, role="tool", tool_responses=(ToolResponse(id="1", name="query", content=rows),))
    assert '  → query(sql="SELECT 1", limit=5)\n' in screen.text
    assert screen.text.count("17") == 1
    assert "  ← query: 17\n" in screen.text
    assert "    row 0\n" in screen.text
    assert "    … 25 more lines\n" in screen.text
    assert "row 29" not in screen.text


def test_a_call_with_broken_arguments_is_shown_as_it_is() -> None:
    screen = Screen()
    screen.said(2, "a", tool_calls=(ToolCall(id="1", name="f", arguments='{"x": '), ToolCall(id="2", name="g", arguments="[1]")))
    assert '→ f({"x": )' in screen.text
    assert "→ g([1])" in screen.text


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("exitcode: 0 (execution succeeded)\nCode output: 42\n", "  ✓ code ran, exit code 0: 42\n"),
        ("exitcode: 0 (execution succeeded)\nCode output: ", "  ✓ code ran, exit code 0\n"),
        ("exitcode: 1 (execution failed)\nCode output: \na\nb\n", "  ✗ code ran, exit code 1:\n    a\n    b\n"),
    ],
)
def test_code_that_ran_is_shown_with_its_exit_code(content: str, shown: str) -> None:
    screen = Screen()
    screen.said(4, "runner", content)
    assert screen.text == "\n[4] runner\n" + shown


def test_the_end_is_shown_with_reason_and_usage() -> None:
    screen = Screen()
    usage = Usage(prompt_tokens=1000, completion_tokens=234, cost=0.0123, estimated=True)
    result = Result(chat=CHAT, outcome="limit", stop_reason="12 messages", messages=12, usage=usage, seconds=7.25)
    screen.live.show(ChatEvent(type="result", chat=CHAT, result=result))
    assert "✗ stopped at a limit: 12 messages\n" in screen.text
    assert "12 messages · about 1234 tokens · $0.0123 · 7.2 s" in screen.text


def test_progress_stands_beside_the_speaker_when_there_is_a_terminal() -> None:
    screen = Screen(streaming=True)
    info = ChatInfo(chat=CHAT, state="running", task="t", max_rounds=12, usage=Usage(prompt_tokens=300, completion_tokens=12))
    screen.live.progress(info, 3.4)
    screen.said(2, "coder", "Hi.")
    line = screen.text.splitlines()[1]
    assert line.startswith("[2/12] coder ")
    assert line.endswith("312 tokens · 3 s")
    assert columns(line) == 79


def test_a_question_is_shown_with_its_options() -> None:
    screen = Screen()
    screen.live.question(4, Question(text="Who is next?", agent="coordinator", options=("coder", "critic")))
    assert "? coordinator asks (question 4):\n    Who is next?\n    1. coder\n    2. critic\n" in screen.text


def test_hostile_text_reaches_the_terminal_nowhere() -> None:
    evil = "x\x1b]0;pwned\x07\x1b[2J\u202e"
    screen = Screen(streaming=True)
    screen.piece(2, evil, evil)
    screen.said(2, evil, evil, tool_calls=(ToolCall(id="1", name=evil, arguments=evil),))
    screen.said(3, evil, evil, tool_responses=(ToolResponse(id="1", name=evil, content=evil),))
    screen.said(4, evil, f"exitcode: 0 (execution succeeded)\nCode output: {evil}")
    screen.said(5, evil, [{"type": "text", "text": evil}, {"type": evil}])
    for kind in ("failed", "skipped", "selected"):
        screen.live.show(ChatEvent(type=kind, chat=CHAT, sequence=6, speaker=evil, why=evil, error=evil))
    screen.live.question(1, Question(text=evil, agent=evil, options=(evil,)))
    result = Result(chat=CHAT, outcome="ended", stop_reason=evil)
    screen.live.show(ChatEvent(type="result", chat=CHAT, result=result))
    assert not {"\x1b", "\x07", "\u202e"} & set(screen.text)
    assert "pwned" not in screen.text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    screen = Screen(width=width)
    long = "word " * 60
    screen.said(2, "coder", long)
    screen.said(3, "analyst", tool_calls=(ToolCall(id="1", name="query", arguments=f'{{"sql": "{long}"}}'),))
    screen.said(4, "analyst", tool_responses=(ToolResponse(id="1", name="query", content=long),))
    screen.live.show(ChatEvent(type="selected", chat=CHAT, sequence=5, speaker="runner", why=long))
    screen.live.show(ChatEvent(type="failed", chat=CHAT, sequence=5, speaker="runner", error=long))
    screen.live.show(ChatEvent(type="result", chat=CHAT, result=Result(chat=CHAT, outcome="failed", stop_reason=long)))
    assert max(columns(line) for line in screen.text.splitlines()) <= width


def test_without_colour_and_unicode_the_view_is_plain_ascii() -> None:
    screen = Screen(unicode=False)
    screen.said(2, "coder", "naïve", tool_calls=(ToolCall(id="1", name="f"),))
    screen.live.show(ChatEvent(type="selected", chat=CHAT, sequence=3, speaker="runner", why="the graph — only one"))
    screen.live.show(ChatEvent(type="result", chat=CHAT, result=Result(chat=CHAT, outcome="ended", stop_reason="done")))
    assert screen.text.isascii()


def test_what_a_speaker_that_died_was_saying_is_shown_again_as_a_whole() -> None:
    screen = Screen(streaming=True)
    screen.piece(2, "coder", "Hello wor")
    screen.live.interrupted("critic")
    screen.piece(2, "coder", "ld, my ")
    screen.live.interrupted("coder")
    screen.piece(2, "coder", "Hello world, my friend")
    screen.said(2, "coder", "Hello world, my friend")
    assert screen.text == "\n[2] coder\n  Hello world, my\n\n[2] coder\n  Hello world, my friend\n"
