"""The demo: what it says is true, and what it prints can be typed."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rostra.agents.code.sandbox import SandboxUnavailable, probe
from rostra.console.terminal import columns

from .conftest import ROOT, SECONDS, Cli

pytestmark = pytest.mark.timeout(240)
DEMO = ROOT / "console" / "rostra" / "console" / "demo"


async def sandboxed() -> bool:
    try:
        await probe()
    except SandboxUnavailable:
        return False
    return True


def script(name: str) -> dict[str, Any]:
    return tomllib.loads((DEMO / name).read_text(encoding="utf-8"))


def bakery() -> Any:
    spec = importlib.util.spec_from_file_location("bakery_of_the_demo", DEMO / "bakery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figures_in_the_script_are_those_of_the_data() -> None:
    tools = bakery()
    for name in ("script.toml", "without_sandbox_script.toml"):
        played = script(name)
        table = tools.query(played["analyst"][0]["tool_calls"][0]["arguments"]["sql"])
        assert "08 | 94 | 77.0" in table
        assert max(int(row.split(" | ")[1]) for row in table.splitlines()[1:]) == 94
        verdict = played["critic"][0]["text"]
        assert f"= {94 * 77 / 3600:.2f} tills" in verdict
        waits = {tills: tools.mean_wait(94, 77, tills) for tills in (2, 3, 4)}
        assert waits == {2: "2 tills: the queue grows without end", 3: "3 tills: 35 s", 4: "4 tills: 7 s"}
        assert "a customer waits 35 s on average; a fourth would save 28 s more" in verdict
        assert 0.45 < 94 * 77 / 3600 / 4 < 0.55  # "idle half the time"


def test_the_programs_in_the_script_do_what_is_said_of_them() -> None:
    first, second = (re.findall(r"```python\n(.*?)```", reply["text"], re.DOTALL)[0] for reply in script("script.toml")["coder"])
    failed = subprocess.run([sys.executable, "-c", first], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert failed.returncode == 1
    assert "for 2 tills cannot be" in failed.stderr
    done = subprocess.run([sys.executable, "-c", second], capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stdout == "2 tills: the queue grows without end\n3 tills: 35 s\n4 tills: 7 s\n"
    assert all(columns(line) <= 76 for line in (first + second).splitlines())


def tried(rostra: Cli, shown: str, where: Path) -> None:
    """Type every command that the demo proposes, except the demo itself."""
    commands = [line.strip() for line in shown.partition("what to try next")[2].splitlines() if line.startswith("  rostra ")]
    assert len(commands) >= 5
    for line in commands:
        words = shlex.split(re.split(r"\s{2,}", line)[0])
        if words[:2] == ["rostra", "demo"]:
            continue
        done = subprocess.run(
            rostra.command(*words[1:]),
            cwd=where,
            env=rostra.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)


async def test_the_demo_shows_a_team_at_work_and_its_proposals_work(rostra: Cli, tmp_path: Path) -> None:
    done = rostra("demo")
    assert "\x1b" not in done.out
    assert re.search(r"^coordinator +\d+ ", done.out, re.MULTILINE)
    assert "next: database (the only one who executes query)" in done.out
    assert "08 | 94 | 77.0" in done.out
    if await sandboxed():
        assert "✗ code ran, exit code 1:" in done.out
        assert "✓ code ran, exit code 0:" in done.out
    else:
        assert "No sandbox works here" in done.out
    assert "3 tills: 35 s" in done.out
    assert "none is missing, none is there twice" in done.out
    assert "✓ the hash chain is intact" in done.out
    tried(rostra, done.out, tmp_path)


async def test_chaos_leaves_no_trace_in_the_transcript(rostra: Cli) -> None:
    if not await sandboxed():
        pytest.skip("no sandbox works here, so the coder does not speak")
    done = rostra("demo", "--chaos")
    for killed in ("coder", "broker"):
        assert re.search(rf"kill -9 \d+ \({killed}\)", done.out)
        assert re.search(rf"{killed} \(process \d+\) was killed by SIGKILL", done.out)
        assert re.search(rf"{killed} is back as process \d+", done.out)
    assert "messages 1 to 8: none is missing, none is there twice" in done.out
    assert "✓ the hash chain is intact" in done.out
    assert done.out.count("[6/14] coder") == 1


def test_where_no_sandbox_works_the_demo_says_so_and_shows_the_rest(rostra: Cli, tmp_path: Path) -> None:
    done = rostra("demo", PATH=str(tmp_path))
    assert "No sandbox works here, so nobody runs code" in done.out
    assert "← mean_wait: 3 tills: 35 s" in done.out
    assert "code ran" not in done.out
    assert "✓ the hash chain is intact" in done.out


def test_the_demo_is_interrupted_like_any_run(rostra: Cli) -> None:
    import signal

    running = rostra.start("demo")
    assert running.stdout is not None
    for line in running.stdout:
        if "[1/14]" in line:
            running.send_signal(signal.SIGINT)
            break
    out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 130, err
    assert "✓ stopped" in out


def test_without_unicode_the_demo_is_plain_ascii(rostra: Cli) -> None:
    done = rostra("demo", PYTHONIOENCODING="ascii")
    assert done.out.isascii()
