"""A process dies at each named place, between any two steps that ought to be one: the same promises hold."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from .checker import Figures
from .conftest import sized
from .teams import chaos

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


@pytest.mark.timeout(7200)
async def test_a_death_at_a_named_place_loses_and_doubles_nothing(
    tmp_path: Path, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, died = Figures(), 0
    each = sized(3, 50)
    # One team dies at many places, one after the other; the processes of a team share their environment.
    for lot in range(each):
        folder = tmp_path / str(lot)
        folder.mkdir()
        points = ",".join(f"{place}:{3 + 5 * index + lot}:{folder}/{place}" for index, place in enumerate(PLACES))
        monkeypatch.setenv("ROSTRA_FAILPOINT", points)
        async with chaos(folder, lot) as one:
            monkeypatch.delenv("ROSTRA_FAILPOINT")
            async with asyncio.timeout(60):
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
    tell(f"failpoints: {died} deaths at {len(PLACES)} places; {figures}")
