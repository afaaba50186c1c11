"""Kill -9 of any process at random instants, during chats and mail: 0 lost, 0 doubled, 0 gaps."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from .checker import Figures
from .conftest import lots, sized
from .teams import AGENTS, chaos

TEAMS = 4
"""How many at once."""
LOT = 25
"""Kills of one team."""
VICTIMS = (*AGENTS, "broker", "broker", "models", "coordinator", "coordinator", "sue", "uma")


@pytest.mark.timeout(7200)
async def test_nothing_is_lost_or_doubled_whoever_is_killed(tmp_path: Path, tell: Callable[[str], None]) -> None:
    figures, kills, places = Figures(), Counter[str](), asyncio.Semaphore(TEAMS)

    async def attack(seed: int, count: int) -> None:
        nonlocal figures
        async with places, chaos(tmp_path / str(seed), seed, selection="parallel" if seed % 2 else "round_robin") as one:
            for _ in range(count):
                await asyncio.sleep(one.random.uniform(0.0, 0.3))
                await one.kill(one.random.choice(VICTIMS))
        figures += one.figures
        kills.update(one.kills)

    async with asyncio.TaskGroup() as group:
        for seed, count in enumerate(lots(sized(100, 1000), LOT)):
            group.create_task(attack(seed, count))
    tell(f"kills: {figures}; of each: {dict(kills)}")
    assert figures.counts["kills"] >= sized(100, 1000) * 0.8
