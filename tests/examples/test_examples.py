"""Every example runs, and says what it should."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.console.conftest import EXAMPLES, SECONDS, Cli

from rostra.agents.code.sandbox import SandboxUnavailable, probe

pytestmark = pytest.mark.timeout(180)


def spoken(lines: list[Any]) -> list[tuple[str, str]]:
    return [(line["speaker"], line["content"]) for line in lines if line["type"] == "message"]


TEAMS = [
    EXAMPLES / name / "team.toml" for name in ("hello", "function", "review", "data", "mcp", "society", "magentic", "approval")
]
TEAMS += [EXAMPLES / name / "scripted.toml" for name in ("hello", "review", "data", "mcp", "society", "magentic", "approval")]


@pytest.mark.parametrize("path", TEAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_team_files_are_valid_and_begin_with_how_to_run_them(rostra: Cli, path: Path) -> None:
    rostra("validate", str(path))
    head = path.read_text(encoding="utf-8").partition("[team]")[0]
    assert f"rostra run examples/{path.parent.name}/{path.name} " in head


def test_scripted_variants_differ_from_their_teams_in_the_model_only() -> None:
    for example in ("hello", "review", "data", "mcp", "society", "magentic", "approval"):
        team, scripted = ((EXAMPLES / example / name).read_text(encoding="utf-8") for name in ("team.toml", "scripted.toml"))
        ours, theirs = (text[text.index("[team]") :].splitlines() for text in (team, scripted))
        differing = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
        assert differing == [
            ('api = "openai"', 'api = "scripted"'),
            ('model = "gpt-5-mini"', 'script = "script.toml"'),
        ]


def test_hello_asks_the_person(rostra: Cli) -> None:
    lines = rostra("run", str(EXAMPLES / "hello" / "scripted.toml"), "What is a broker?", "--json", code=6).lines
    assert [speaker for speaker, _ in spoken(lines)] == ["user", "assistant"]
    assert lines[-1]["outcome"] == "waits"


@pytest.mark.semantics("S2.16")
def test_what_a_panel_comes_to_is_one_turn_outside(rostra: Cli) -> None:
    lines = rostra("run", str(EXAMPLES / "society" / "scripted.toml"), "Shall we ship on Friday?", "--json").lines
    assert spoken(lines)[1:] == [
        ("panel", "It is ready, but should not go out before a weekend."),
        ("chief", "Then we ship on Monday. DECIDED"),
    ]


def test_a_planner_notices_that_nothing_moves_and_plans_anew(rostra: Cli) -> None:
    lines = rostra("run", str(EXAMPLES / "magentic" / "scripted.toml"), "Double a number.", "--json").lines
    said = spoken(lines)
    workers = [name for name, _ in said[2::2]]
    assert ([name for name, _ in said[1::2]], workers) == (["planner"] * 6, ["coder", "tester", "coder", "coder", "tester"])
    assert said[7][1].startswith("2 steps brought nothing. It takes text, too. 1. coder checks the type first.")
    assert said[-1] == ("planner", "def double(x: float) -> float: return 2 * float(x)")
    assert lines[-1]["outcome"] == "ended"


def test_functions_are_agents(rostra: Cli) -> None:
    task = "the quick brown fox jumps over the lazy dog"
    lines = rostra("run", str(EXAMPLES / "function" / "team.toml"), task, "--json", code=5).lines
    assert spoken(lines) == [("user", task), ("counter", "9 words"), ("longest", "the longest is 'quick'")]


async def test_review_runs_the_code_and_mends_it(rostra: Cli) -> None:
    try:
        await probe()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    lines = rostra("run", str(EXAMPLES / "review" / "scripted.toml"), "Roman numerals, please.", "--json").lines
    said = spoken(lines)
    assert [speaker for speaker, _ in said] == [
        "admin", "planner", "coder", "runner", "coder", "runner", "critic", "coder", "runner", "critic",
    ]  # fmt: skip
    runs = [content for speaker, content in said if speaker == "runner"]
    assert runs[0].startswith("exitcode: 1 (execution failed)")
    assert "1 of 9 right" in runs[0]
    assert "9 of 9 right" in runs[1]
    assert "refused: 4000 is not between 1 and 3999" in runs[2]
    assert runs[2].startswith("exitcode: 0 (execution succeeded)")


def test_data_queries_a_real_database(rostra: Cli, tmp_path: Path) -> None:
    here = Path(shutil.copytree(EXAMPLES / "data", tmp_path / "data"))
    subprocess.run([sys.executable, str(here / "make_data.py")], check=True, capture_output=True, timeout=SECONDS)
    recording = tmp_path / "recording.jsonl"
    lines = rostra("run", str(here / "scripted.toml"), "Who owes most?", "--json", "--record", str(recording)).lines
    assert [speaker for speaker, _ in spoken(lines)] == ["user", "librarian", "auditor"]
    asked = recording.read_text(encoding="utf-8")
    assert "Late fees" in asked  # the note, as the model was told it
    assert "Blaise | 140 | 21" in asked  # the row, as the database gave it


def test_mcp_asks_a_real_server_and_reaches_what_is_granted_only(rostra: Cli, tmp_path: Path) -> None:
    recording, team = str(tmp_path / "recording.jsonl"), str(EXAMPLES / "mcp" / "scripted.toml")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # python3 is this one, which has the SDK
    rostra("run", team, "How much does the water rise?", "--record", recording, PATH=programs)
    asked = Path(recording).read_text(encoding="utf-8")
    assert "The range of the tide at a port, in metres." in asked
    assert "Error: Function tides_forget not found." in asked
    assert '"content":"11.2 m"' in asked  # the answer of the server alone


def test_data_tools_cannot_leave_their_place(tmp_path: Path) -> None:
    here = Path(shutil.copytree(EXAMPLES / "data", tmp_path / "data"))
    subprocess.run([sys.executable, str(here / "make_data.py")], check=True, capture_output=True, timeout=SECONDS)
    program = (
        "import sqlite3, tools\n"
        "for call in (lambda: tools.read_note('../tools.py'), lambda: tools.query('DELETE FROM loans')):\n"
        "    try: print('allowed', call())\n"
        "    except (ValueError, sqlite3.OperationalError) as error: print('refused', error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stdout.count("refused") == 2


def test_bus_asks_answers_and_publishes(rostra: Cli, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/bus/broker"
    python = [sys.executable]
    broker = rostra.start("broker", "--bind", address)
    answerer = subprocess.Popen([*python, str(EXAMPLES / "bus" / "answerer.py"), address], env=rostra.environment)
    try:
        asker = [*python, str(EXAMPLES / "bus" / "asker.py"), address]
        done = subprocess.run(asker, env=rostra.environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        for process in (answerer, broker):
            process.terminate()
            process.wait(SECONDS)
        broker.communicate()
    assert "'one two three': 3 words" in done.stdout
    assert "published on counted.words by answerer: {'for': 'asker', 'text': 'one two three'}" in done.stdout
    assert "'to be or not to be': 6 words" in done.stdout
    assert broker.returncode == 0


class Completions(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that plays a script by who is asked; it streams when it is told to."""

    replies: list[str]
    seen: list[Any]

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers["Authorization"], wanted))
        text = self.replies.pop(0)
        base = {"id": "c", "created": 0, "model": wanted["model"]}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        if wanted.get("stream"):
            pieces: list[Any] = [{"delta": {"role": "assistant", "content": text}, "index": 0, "finish_reason": None}]
            pieces.append({"delta": {}, "index": 0, "finish_reason": "stop"})
            chunks: list[Any] = [{**base, "object": "chat.completion.chunk", "choices": [piece]} for piece in pieces]
            chunks.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
            kind = "text/event-stream"
        else:
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            body = json.dumps({**base, "object": "chat.completion", "choices": [choice], "usage": usage})
            kind = "application/json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[tuple[str, type[Completions]]]:
    handler = type("Played", (Completions,), {"replies": [], "seen": []})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}/v1", handler
    httpd.shutdown()
    httpd.server_close()
    thread.join(10)


def test_an_openai_compatible_server_is_enough(rostra: Cli, server: tuple[str, type[Completions]]) -> None:
    url, handler = server
    handler.replies[:] = ["planner", "1. Do it.", "It is all done. There is nothing to run.", "critic", "Fine. TERMINATE"]
    done = rostra(
        "run", str(EXAMPLES / "review" / "team.toml"), "Do it.", "--json", "--no-input",
        OPENAI_BASE_URL=url, OPENAI_API_KEY="sk-of-this-test", code=None,
    )  # fmt: skip
    said = spoken(done.lines)
    assert said[:3] == [
        ("admin", "Do it."),
        ("planner", "1. Do it."),
        ("coder", "It is all done. There is nothing to run."),
    ]
    assert {key for key, _ in handler.seen} == {"Bearer sk-of-this-test"}
    assert {wanted["model"] for _, wanted in handler.seen} == {"gpt-5-mini"}
    assert "sk-of-this-test" not in done.out + done.err
    assert done.lines[-1]["usage"]["prompt_tokens"] >= 20
