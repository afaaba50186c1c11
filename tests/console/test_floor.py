"""The floor of a chat from terminals: Ctrl-C in the one that runs it, commands in a second one, and its past."""

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import EXAMPLES, SECONDS, Cli, Write

TEAM = """
[team]
name = "crew"
[chat]
selection = "round_robin"
max_rounds = 9
stop = 'text("DONE")'
admin = "you"
[models.default]
api = "scripted"
script = "script.toml"
[agents.ada]
[agents.bob]
[agents.you]
kind = "user_proxy"
human_input = "always"
"""
SLOW = 'ada = [{ text = "never", delay = 100 }]\nbob = ["two"]\n'


class Terminal:
    """A command at a terminal of its own; its stdout is a pipe."""

    def __init__(self, rostra: Cli, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            rostra.command(*arguments), env=rostra.environment, stdin=slave, stdout=subprocess.PIPE, stderr=slave, text=True
        )
        os.close(slave)
        self.shown = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self.master, 4096)
            except OSError:
                piece = b""
            with self._changed:
                self.shown += piece.decode(errors="replace")
                self._changed.notify_all()
            if not piece:
                return

    def until(self, text: str, count: int = 1) -> None:
        """Wait until `text` was shown `count` times."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.shown.count(text) >= count, SECONDS), self.shown

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self.master, line.encode() + b"\n")

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, list[dict[str, Any]]]:
        """Wait for its end; returns the exit code and the JSON Lines of its stdout."""
        out, _ = self.process.communicate(timeout=SECONDS)
        self._reader.join(SECONDS)
        os.close(self.master)
        return self.process.returncode, [json.loads(line) for line in out.splitlines()]


def test_ctrl_c_asks_the_admin_who_says_something_or_passes_the_floor_on(rostra: Cli, team_file: Write) -> None:
    path = str(team_file(TEAM, script__toml=SLOW))
    terminal = Terminal(rostra, "run", path, "begin", "--chat", "c-1", "--json")
    terminal.until("processes are ready")
    wait_for(lambda: any("ada" in event["speaker"] for event in rostra("chat", "list", "--json").json))
    began = time.monotonic()
    terminal.interrupt()
    terminal.until("you has the floor")
    terminal.until("your answer")
    assert time.monotonic() - began < SECONDS
    terminal.type("/nonsense")
    terminal.until("is no command")
    terminal.until("your answer", 2)
    terminal.type("/next bob")  # who says two; then it is the admin's turn again
    terminal.until("your answer", 3)
    terminal.type("thank you")
    wait_for(lambda: (found := rostra("chat", "list", "--json").json[0])["messages"] == 3 and found["speaker"] == "ada")
    terminal.interrupt()  # the admin has had its turn: this one takes the floor again
    terminal.until("your answer", 4)
    terminal.type("/stop enough")
    code, lines = terminal.end()
    assert code == 0, terminal.shown
    said = [(line["speaker"], line["content"]) for line in lines if line["type"] == "message"]
    assert said == [("you", "begin"), ("bob", "two"), ("you", "thank you")]
    assert lines[-1]["stop_reason"] == "enough"
    controls = [(line["what"], line["agent"]) for line in lines if line["type"] == "control"]
    assert controls == [
        ("takeover", "you"),
        ("next", "bob"),
        ("answer", "you"),
        ("takeover", "you"),
        ("stop", ""),
    ]
    assert rostra("chat", "verify", "c-1", "--json").json["intact"] is True


def test_a_second_ctrl_c_ends_the_chat(rostra: Cli, team_file: Write) -> None:
    path = str(team_file(TEAM, script__toml=SLOW))
    terminal = Terminal(rostra, "run", path, "begin", "--chat", "c-1", "--json")
    terminal.until("processes are ready")
    wait_for(lambda: any("ada" in event["speaker"] for event in rostra("chat", "list", "--json").json))
    terminal.interrupt()
    terminal.until("your answer")
    terminal.interrupt()
    code, lines = terminal.end()
    assert code == 130, terminal.shown
    assert (lines[-1]["type"], lines[-1]["outcome"]) == ("result", "stopped")


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for what only a command can tell."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end


# ---- a second terminal

PLAIN = 'ada = ["one", "three", "five", "seven", "nine"]\nbob = ["two", "four", "six", "eight"]\n'


@pytest.fixture(scope="module")
def team(shared: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cli, str]]:
    """The command line beside a running team of two."""
    directory = tmp_path_factory.mktemp("crew")
    (directory / "script.toml").write_text(PLAIN, encoding="utf-8")
    path = directory / "team.toml"
    path.write_text(TEAM.partition("[agents.you]")[0].replace('admin = "you"\n', ""), encoding="utf-8")
    try:
        shared("up", str(path), "--detach")
        yield shared, str(path)
    finally:
        shared("down")


@pytest.mark.parametrize(
    ("typed", "told"), [("1", "1.4.1 is on staging now."), ("no, it is Friday", "did not approve it: no, it is Friday")]
)
def test_a_call_is_approved_or_denied_at_the_terminal_of_the_run(rostra: Cli, tmp_path: Path, typed: str, told: str) -> None:
    terminal = Terminal(rostra, "run", str(EXAMPLES / "approval" / "scripted.toml"), "Release!", "--chat", "c-1", "--json")
    terminal.until("your answer")
    terminal.type(typed)
    code, lines = terminal.end()
    assert code == 0, terminal.shown
    (said,) = [line for line in rostra("chat", "show", "c-1", "--json").lines if line.get("speaker") == "manager"]
    exported = rostra("chat", "export", "c-1", "-f", "json").json
    (message,) = [one["message"] for one in exported["records"] if one.get("message", {}).get("name") == "manager"]
    assert message["content"] == said["content"]
    assert told in json.dumps(message["metadata"]["tool_log"])
    (question,) = [line for line in lines if line["type"] == "question"]
    assert (question["kind"], question["form"], question["text"]) == (
        "tool",
        "approval",
        "manager wants to call release. Approve?",
    )
    (answered,) = [line for line in lines if line["type"] == "control"]
    assert answered["what"] == "answer"
    assert answered["item"]["question"]["detail"].startswith("release({")
    assert "answered manager" in rostra("chat", "export", "c-1", "-f", "md").out


def held(team: tuple[Cli, str], chat: str) -> Cli:
    """A chat of nine messages that has ended."""
    rostra, path = team
    rostra("chat", "start", path, "begin", "--chat", chat, "--json", code=5)
    return rostra


def test_a_chat_is_rewound_paused_stepped_and_resumed(team: tuple[Cli, str]) -> None:
    rostra = held(team, "c-floor")
    assert rostra("chat", "rewind", "c-floor", "--to", "3", "--pause").err == "c-floor is paused after message 3\n"
    assert rostra("chat", "say", "c-floor", "rather so").err == "message 4\n"
    state = rostra("chat", "limit", "c-floor", "7", "--json").json
    assert (state["state"], state["messages"], state["max_rounds"]) == ("paused", 4, 7)
    assert rostra("chat", "mute", "c-floor", "bob", "--json").json["muted"] == ["bob"]
    rostra("chat", "clear", "c-floor", "ada", "--last", "1")
    assert "no member of the chat" in rostra("chat", "clear", "c-floor", "nobody", code=1).err
    assert "no turn to skip" in rostra("chat", "skip", "c-floor", "ada", code=1).err
    assert "no member of the chat" in rostra("chat", "mute", "c-floor", "nobody", code=1).err
    assert "paused already" in rostra("chat", "pause", "c-floor", code=1).err
    assert "muted" in rostra("chat", "next", "c-floor", "bob", code=1).err
    rostra("chat", "unmute", "c-floor", "bob")
    rostra("chat", "next", "c-floor", "bob", "--reason", "its turn")
    rostra("chat", "resume", "c-floor")
    lines = rostra("chat", "tail", "c-floor", "-n", "4", "--json", code=5).lines
    speakers = [line["speaker"] for line in lines if line["type"] == "message"]
    assert speakers == ["user", "bob", "ada", "bob"]
    assert "its turn" in rostra("chat", "why", "c-floor", "5").out
    assert rostra("chat", "verify", "c-floor", "--json").json["intact"] is True
    assert "has ended" in rostra("chat", "step", "c-floor", code=1).err


def test_a_fork_is_compared_found_and_replayed(team: tuple[Cli, str], tmp_path: Path) -> None:
    rostra = held(team, "c-one")
    assert rostra("chat", "fork", "c-one", "--at", "4", "--chat", "c-two", "--say", "something else").out == "c-two\n"
    lines = rostra("chat", "tail", "c-two", "-n", "9", "--json", code=5).lines
    assert [line["content"] for line in lines if line["type"] == "message"][:5] == [
        "begin",
        "one",
        "two",
        "three",
        "something else",
    ]
    difference = rostra("chat", "diff", "c-one", "c-two", "--json", code=1).json
    assert (difference["common"], len(difference["one"]), len(difference["other"])) == (4, 5, 5)
    assert "the first 4 messages are the same" in rostra("chat", "diff", "c-one", "c-two", code=1).out
    assert "the same 9 messages" in rostra("chat", "diff", "c-one", "c-one").out
    (hit,) = rostra("chat", "search", "something else", "--speaker", "user", "--json").json
    assert (hit["chat"], hit["sequence"]) == ("c-two", 5)
    assert "nothing is found" in rostra("chat", "search", "nowhere", code=1).err
    for chat, format_ in (("c-one", "json"), ("c-two", "jsonl")):
        file = tmp_path / f"{chat}.{format_}"
        rostra("chat", "export", chat, "-f", format_, "-o", str(file))
        assert "9 messages come out as they were written" in rostra("replay", str(file), "--check").err


@pytest.mark.parametrize("format_", ["json", "jsonl"])
def test_a_replay_fails_when_one_byte_of_a_message_is_changed(team: tuple[Cli, str], tmp_path: Path, format_: str) -> None:
    rostra = held(team, f"c-{format_}")
    file = tmp_path / "chat"
    rostra("chat", "export", f"c-{format_}", "-f", format_, "-o", str(file))
    text = file.read_text(encoding="utf-8")
    for word in ("begin", "three"):
        first, last = text.index(f'"{word}"'), text.rindex(f'"{word}"')
        for place in {first, last}:
            file.write_text(text[: place + 1] + "X" + text[place + 2 :], encoding="utf-8")
            done = rostra("replay", str(file), "--check", "--json", code=1)
            assert done.json["intact"] is False
            assert done.json["problems"]
    file.write_text("no chat", encoding="utf-8")
    assert "holds no chat" in rostra("replay", str(file), "--check", code=1).err
