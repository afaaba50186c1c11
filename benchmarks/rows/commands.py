"""How long a command takes to start (row 21)."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Case, Effort, Sample
from benchmarks.processes import Cast

TEAM = """
[team]
name = "bench"
[chat]
selection = "round_robin"
max_rounds = 4
[agents.planner]
kind = "handler"
handler = "handlers:reply"
[agents.writer]
kind = "handler"
handler = "handlers:reply"
"""
HANDLERS = """
def reply(message, context):
    return "said"
"""
RUNS = 5


def _timed(command: list[str]) -> Sample:
    best = float("inf")
    for _ in range(RUNS):
        began = time.perf_counter()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        best = min(best, time.perf_counter() - began)
        if done.returncode:
            raise RuntimeError(f"{command[1:]} ended with {done.returncode}: {done.stderr[-300:]}")
    return {"ms": best * 1e3}


def _rostra(*arguments: str) -> Sample:
    return _timed([str(Path(sys.executable).parent / "rostra"), *arguments])


def _validate() -> Sample:
    with Cast() as cast:
        team = cast.directory / "team.toml"
        team.write_text(TEAM)
        (cast.directory / "handlers.py").write_text(HANDLERS)
        return _rostra("validate", str(team))


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `commands`; the quickest of five runs a sample."""
    del effort
    return {
        "python -c pass": lambda: _timed([sys.executable, "-c", "pass"]),
        "rostra --help": lambda: _rostra("--help"),
        "rostra validate": _validate,
    }
