"""The sans-IO cores on a seeded scheduler with a lossy network and a failing disk; a failing seed becomes a test."""

from collections.abc import Callable

import pytest

from .conftest import sized
from .lives import lived, mail_life, session_life


@pytest.mark.timeout(36_000)
def test_mail_is_neither_lost_nor_doubled_nor_out_of_order(tell: Callable[[str], None]) -> None:
    seeds = sized(2_000, 50_000)
    counts = lived(mail_life, range(seeds))
    assert counts["letters confirmed"] > seeds
    told = ", ".join(f"{value:,} {name}" for name, value in counts.items())
    tell(f"simulation of mail: {seeds:,} seeds, 0 violations; {told}")


@pytest.mark.timeout(36_000)
def test_calls_end_and_events_come_once_or_are_counted(tell: Callable[[str], None]) -> None:
    seeds = sized(2_000, 50_000)
    counts = lived(session_life, range(100_000, 100_000 + seeds))
    tell(f"simulation of requests and events: {seeds:,} seeds, 0 violations; {counts['steps']:,} steps")
