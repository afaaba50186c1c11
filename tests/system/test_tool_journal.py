"""An agent that is killed around its tool's side effect: whatever happens, it does not happen twice unasked."""

from pathlib import Path

import pytest

from rostra.agents.prompt import TOOL_LOG
from rostra.team import Team
from rostra.team.places import Places

TEAM = """
[team]
name = "effects"
[chat]
selection = "round_robin"
max_rounds = 2
[models.default]
api = "scripted"
script = "script.toml"
[agents.ann]
kind = "assistant"
tools = ["effects:{tool}"]
[agents.ben]
kind = "assistant"
"""
SCRIPT = 'ann = [{{ tool_calls = [{{ name = "{tool}", arguments = {{ to = "bob" }} }}] }}, "Done."]\n'
EFFECTS = """
import os, pathlib, signal
from rostra.agents import tool

def effect(to):
    place = pathlib.Path(__file__).parent
    with (place / "effects").open("a") as file:
        file.write(to + "\\n")
    if not (place / "died").exists():
        (place / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "paid " + to

@tool
def pay(to: str) -> str:
    "Pays, and dies of it the first time."
    return effect(to)

@tool(repeatable=True)
def look(to: str) -> str:
    "Looks, and dies of it the first time."
    return effect(to)
"""


async def answered(folder: Path, tool: str) -> tuple[list[str], str]:
    """The effects, and what the model was told of its call, when the agent calls `tool`."""
    for name, text in (
        ("team.toml", TEAM.format(tool=tool)),
        ("script.toml", SCRIPT.format(tool=tool)),
        ("effects.py", EFFECTS),
    ):
        (folder / name).write_text(text)
    async with Team.load(folder / "team.toml", places=Places.here({"ROSTRA_HOME": str(folder / "home")})) as team:
        result = await team.run("Pay.")
    assert result.messages[-1].text == "Done."
    (round_,) = result.messages[-1].metadata[TOOL_LOG]
    effects = folder / "effects"
    return effects.read_text().split() if effects.exists() else [], round_["responses"][0]["content"]


@pytest.mark.parametrize(
    ("place", "effects", "told"),
    [
        ("tool.begun", [], "unknown_outcome"),
        ("tool.ran", ["bob"], "unknown_outcome"),
        ("tool.done", ["bob"], "paid bob"),
    ],
)
async def test_a_death_around_a_side_effect_never_makes_it_happen_twice(
    place: str, effects: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "died").touch()
    monkeypatch.setenv("ROSTRA_FAILPOINT", f"{place}:1:{tmp_path}/passed")
    happened, answer = await answered(tmp_path, "pay")
    assert (tmp_path / "passed").exists()
    assert happened == effects
    assert told in answer


async def test_a_tool_that_dies_of_its_effect_is_not_run_again(tmp_path: Path) -> None:
    happened, answer = await answered(tmp_path, "pay")
    assert happened == ["bob"]
    assert answer.startswith("Error: unknown_outcome: ")


async def test_a_tool_that_only_looks_is_run_again(tmp_path: Path) -> None:
    assert await answered(tmp_path, "look") == (["bob", "bob"], "paid bob")
