"""A person at a real terminal answers a question of `rostra run`, and interrupts it."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import EXAMPLES, SECONDS, Cli

NO_TMUX = shutil.which("tmux") is None
if NO_TMUX and os.environ.get("CI"):
    raise RuntimeError("tmux is needed here: without it nobody sits at the terminal")
pytestmark = pytest.mark.skipif(NO_TMUX, reason="tmux is not installed, so nobody sits at the terminal")


class Terminal:
    """A terminal of 80 columns and 24 lines, with a person at it."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._socket, self._environment = str(directory / "tmux"), environment

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=SECONDS, check=True).stdout

    def run(self, command: list[str]) -> None:
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", f"{shlex.join(command)}; echo exit code $?; read -r _")

    def types(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def shows(self, text: str, count: int = 1) -> str:
        """Wait until the screen (and what scrolled off it) shows `text` so often."""
        deadline = time.monotonic() + SECONDS
        while (screen := self.tmux("capture-pane", "-p", "-J", "-S", "-500")).count(text) < count:
            assert time.monotonic() < deadline, screen
            time.sleep(0.05)
        return screen


@pytest.fixture
def terminal(rostra: Cli, tmp_path: Path) -> Iterator[Terminal]:
    environment = {key: value for key, value in rostra.environment.items() if key not in ("NO_COLOR", "TMUX")}
    terminal = Terminal(tmp_path, {**environment, "LC_ALL": "C.UTF-8"})
    yield terminal
    terminal.tmux("kill-server")


def test_a_person_answers_the_questions_of_a_run(rostra: Cli, terminal: Terminal) -> None:
    terminal.run(rostra.command("run", str(EXAMPLES / "hello" / "scripted.toml"), "What is a broker?", "--chat", "c-1"))
    terminal.shows("your answer")
    terminal.types("And if nobody is there?", "Enter")
    terminal.shows("your answer", 2)
    terminal.types("exit", "Enter")
    screen = terminal.shows("exit code 0")
    assert "[3/20] you" in screen
    assert "  And if nobody is there?" in screen
    assert screen.count("A message broker takes messages") <= 1
    assert all(len(line) <= 80 for line in terminal.tmux("capture-pane", "-p", "-S", "-500").splitlines())
    messages = [line for line in rostra("chat", "show", "c-1", "--json").lines if line["type"] == "message"]
    assert [message["speaker"] for message in messages[:4]] == ["user", "assistant", "you", "assistant"]
    assert messages[2]["content"] == "And if nobody is there?"


def test_ctrl_c_at_a_question_pauses_the_chat_where_there_is_no_admin_and_ends_the_run(rostra: Cli, terminal: Terminal) -> None:
    terminal.run(rostra.command("run", str(EXAMPLES / "hello" / "scripted.toml"), "What is a broker?"))
    terminal.shows("your answer")
    terminal.types("C-c")
    screen = terminal.shows("exit code 130")
    assert "--resume" in screen


def test_a_question_answered_elsewhere_disappears(rostra: Cli, terminal: Terminal) -> None:
    terminal.run(rostra.command("run", str(EXAMPLES / "hello" / "scripted.toml"), "What is a broker?"))
    terminal.shows("your answer")
    (item,) = rostra("inbox", "--json").json
    rostra("answer", str(item["number"]), "exit")
    screen = terminal.shows("exit code 0")
    assert f"question {item['number']} is answered" in screen
