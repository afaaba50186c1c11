"""`rostra memory` and `rostra chat rate`: what teachable agents have learned, across runs."""

import json
from pathlib import Path

import pytest

from .conftest import Cli

TEAM = """
[team]
name = "school"
[chat]
selection = "round_robin"
max_rounds = 3
[models.default]
api = "scripted"
script = "script.toml"
[agents.pupil]
kind = "teachable"
state = "sqlite"
[agents.clerk]
kind = "conversable"
human_input = "never"
default_reply = "thank you"
"""
SCRIPT = """
pupil = [
    { tool_calls = [{ name = "remember", arguments = { topic = "invoices", content = "Round to full euros." } }] },
    "I will round invoices.",
]
"""


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "team.toml").write_text(TEAM)
    (tmp_path / "script.toml").write_text(SCRIPT)
    return tmp_path / "team.toml"


@pytest.mark.semantics("S1.33")
def test_what_an_agent_learned_is_listed_shown_exported_and_forgotten(rostra: Cli, team: Path) -> None:
    assert "no agent has learned anything" in rostra("memory", "list").err
    rostra("run", str(team), "Round invoices to full euros.", "--chat", "lesson", code=5)
    listed = json.loads(rostra("memory", "list", "--json").out)
    assert [(one["team"], one["agent"], one["memos"]) for one in listed] == [("school", "pupil", 1)]
    shown = json.loads(rostra("memory", "show", "pupil", "1", "--json").out)
    assert (shown["topic"], shown["content"], shown["source"]) == ("invoices", "Round to full euros.", "chat lesson")
    assert "Round to full euros." in rostra("memory", "list", "pupil", "--team", str(team)).out

    rostra("chat", "rate", "lesson", "2", "-1", "no need to announce it")
    rated = json.loads(rostra("memory", "export", "pupil").out.splitlines()[1])
    assert rated["topic"] == "Round invoices to full euros."
    assert "I will round invoices." in rated["content"]
    assert rated["content"].endswith("because: no need to announce it")

    rostra("memory", "forget", "pupil", "1")
    rostra("memory", "forget", "pupil", "1", code=1)
    rostra("memory", "forget", "pupil", code=2)
    rostra("memory", "forget", "pupil", "--all")
    assert rostra("memory", "export", "pupil").out == ""


def test_only_who_learns_is_rated_and_only_what_was_said(rostra: Cli, team: Path) -> None:
    rostra("run", str(team), "Hello.", "--chat", "lesson", code=5)
    assert "clerk said message 3, and is not teachable" in rostra("chat", "rate", "lesson", "3", "+1", code=1).err
    assert "has no message 9" in rostra("chat", "rate", "lesson", "9", "+1", code=1).err
    assert "+1 or -1" in rostra("chat", "rate", "lesson", "2", "good", code=2).err
    assert "only teachable ones do" in rostra("memory", "show", "clerk", "1", code=1).err
