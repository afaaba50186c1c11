"""The live view on a real terminal: opened in tmux beside a running team, directed by its keys, left in every way."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from rostra.console.exporting import Exported
from rostra.console.session import exported
from rostra.protocol.chat import Record

from .conftest import Cli, Write
from .tmux import Tmux

TEAM = """
[team]
name = "crew"
[chat]
selection = "round_robin"
max_rounds = 20
admin = "you"
[budget]
tokens = 5000
[models.default]
api = "scripted"
script = "script.toml"
[agents.ada]
[agents.bob]
[agents.you]
kind = "user_proxy"
human_input = "always"
"""
SCRIPT = """
ada = ["one", { text = "never", delay = 1000 }, { text = "never", delay = 1000 }, { text = "never", delay = 1000 }]
bob = ["two", "four"]
"""


@pytest.fixture(scope="module", autouse=True)
def _tmux() -> None:
    """There is a tmux; else the tests are skipped, but fail in CI."""
    if shutil.which("tmux") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("tmux is not installed (on Debian and Ubuntu: apt install tmux)")


class Crew:
    """A running team, and its chats as they are on disk."""

    def __init__(self, rostra: Cli, path: Path) -> None:
        self.rostra, self.path = rostra, str(path)
        self.begun: list[str] = []

    def view(self, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})) -> Tmux:
        """A terminal with `rostra ARGUMENTS`."""
        own = {key: value for key, value in self.rostra.environment.items() if key != "NO_COLOR"}
        looks = {"LC_ALL": "C.UTF-8", "TERM": "screen", **environment}
        return Tmux(self.rostra.command(*arguments), {**own, **looks})

    def kept(self, chat: str) -> Exported:
        """The chat with every row."""
        return asyncio.run(exported(chat))

    def said(self, chat: str) -> list[tuple[str, str]]:
        """Who has said what."""
        return [(message.name, message.text) for message in self.kept(chat).messages]

    def controls(self, chat: str) -> list[tuple[str, str]]:
        """What was done to the chat, and to whom."""
        return [(row.control.what, row.control.agent) for row in self.kept(chat).records if row.control is not None]

    def turn(self, chat: str, sequence: int) -> Record:
        """The row of a message."""
        return next(row for row in self.kept(chat).records if row.sequence == sequence)

    def start(self, chat: str) -> None:
        """Begin a chat."""
        self.rostra("chat", "start", self.path, "begin", "--members", "ada,bob", "--chat", chat, "--detach")
        self.begun.append(chat)


@pytest.fixture
def crew(crew_up: Crew, monkeypatch: pytest.MonkeyPatch) -> Crew:
    """The running team of the module, also for what this process asks of it."""
    monkeypatch.setenv("ROSTRA_HOME", crew_up.rostra.environment["ROSTRA_HOME"])
    return crew_up


@pytest.fixture(scope="module")
def crew_up(shared: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """A team that runs while the tests of this module do."""
    directory = tmp_path_factory.mktemp("crew")
    (directory / "script.toml").write_text(SCRIPT, encoding="utf-8")
    path = directory / "team.toml"
    path.write_text(TEAM, encoding="utf-8")
    try:
        shared("up", str(path), "--detach")
        yield (crew := Crew(shared, path))
        for chat in crew.begun:  # so that nobody is in the middle of an answer
            shared("chat", "stop", chat)
    finally:
        shared("down")


def test_a_chat_is_paused_spoken_into_directed_and_stopped_from_the_live_view(crew: Crew) -> None:
    crew.start("c-keys")
    with crew.view("chat", "attach", "c-keys", "--tui") as terminal:
        screen = terminal.until("begin", "one", "two", "[3/20] bob", "● ada  has the floor", "next in rotation")
        assert "inbox" not in screen
        assert re.search(r"\x1b\[[0-9;]*\b(3[0-7]|9[0-7])m", terminal.attributes), "where there are colours, they are used"
        assert "/5000" in screen

        terminal.press("P")
        terminal.until("PAUSED", "paused the chat", gone="has the floor")
        assert crew.controls("c-keys") == [("pause", "")]
        assert crew.kept("c-keys").chat.state == "paused"

        terminal.press("s")
        terminal.until("say>")
        terminal.type("rather so, ñandú")
        terminal.press("Enter")
        terminal.until("[4/20] user", "  rather so, ñandú", gone="say>")
        assert crew.said("c-keys")[3:] == [("user", "rather so, ñandú")]

        terminal.press("n")
        terminal.until("who speaks next?", "> 1 ada", "  2 bob")
        terminal.press("2")
        terminal.until("bob  is next", "then bob", gone="who speaks next?")
        assert crew.controls("c-keys") == [("pause", ""), ("next", "bob")]
        terminal.press("p")
        terminal.until("[5/20] bob", "four", "● ada  has the floor")
        assert crew.said("c-keys")[4:] == [("bob", "four")]
        assert crew.turn("c-keys", 5).why is not None

        terminal.press("x")
        terminal.until("stop the chat?")
        terminal.press("1")
        terminal.until("ENDED", "stopped by an operator", gone="stop the chat?")
        kept = crew.kept("c-keys")
        assert kept.chat.result is not None
        assert (kept.chat.result.outcome, kept.chat.result.stop_reason) == ("stopped", "stopped by an operator")
        assert crew.controls("c-keys") == [("pause", ""), ("next", "bob"), ("resume", ""), ("stop", "")]

        terminal.press("q")
        terminal.until("✓ stopped: stopped by an operator", "left with 0, terminal kept")
        assert not terminal.alternate
    assert crew.rostra("chat", "verify", "c-keys", "--json").json["intact"] is True


def test_the_live_view_needs_neither_colours_nor_unicode_nor_a_large_screen(crew: Crew) -> None:
    plain = {"NO_COLOR": "1", "TERM": "vt100", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    crew.begun.append("c-plain")
    with crew.view("chat", "start", crew.path, "begin", "--chat", "c-plain", "--tui", environment=plain) as terminal:
        screen = terminal.until("inbox 1", "? you  asks", "two")
        assert screen.isascii()
        assert len(screen.splitlines()) <= 24
        terminal.press("a")
        terminal.until("you asks: ", "answer 1>")
        terminal.press("Escape")
        terminal.until("p pause", gone="answer 1>")
        terminal.press("a")
        terminal.until("answer 1>")
        terminal.type("I agree")
        terminal.press("Enter")
        screen = terminal.until("[4/20] you", "  I agree", "* ada  has the floor", gone="inbox 1")
        assert screen.isascii()
        assert crew.said("c-plain")[3] == ("you", "I agree")
        assert_no_colour(terminal.attributes)

        terminal.resize(40, 10)
        screen = terminal.until("now: ada", "[4/20] you", gone="|")
        assert max(map(len, screen.splitlines())) <= 40
        terminal.resize(100, 30)
        terminal.until("|", "* ada  has the floor")
        assert_no_colour(terminal.attributes)

        terminal.press("C-c")
        terminal.until("left with 130, terminal kept")
        assert not terminal.alternate
    assert crew.kept("c-plain").chat.state == "running"


def test_a_signal_ends_the_live_view_and_leaves_the_terminal_clean(crew: Crew) -> None:
    crew.start("c-signals")
    for number in (signal.SIGTERM, signal.SIGINT):
        with crew.view("chat", "attach", "c-signals", "--tui") as terminal:
            terminal.until("two", "has the floor")
            os.kill(terminal.pid, number)
            terminal.until(f"left with {128 + number}, terminal kept")
            assert not terminal.alternate


def test_a_run_is_shown_in_the_live_view_and_pauses_when_that_is_left(rostra: Cli, team_file: Write) -> None:
    path = str(team_file(TEAM, script__toml=SCRIPT))
    words = ("run", path, "begin", "--members", "ada,bob", "--chat", "c-run", "--tui")
    with Tmux(rostra.command(*words), {**rostra.environment, "LC_ALL": "C.UTF-8", "TERM": "screen"}) as terminal:
        terminal.until("two", "has the floor")
        terminal.press("q")
        terminal.until("--resume c-run", "left with 130, terminal kept")
        assert not terminal.alternate
    (kept,) = rostra("chat", "list", "--json").json
    assert (kept["chat"], kept["state"], kept["messages"]) == ("c-run", "paused", 3)


def assert_no_colour(attributes: str) -> None:
    """Of all attributes on a screen none is a colour."""
    for codes in re.findall(r"\x1b\[([0-9;]*)m", attributes):
        assert set(codes.split(";")) <= {"", "0", "1", "2", "4", "5", "7", "39", "49"}, codes  # 39 and 49: as the terminal has it


@pytest.mark.parametrize("words", [("chat", "attach", "c-1"), ("chat", "start", "crew", "begin"), ("run", "team.toml", "begin")])
def test_without_a_terminal_the_live_view_is_refused(rostra: Cli, words: tuple[str, ...]) -> None:
    assert rostra(*words, "--tui", code=2).err == "rostra: --tui needs a terminal, for stdin and stdout\n"
    assert "goes with none of" in rostra(*words, "--tui", "--json", code=2).err


def test_without_the_extra_the_live_view_says_what_is_missing(rostra: Cli, tmp_path: Path) -> None:
    code = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'prompt_toolkit' else found(name, *rest)\n"
        "from rostra.console.main import main\n"
        "main()\n"
    )
    (tmp_path / "absent.py").write_text(code, encoding="utf-8")
    command = [rostra.command()[0], str(tmp_path / "absent.py"), "chat", "attach", "c-1", "--tui"]
    environment = {**rostra.environment, "TERM": "screen", "COLUMNS": "200"}
    with Tmux(command, environment, columns=200) as terminal:
        terminal.until("the extra `tui`, which is not installed: pip install 'rostra[tui]'", "left with 3")


def test_other_commands_do_not_load_the_library_of_the_live_view(rostra: Cli) -> None:
    code = "import sys, rostra.console.commands.chat, rostra.console.session; sys.exit('prompt_toolkit' in sys.modules)"
    subprocess.run([rostra.command()[0], "-c", code], check=True)
