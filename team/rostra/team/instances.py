"""Which teams run on this machine.

An instance is one running team: the first run of the team `review` is `review`, a second beside it `review-2`. Who runs holds
a lock on the instance's directory for as long as it lives; the kernel lets go of it however it dies, so a stale entry cannot
be mistaken for a running team, whatever has become of its process id.
"""

import contextlib
import fcntl
import os
import struct
from pathlib import Path
from typing import Self

import msgspec

from rostra.protocol import RostraError
from rostra.protocol.clock import wall_ms

from .places import Places

MOST = 1000
"""Instances of one team side by side, at most."""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A running team, as its entry (`instance.json`) has it."""

    team: str
    name: str
    file: str
    """The team file, absolute."""
    address: str
    """The broker's."""
    pid: int
    """Of the process that holds the team up."""
    started_ms: int
    """Milliseconds since 1970."""
    parts: bool = False
    """Each process is held up by somebody else (compose, systemd); `pid` is the broker's, and may be of another container."""


class NoInstance(RostraError):
    """No running team fits what was asked for, or several do."""

    code = "no_team"


class Claim:
    """The right to run as one instance, held until `release`, or the death of this process."""

    def __init__(self, places: Places, instance: Instance, lock: int) -> None:
        self.places, self.instance = places, instance
        self._lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the name back; the entry and the sockets are removed. A second call does nothing."""
        if self._lock < 0:
            return
        directory = self.places.instance(self.instance.team, self.instance.name)
        sockets = self.places.socket_directory(self.instance.team, self.instance.name)
        for path in [*sockets.glob("*"), *directory.glob("*")]:
            if path.name != "lock":
                path.unlink(missing_ok=True)
        if sockets != directory:
            with contextlib.suppress(OSError):
                sockets.rmdir()
        os.close(self._lock)
        self._lock = -1


def claim(places: Places, team: str, file: str | Path, address: str = "", *, parts: bool = False, only: str = "") -> Claim:
    """Become the first free instance of `team`. `address`: the broker's; empty: a socket of the instance's own.

    `only`: the instance of this name, or none; raises `NoInstance` when it runs. `parts`: this process is only the broker, and
    the others look for the team's namesake; raises `NoInstance` when that runs.
    """
    most = 1 if parts else MOST
    for number in range(1, most + 1):
        name = team if number == 1 else f"{team}-{number}"
        if only not in ("", name):
            continue
        directory = places.instance(team, name)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _lock(lock):
            os.close(lock)
            continue
        instance = Instance(
            team=team,
            name=name,
            file=str(Path(file).absolute()),
            address=address or places.address(team, name),
            pid=os.getpid(),
            started_ms=wall_ms(),
            parts=parts,
        )
        _write(directory / "instance.json", msgspec.json.encode(instance))
        return Claim(places, instance, lock)
    raise NoInstance(f"{only or team} runs here already" if parts or only else f"{MOST} instances of {team} run already")


def running(places: Places) -> list[Instance]:
    """The teams that run, oldest first. Entries whose process is gone are removed on the way."""
    found: list[Instance] = []
    for entry in places.runtime.glob("*/*/instance.json"):
        try:
            lock = os.open(entry.with_name("lock"), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if not _is_locked(lock) and _lock(lock):
                entry.unlink(missing_ok=True)  # the team died without a word
                continue
            with contextlib.suppress(OSError, msgspec.DecodeError):
                found.append(msgspec.json.decode(entry.read_bytes(), type=Instance))
        finally:
            os.close(lock)
    return sorted(found, key=lambda one: one.started_ms)


def find(places: Places, wanted: str = "") -> Instance:
    """The running team that is meant by `wanted`: an instance's or team's name, or a team file; empty: the only one that runs.

    Raises `NoInstance`, which says what runs.
    """
    teams = running(places)
    if not wanted:
        fitting = teams
    else:
        file = str(Path(wanted).absolute())
        fitting = [one for one in teams if one.name == wanted] or [one for one in teams if wanted == one.team or file == one.file]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(one.name for one in fitting or teams)
    if not fitting:
        what = f'the team "{wanted}" does not run here' if wanted else "no team runs here"
        raise NoInstance(what + (f"; there is {names}" if names else ""))
    raise NoInstance(f"several teams run here, say which: {names}")


# Locks of the open file, not of the process: a second claim in one process is refused too, and nobody is locked out by a look.
_LOCK = struct.Struct("@hhqqi4x")


def _lock(file: int) -> bool:
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except BlockingIOError:
        return False
    return True


def _is_locked(file: int) -> bool:
    answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    return bool(_LOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def _write(path: Path, data: bytes) -> None:
    """All of `data`, or what was there before."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_bytes(data)
    scratch.replace(path)
