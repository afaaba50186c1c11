"""A team with a coordinator that stands by."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.conftest import until

from rostra.protocol.chat import ChatEvent
from rostra.team import Team
from rostra.team.places import Places
from rostra.team.watch import State

TEAM = """
[team]
name = "watchful"
[chat]
selection = "round_robin"
max_rounds = 300
[coordinator]
standby = 1
[agents.one]
kind = "handler"
handler = "handlers:count"
[agents.two]
kind = "handler"
handler = "handlers:count"
"""
HANDLERS = """
import asyncio

async def count(message, context):
    await asyncio.sleep(0.02)
    return str(context.sequence)
"""


@pytest.mark.timeout(120)
async def test_a_chat_goes_on_when_its_coordinator_is_killed_and_when_it_hangs(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text(TEAM)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    loop, deaths = asyncio.get_running_loop(), [signal.SIGKILL, signal.SIGSTOP]
    seconds = []
    async with Team.load(tmp_path / "team.toml", places=Places.here({"ROSTRA_HOME": str(tmp_path / "home")})) as team:
        supervisor = team.supervisor
        assert supervisor is not None
        keys = ("coordinator", "coordinator~2")
        seat = next((tmp_path / "home").rglob("transcript.db.seat"))
        last, died, result = 0, 0.0, None
        async for event in team.stream("Count.", chat="c"):
            assert isinstance(event, ChatEvent)
            result = event.result
            if event.type != "message":
                continue
            assert event.sequence == last + 1
            last = event.sequence
            if died:
                seconds.append(loop.time() - died)
                died = 0.0
                await until(lambda: all(supervisor.state(key) is State.READY for key in keys), 30)
            elif deaths and last % 20 == 0:
                holder = int(seat.read_text().split()[0])
                assert holder in [supervisor.pid(key) for key in keys]
                os.kill(holder, deaths.pop(0))
                died = loop.time()
    assert result is not None
    assert last == 300
    assert len(seconds) == 2
    assert max(seconds) < 10, seconds
