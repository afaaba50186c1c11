"""A team on TCP: who has no key is not let in; and letters wait on the broker's disk for those who are away."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import free_port

from .conftest import Cli

HANDLERS = """
from pathlib import Path


def note(message, context):
    if message.content == "poison":
        raise ValueError("inedible")
    with (Path(__file__).parent / "notes").open("a") as notes:
        notes.write(f"{message.name.partition('-')[0]}: {message.content}\\n")
"""
TEAM = """
[team]
name = "post"
broker = "tcp://127.0.0.1:{port}"
[chat]
selection = "round_robin"
[agents.ada]
kind = "handler"
handler = "handlers:note"
[agents.ben]
kind = "handler"
handler = "handlers:note"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the team file is."""
    folder = tmp_path_factory.mktemp("post")
    (folder / "team.toml").write_text(TEAM.format(port=free_port()))
    (folder / "handlers.py").write_text(HANDLERS)
    return folder


@pytest.fixture(scope="module")
def team(shared: Cli, folder: Path) -> Iterator[Cli]:
    """The command line beside the running team."""
    try:
        shared("up", str(folder / "team.toml"), "--detach")
        yield shared
    finally:
        shared("down")


def until_there_are(folder: Path, lines: int) -> list[str]:
    """The notes, once there are so many."""
    notes, give_up = folder / "notes", time.monotonic() + 30
    while not notes.exists() or len(notes.read_text().splitlines()) < lines:
        assert time.monotonic() < give_up
        time.sleep(0.02)
    return notes.read_text().splitlines()


def test_every_process_of_a_team_on_tcp_has_a_key_of_its_own(team: Cli) -> None:
    names = [one["name"] for one in team("keys", "list", "--team", "post", "--json").json]
    assert names == ["ada", "ben", "console", "coordinator", "models"]


def test_who_has_no_key_is_not_let_in(team: Cli, folder: Path, tmp_path: Path) -> None:
    strangers = tmp_path / "strangers"
    team("keys", "init", ROSTRA_KEYS=str(strangers))
    done = team("ps", "--team", str(folder / "team.toml"), code=4, ROSTRA_KEYS=str(strangers))
    assert "does not answer" in done.err


def test_a_letter_is_delivered_in_order_and_one_that_cannot_be_handled_is_put_aside(team: Cli, folder: Path) -> None:
    for text in ("one", "poison", "two"):
        assert team("tell", "ada", text, "--json").json == {"to": "ada", "stored": True}
    assert until_there_are(folder, 2) == ["console: one", "console: two"]
    (box,) = [one for one in team("mail", "list", "--json").json if one["recipient"] == "ada"]
    assert (box["letters"], box["dead"]) == (0, 1)
    (dead,) = team("mail", "show", "ada", "--dead", "--json").json
    assert (dead["text"], dead["attempts"], dead["reason"]) == ("poison", 5, "ValueError: inedible")
    assert team("mail", "requeue", "ada").out == "1 put back\n"
    assert "no such dead letter" in team("mail", "requeue", "ada", code=1).err


def test_a_letter_waits_for_who_is_not_there_yet(team: Cli) -> None:
    team("tell", "later", "hello")
    assert "hello" in team("mail", "show", "later").out


def test_a_revoked_name_is_out_until_it_has_a_new_key(team: Cli) -> None:
    def state() -> str:
        return str(next(one["state"] for one in team("ps", "--json").json if one["name"] == "ben"))

    assert team("keys", "revoke", "ben", "--team", "post").out == "ben is let in no more\n"
    give_up = time.monotonic() + 30
    while not state().startswith("given up"):
        assert time.monotonic() < give_up
    team("keys", "add", "ben", "--team", "post")
    team("restart", "post", "ben")
    assert state() == "ready"
