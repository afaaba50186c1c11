"""Keys on disk: a secret is its owner's alone, and TCP goes with keys only."""

import os
from pathlib import Path

import pytest

from rostra.broker.guard import Guard
from rostra.broker.server import Server
from rostra.protocol import Client
from rostra.protocol.keys import KeyRing, NoKey

from .keyed import NAMES


def test_a_secret_key_is_its_owners_alone(ring: KeyRing) -> None:
    assert os.stat(ring.directory).st_mode & 0o777 == 0o700
    assert os.stat(ring.directory / "ada.key").st_mode & 0o777 == 0o600


def test_a_file_that_holds_no_key_lets_one_name_out_and_not_all(ring: KeyRing) -> None:
    (ring.directory / "odd.pub").write_bytes(b"")
    assert sorted(ring.names().values()) == sorted(NAMES)


def test_a_key_that_changes_twice_within_a_tick_of_the_clock_is_seen(ring: KeyRing) -> None:
    guard = Guard(ring)
    ring.revoke("ada")
    guard.refresh()
    stamp = os.stat(ring.directory).st_mtime_ns
    ring.revoke("ben")
    os.utime(ring.directory, ns=(stamp, stamp))
    guard.refresh()
    assert sorted(guard.names.values()) == ["console", "eve"]


def test_tcp_without_keys_is_refused_on_both_sides(tmp_path: Path) -> None:
    with pytest.raises(NoKey):
        Server("tcp://127.0.0.1:5555")
    with pytest.raises(NoKey):
        Client.connect("tcp://127.0.0.1:5555", name="ada")
    with pytest.raises(NoKey):
        Server("tcp://127.0.0.1:5555", keys=KeyRing(tmp_path / "empty"))
