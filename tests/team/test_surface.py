"""What the room offers, and what its processes load."""

import subprocess
import sys

import rostra.team
from rostra.team.forkserver import PRELOADED

HEAVY = ("openai", "pydantic", "rich", "typer", "anyio", "httpx")


def test_everything_in_the_surface_is_there() -> None:
    assert rostra.team.__all__ == sorted(rostra.team.__all__)
    assert all(getattr(rostra.team, name) is not None for name in rostra.team.__all__)
    assert set(rostra.team.__all__) == set(rostra.team._HOMES)


def loaded_by(code: str) -> set[str]:
    """The top-level modules that `code` leaves loaded in a fresh interpreter."""
    asked = f"{code}\nimport sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout.split())


def test_the_fork_server_loads_nothing_heavy() -> None:
    loaded = loaded_by("import rostra.team.forkserver, importlib\n" + f"for name in {PRELOADED!r}: importlib.import_module(name)")
    assert "zmq" in loaded
    assert not loaded & set(HEAVY)


def test_reading_a_team_file_loads_nothing_heavy() -> None:
    assert not loaded_by("import rostra.team.check, rostra.team.file, rostra.team.supervisor") & set(HEAVY)


def test_checking_a_team_file_loads_what_connects_to_nothing() -> None:
    loaded = loaded_by("import rostra.team.check, rostra.team.file, rostra.console.exits, rostra.console.texts")
    assert not loaded & {*HEAVY, "asyncio", "zmq"}
