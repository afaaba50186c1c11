"""An agent that dies between its answer and the delivery of it, as a real process."""

from pathlib import Path

import pytest

from rostra.agents import UserProxyAgent
from rostra.team import Team
from rostra.team.places import Places

TEAM = """
[team]
name = "frail"
[chat]
selection = "round_robin"
max_rounds = 5
[agents.frail]
kind = "handler"
handler = "frail:answer"
state = "{state}"
[agents.other]
kind = "conversable"
human_input = "never"
default_reply = "go on"
"""
FRAIL = '''
import os, signal
from pathlib import Path
from rostra.agents.sqlite_store import SqliteStore

HERE = Path(__file__).parent
keep = SqliteStore.keep_answer

def keep_and_die(self, key, body):
    """The first answer is kept, and its process is gone before it could be sent."""
    keep(self, key, body)
    if not (HERE / "died").exists():
        (HERE / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)

SqliteStore.keep_answer = keep_and_die

async def answer(message, context):
    with open(HERE / "worked", "a") as file:
        file.write(f"{context.sequence}\\n")
    context.state.put("answers", context.state.get("answers", 0) + 1)
    return f"answer {context.state.get('answers')} of {len(context.history)}"
'''


@pytest.mark.timeout(90)
@pytest.mark.semantics("S4.16")
async def test_an_agent_killed_between_its_answer_and_the_delivery_works_once_and_has_its_state(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text(TEAM.format(state="sqlite"))
    (tmp_path / "frail.py").write_text(FRAIL)
    places = Places.here({"ROSTRA_HOME": str(tmp_path / "home")})
    async with Team.load(tmp_path / "team.toml", places=places) as team:
        result = await team.run("begin")
    assert [said.text for said in result.messages] == ["begin", "answer 1 of 1", "go on", "answer 2 of 3", "go on"]
    assert (tmp_path / "died").exists()
    assert (tmp_path / "worked").read_text().split() == ["2", "4"]


@pytest.mark.timeout(90)
@pytest.mark.semantics("S1.34")
async def test_a_script_talks_with_an_agent_of_a_running_team_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "team.toml").write_text(TEAM.format(state="memory"))
    (tmp_path / "frail.py").write_text(
        "async def answer(message, context):\n    return f'{context.sender}: {len(context.history)}'\n"
    )
    monkeypatch.setenv("ROSTRA_HOME", str(tmp_path / "home"))
    user = UserProxyAgent("pat", human_input_mode="NEVER", default_auto_reply="more", silent=True)
    async with Team.load(tmp_path / "team.toml"):
        result = await user.initiate_chat("frail@frail", message="hi", max_turns=2)
        assert [said.text for said in result.chat_history] == ["hi", "pat: 1", "more", "pat: 3"]
        result = await user.initiate_chat("frail@frail", message="again", max_turns=1, clear_history=False)
        assert result.summary == "pat: 5"
