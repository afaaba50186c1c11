"""Whoever is killed in mid-chat, the chat completes, and its transcript has no gap and no double."""

import os
import signal
from pathlib import Path

import pytest

from rostra.protocol.chat import ChatRef, Result, Verdict
from rostra.team import Team
from rostra.team.places import Places

AGENTS = ("ada", "ben", "cyd")
KILLS = 10
EVERY = 4
"""Messages between two kills."""
ROUNDS = KILLS * EVERY + 6

TEAM = """
[team]
name = "kills"
[chat]
selection = "round_robin"
max_rounds = {rounds}
[models.default]
api = "scripted"
script = "script.toml"
"""


def a_team(folder: Path) -> Path:
    """Three assistants whose every reply is told apart: "ada 1", "ada 2", …"""
    members = "".join(f'[agents.{name}]\nkind = "assistant"\nsystem_message = "You count."\n' for name in AGENTS)
    (folder / "team.toml").write_text(TEAM.format(rounds=ROUNDS) + members)
    replies = ["".join(f'  {{ text = "{name} {n}", delay = 0.03 }},\n' for n in range(1, ROUNDS)) for name in AGENTS]
    (folder / "script.toml").write_text("".join(f"{name} = [\n{said}]\n" for name, said in zip(AGENTS, replies, strict=True)))
    return folder / "team.toml"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("victim", ["ben", "broker", "models", "coordinator"])
async def test_a_chat_survives_ten_kills_of(victim: str, tmp_path: Path) -> None:
    """The whole chat, each reply once and in order, although the victim was killed with SIGKILL ten times."""
    file, places = a_team(tmp_path), Places.here({"ROSTRA_HOME": str(tmp_path / "home")})
    killed: set[int] = set()
    said: list[tuple[int, str]] = []
    result: Result | None = None
    async with Team.load(file, places=places) as team:
        assert team.supervisor is not None
        async for event in team.stream("Count."):
            result = getattr(event, "result", None) or result
            if getattr(event, "type", "") != "message":
                continue
            said.append((event.sequence, event.message.text))  # type: ignore[union-attr]
            pid = team.supervisor.pid(victim)
            if len(killed) < KILLS and event.sequence % EVERY == 0 and pid and pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        assert result is not None
        verdict: Verdict = await team.client.request("coordinator", "chat.verify", ChatRef(chat=result.chat), reply=Verdict)
    assert len(killed) == KILLS
    assert [sequence for sequence, _ in said] == list(range(1, ROUNDS + 1))
    expected = ["Count."] + [f"{AGENTS[n % 3]} {n // 3 + 1}" for n in range(ROUNDS - 1)]
    assert [text for _, text in said] == expected
    assert (result.outcome, result.messages) == ("limit", ROUNDS)
    assert (verdict.intact, verdict.messages) == (True, ROUNDS)
