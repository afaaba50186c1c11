"""The sans-IO cores on a seeded scheduler with a lossy network and a failing disk; a failing seed becomes a test."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from tests.protocol import test_simulation

from rostra.broker import topics
from rostra.protocol import session

from . import mail_simulation
from .conftest import sized


@pytest.fixture
def _small() -> Iterator[None]:
    before = mail_simulation.small_bounds()
    yield
    mail_simulation.usual_bounds(before)


@pytest.mark.timeout(36_000)
@pytest.mark.usefixtures("_small")
def test_mail_is_neither_lost_nor_doubled_nor_out_of_order(tell: Callable[[str], None]) -> None:
    seeds, counts = sized(400, 20_000), Counter[str]()
    for seed in range(seeds):
        try:
            world = mail_simulation.live(seed)
            mail_simulation.check(world)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        counts["letters confirmed"] += len(world.confirmed)
        counts["refused"] += len(world.refused)
        counts["steps"] += world.steps
        counts["dead"] += world.store._db.execute("SELECT count(*) FROM dead").fetchone()[0]
        world.store.close()
    assert counts["letters confirmed"] > seeds
    tell(
        f"simulation of mail: {seeds:,} seeds, 0 violations; " + ", ".join(f"{value:,} {name}" for name, value in counts.items())
    )


@pytest.mark.timeout(36_000)
def test_calls_end_and_events_come_once_or_are_counted(tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "RING_EVENTS", 12)
    monkeypatch.setattr(session, "OUTBOX", 4)
    seeds, steps = sized(200, 20_000), 0
    for seed in range(100_000, 100_000 + seeds):
        try:
            world = test_simulation.live(seed)
            test_simulation.check(world)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        steps += world.steps
    tell(f"simulation of requests and events: {seeds:,} seeds, 0 violations; {steps:,} steps")
