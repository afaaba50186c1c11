"""Kill -9 of any process at random instants, during chats and mail: 0 lost, 0 doubled, 0 gaps."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from .checker import Figures
from .conftest import SIZE, sized
from .teams import AGENTS, chaos

TEAMS = 4
VICTIMS = (*AGENTS, "broker", "broker", "models", "coordinator", "coordinator", "sue", "uma")


@pytest.mark.timeout(7200)
async def test_nothing_is_lost_or_doubled_whoever_is_killed(tmp_path: Path, tell: Callable[[str], None]) -> None:
    figures, kills = Figures(), Counter[str]()

    async def attack(seed: int) -> None:
        nonlocal figures
        # So that the script is not at its end before the last kill.
        delay, selection = 0.1 if SIZE == "nightly" else 0.02, "parallel" if seed % 2 else "round_robin"
        async with chaos(tmp_path / str(seed), seed, delay=delay, selection=selection) as one:
            for _ in range(sized(100, 1000) // TEAMS):
                await asyncio.sleep(one.random.uniform(0.0, 0.3))
                await one.kill(one.random.choice(VICTIMS))
        figures += one.figures
        kills.update(one.kills)

    async with asyncio.TaskGroup() as group:
        for seed in range(TEAMS):
            group.create_task(attack(seed))
    assert figures.counts["kills"] >= sized(100, 1000) * 0.8
    tell(f"kills: {figures}; of each: {dict(kills)}")
