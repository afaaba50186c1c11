"""What tests of the broker share: keys, and a broker that asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rostra.protocol.keys import KeyRing

from .keyed import NAMES, Running


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    ring = KeyRing(tmp_path / "keys")
    ring.create()
    for name in NAMES:
        ring.add(name)
    return ring


@pytest.fixture
def broker(ring: KeyRing, tmp_path: Path) -> Iterator[Running]:
    running = Running(ring, tmp_path / "mail.db")
    yield running
    running.close()
