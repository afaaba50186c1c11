"""What the console's tests share: the command line as a process, in a home of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SECONDS = 110.0
"""Patience with one command."""


class Cli:
    """`rostra` in a home of its own; `environment` is what it sees."""

    def __init__(self, home: Path) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ROSTRA_", "OPENAI_"))}
        self.environment = {**kept, "ROSTRA_HOME": str(home), "NO_COLOR": "1", "PYTHONWARNINGS": "error"}

    def command(self, *arguments: str) -> list[str]:
        """The command line as a list."""
        return [sys.executable, "-m", "rostra.console", *arguments]

    def __call__(self, *arguments: str, code: int | None = 0, text: str = "", **environment: str) -> "Done":
        """Run it to its end; `code` is the exit code it must have (None: any), `text` its stdin."""
        done = subprocess.run(
            self.command(*arguments),
            env={**self.environment, **environment},
            input=text,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start it, with pipes."""
        return subprocess.Popen(
            self.command(*arguments),
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Done:
    """What a command left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """Stdout as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def rostra(tmp_path: Path) -> Cli:
    """The command line, in a home of its own."""
    return Cli(tmp_path / "home")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command line in a home that the tests of a module share."""
    return Cli(tmp_path_factory.mktemp("home"))


Write = Callable[..., Path]


@pytest.fixture
def team_file(tmp_path: Path) -> Write:
    """Writes a team file and what stands beside it: `team_file(text, **files)`."""

    def write(text: str, **files: str) -> Path:
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_text(content, encoding="utf-8")
        path = tmp_path / "team.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
