"""Tools that a team file describes, in real processes: offered by one agent, run by another."""

import json
import sqlite3
from pathlib import Path

import pytest

from rostra.team import Team
from rostra.team.file import TeamFile
from rostra.team.places import Places

TEAM = """
[team]
name = "library"
[chat]
selection = "round_robin"
max_rounds = 6
stop = 'text("TERMINATE")'
[models.default]
api = "scripted"
script = "script.toml"
[tools.library]
use = "sql"
database = "library.db"
[tools.shelf]
use = "files"
root = "shelf"
[agents.librarian]
tools = ["library", "shelf"]
[agents.clerk]
kind = "conversable"
human_input = "never"
executes = ["library"]
"""
SCRIPT = """
librarian = [
    { tool_calls = [{ name = "shelf", arguments = { action = "read", path = "../library.db" } }] },
    { tool_calls = [{ name = "library", arguments = { sql = "SELECT count(*) AS books FROM book" } }] },
    "There are two. TERMINATE",
]
"""


@pytest.mark.timeout(90)
@pytest.mark.semantics("S1.22")
async def test_tools_of_a_team_file_are_offered_by_one_agent_and_run_by_another_with_a_trace(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text(TEAM)
    (tmp_path / "script.toml").write_text(SCRIPT)
    (tmp_path / "shelf").mkdir()
    db = sqlite3.connect(tmp_path / "library.db")
    db.executescript("CREATE TABLE book (title); INSERT INTO book VALUES ('Emma'), ('Ulysses');")
    db.close()
    file = TeamFile.load(tmp_path / "team.toml")
    assert {member.name: member.tools for member in file.members()} == {"librarian": ("shelf",), "clerk": ("library",)}
    places = Places.here({"ROSTRA_HOME": str(tmp_path / "home")})
    async with Team.load(tmp_path / "team.toml", places=places) as team:
        result = await team.run("How many books are there?")
    assert [(said.name, said.text) for said in result.messages] == [
        ("user", "How many books are there?"),
        ("librarian", ""),
        ("clerk", '{"columns":["books"],"rows":[[2]]}'),
        ("librarian", "There are two. TERMINATE"),
    ]
    log = result.messages[1].metadata["tool_log"]
    assert "leads out of the directory" in log[0]["responses"][0]["content"]
    traces = [
        json.loads(line.partition("rostra.audit: ")[2])
        for path in (tmp_path / "home").rglob("*.log")
        for line in path.read_text().splitlines()
        if "rostra.audit: " in line
    ]
    assert {(trace["agent"], trace["tool"]) for trace in traces} == {("librarian", "shelf"), ("clerk", "library")}
