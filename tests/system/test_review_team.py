"""The main job on a server written by others: a model over HTTP, code that is really run, and every kind of fault."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.agents.models.conftest import FaultyServer

REVIEW = Path(__file__).parents[2] / "examples" / "review"
TASK = "Write a Python function that spells a number from 1 to 3999 in Roman numerals, and test it."
pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.timeout(300)]


def run(server: FaultyServer, home: Path, team: Path = REVIEW / "team.toml") -> tuple[int, list[dict[str, Any]], str]:
    """`rostra run examples/review/team.toml "…"`: its exit code, its JSON Lines, and what it said beside them."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "ROSTRA_HOME": str(home), "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-m", "rostra.console", "run", str(team), TASK, "--json", "--no-input"]
    done = subprocess.run(
        command, env={**environ, "OPENAI_BASE_URL": server.base_url}, capture_output=True, text=True, timeout=280
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_the_review_team_ends_its_task_through_refusals_and_broken_streams(tmp_path: Path) -> None:
    script = tomllib.loads((REVIEW / "script.toml").read_text())
    story = ["The next to speak should be planner, who has to break the task into steps before anything else can be done."]
    story += [script["planner"][0], script["coder"][0], "coder", script["coder"][1], "critic", script["critic"][0]]
    story += ["coder", script["coder"][2], "critic", script["critic"][1]]
    broken = ("truncate", "malformed", "disconnect")
    server = FaultyServer("--stream-chunk-delay-ms", "5", "--tool-mode", "off")
    try:
        server.will(
            {"type": "fail", "status": 429, "retry_after": 0.3, "times": 1},
            {"type": "fail", "status": 503, "times": 1},
            *({"type": "stream_fault", "kind": kind, "after_chunks": 2, "times": 1} for kind in broken),
            *({"type": "reply", "text": story[0], "times": 1} for _ in broken),  # a stream that breaks uses up its text
            *({"type": "reply", "text": text, "times": 1} for text in story),
        )
        code, events, said = run(server, tmp_path)
        assert code == 0, said
        spoken = [event["speaker"] for event in events if event["type"] == "message"]
        assert spoken == ["admin", "planner", "coder", "runner", "coder", "runner", "critic", "coder", "runner", "critic"]
        outputs = [event["content"] for event in events if event["type"] == "message" and event["speaker"] == "runner"]
        assert "AssertionError" in outputs[0]
        assert "9 of 9 right" in outputs[1]
        assert "refused: 4000 is not between 1 and 3999" in outputs[2]
        assert events[-1]["stop_reason"] == "critic said 'TERMINATE'"
        assert server.report() == (0, server.report()[1])
    finally:
        server.stop()


def test_the_review_team_completes_while_three_requests_of_ten_fail(tmp_path: Path) -> None:
    faults = ("--error-rate", "429=0.15", "--error-rate", "503=0.15", "--stream-fault", "truncate=0.05")
    stalls = ("--stream-fault", "stall=0.05", "--stream-stall-seconds", "15", "--stream-chunk-delay-ms", "5")
    team = tmp_path / "team.toml"  # nobody is there to answer for the admin, whom the server's texts may well choose
    text = (REVIEW / "team.toml").read_text().replace('human_input = "always"', 'human_input = "never"')
    team.write_text(text.replace('api = "openai"', 'api = "openai"\nstall = 2.0'))
    server = FaultyServer(*faults, *stalls, "--tool-mode", "off", "--response-style", "varied")
    try:
        code, events, said = run(server, tmp_path, team)
        assert code == 5, said  # the server's texts never end the chat: its sixteen messages do
        result = events[-1]
        assert (result["type"], result["messages"]) == ("result", 16)
        assert [event["seq"] for event in events if event["type"] == "message"] == list(range(1, 17))
        verdict, report = server.report()
        assert verdict == 0, report
    finally:
        server.stop()
