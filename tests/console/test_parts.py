"""A team whose processes are started one by one, as compose and systemd do: they find each other, and are found."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .conftest import EXAMPLES, SECONDS, Cli

TEAM = str(EXAMPLES / "compose" / "team.toml")
PARTS = {"gateway": ("gateway",), "coordinator": ("coordinator",)} | {
    name: ("agent", name) for name in ("writer", "counter", "critic")
}


@contextmanager
def running(rostra: Cli, *part: str) -> "Iterator[subprocess.Popen[str]]":
    """One process; at the end it is asked to stop, and does."""
    process = rostra.start(*part, "--team", TEAM)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, err) == (0, "")
    finally:
        process.kill()
        process.communicate()


def holds_a_chat(rostra: Cli, team: str) -> None:
    """The team, as it is called here, holds a chat to its end."""
    events = rostra("chat", "start", team, "Find a slogan.", "--json").lines
    assert (events[-1]["outcome"], events[-1]["messages"]) == ("ended", 13)
    assert rostra("chat", "verify", events[0]["chat"], "--json").json["intact"]


@pytest.fixture(scope="module")
def parts(shared: Cli) -> "Iterator[tuple[Cli, dict[str, subprocess.Popen[str]]]]":
    """The command line beside a team of single processes, which has held a chat."""
    with ExitStack() as stack:
        processes = {"broker": stack.enter_context(running(shared, "broker"))}
        deadline = time.monotonic() + SECONDS
        while shared("doctor", "--team", TEAM, "--only", "broker", code=None).code:
            assert time.monotonic() < deadline, "the broker does not answer"
        processes |= {part: stack.enter_context(running(shared, *command)) for part, command in PARTS.items()}
        holds_a_chat(shared, "slogan")
        yield shared, processes


Parts = tuple[Cli, dict[str, "subprocess.Popen[str]"]]


def test_a_team_that_nobody_launched_is_found_by_its_file_too(parts: Parts) -> None:
    rostra, _ = parts
    holds_a_chat(rostra, TEAM)


def test_a_second_broker_of_the_team_is_refused(parts: Parts) -> None:
    rostra, _ = parts
    assert "slogan runs here already" in rostra("broker", "--team", TEAM, code=1).err
    rostra("doctor", "--team", TEAM, "--only", "broker")


def test_down_stops_nothing_that_it_did_not_start(parts: Parts) -> None:
    rostra, processes = parts
    assert "process by process" in rostra("down", "slogan", code=1).err
    assert all(process.poll() is None for process in processes.values())


@pytest.mark.parametrize("part", list(PARTS))
def test_no_part_carries_the_command_line_along(parts: Parts, part: str) -> None:
    _, processes = parts
    maps = Path(f"/proc/{processes[part].pid}/maps").read_text(encoding="utf-8")
    assert "/msgspec/" in maps
    assert "pydantic_core" not in maps  # typer loads it
