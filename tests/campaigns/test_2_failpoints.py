"""A process dies at each named place, between any two steps that ought to be one: the same promises hold."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from .checker import Figures
from .conftest import sized
from .teams import Chaos, chaos

PLACES = (
    "transcript.begin",
    "transcript.before_commit",
    "transcript.after_commit",
    "agent.turn",
    "agent.answered",
    "agent.kept",
    "gateway.asked",
    "gateway.answered",
    "gateway.recorded",
    "mail.within_commit",
    "mail.before_commit",
    "mail.after_commit",
    "mail.before_stored",
    "mail.before_delivery",
    "sender.told",
    "recipient.handled",
)


TEAMS = 3
"""How many at once."""


@pytest.mark.timeout(7200)
async def test_a_death_at_a_named_place_loses_and_doubles_nothing(
    tmp_path: Path, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One team dies at many places, one after the other."""
    figures, died = Figures(), 0
    places, beginning = asyncio.Semaphore(TEAMS), asyncio.Lock()

    @asynccontextmanager
    async def armed(folder: Path, lot: int) -> AsyncIterator[Chaos]:
        async with AsyncExitStack() as stack:
            async with beginning:  # the environment is one for all processes that begin
                points = ",".join(f"{place}:{3 + 5 * index + lot % 10}:{folder}/{place}" for index, place in enumerate(PLACES))
                monkeypatch.setenv("ROSTRA_FAILPOINT", points)
                one = await stack.enter_async_context(chaos(folder, lot))
                monkeypatch.delenv("ROSTRA_FAILPOINT")
            yield one

    async def attack(lot: int) -> None:
        nonlocal figures, died
        folder = tmp_path / str(lot)
        folder.mkdir()
        async with places, armed(folder, lot) as one:
            async with asyncio.timeout(120):
                while not all((folder / place).exists() for place in PLACES):
                    one.revive()
                    await asyncio.sleep(0.05)
            for place in PLACES:  # what may have to be paid again is a call that a death hit
                one.kills["models" if place.startswith(("agent", "gateway")) else "others"] += 1
            seen = one.messages
            async with asyncio.timeout(60):
                while one.messages < seen + 6:
                    one.revive()
                    await asyncio.sleep(0.05)
        figures += one.figures
        died += len(PLACES)

    async with asyncio.TaskGroup() as group:
        for lot in range(sized(3, 50)):
            group.create_task(attack(lot))
    tell(f"failpoints: {died} deaths at {len(PLACES)} places; {figures}")
