"""What tests of teams share: places of their own, team files, and the certainty that no process is left behind."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rostra.team.file import TeamFile
from rostra.team.instances import claim
from rostra.team.places import Places
from rostra.team.process import Job
from rostra.team.supervisor import jobs

HANDLERS = """
import os


async def echo(message, context):
    return f"{context.agent} has seen {len(context.history)}"

async def pid(message, context):
    return str(os.getpid())
"""

TEAM = """
[team]
name = "trio"
[chat]
selection = "round_robin"
max_rounds = 5
[models.default]
api = "scripted"
script = "script.toml"
[agents.one]
kind = "handler"
handler = "handlers:echo"
[agents.two]
kind = "handler"
handler = "handlers:echo"
[agents.three]
kind = "handler"
handler = "handlers:pid"
replicas = 2
"""


def children() -> set[int]:
    """The process ids of this process's children."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread ended meanwhile
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def exists(pid: int) -> bool:
    """Whether there is such a process, zombies not counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command_line(pid: int) -> list[str]:
    """What `ps` shows of a process: its command name, and its command line."""
    command = Path(f"/proc/{pid}/comm").read_text().strip()
    return [command, *Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")]


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def open_files(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    return [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]


@pytest.fixture(autouse=True)
def nobody_is_left_behind() -> Iterator[None]:
    """No process that a test started outlives it."""
    before = children()
    yield
    assert children() - before == set()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.here({"ROSTRA_HOME": str(tmp_path / "home")})


@pytest.fixture
def team_file(tmp_path: Path) -> Path:
    """A team of three handlers, one of them two processes, with a gateway that is never asked."""
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "script.toml").write_text("")
    (tmp_path / "team.toml").write_text(TEAM)
    return tmp_path / "team.toml"


@pytest.fixture
def team_jobs(team_file: Path, places: Places) -> Iterator[Callable[[], dict[str, Job]]]:
    """Makes the jobs of the team file as it is now, as an instance of its own."""
    with claim(places, "trio", team_file) as claimed:
        yield lambda: jobs(TeamFile.load(team_file), claimed)
