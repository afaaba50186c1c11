"""The log files of a team, read together."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rostra.team.file import TeamFile
from rostra.team.instances import NoInstance, find
from rostra.team.places import Places

from .exits import Code, Quit

LOOK = 0.2
"""Seconds between two looks at the files."""
TAIL_BYTES = 256 * 1024
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}")


class Line(msgspec.Struct, frozen=True):
    """A line that `process` logged, at `stamp` (its own, or that of the line before)."""

    stamp: str
    process: str
    text: str


class Logbook:
    """The log files in `directory`, or the one of `process`. Raises `Quit` when there is none."""

    def __init__(self, directory: Path, process: str = "") -> None:
        self._directory, self._process = directory, process
        self._read: dict[Path, int] = {}
        if not self._files():
            raise Quit(Code.FAILED, f"nothing is logged {f'by {process!r} ' if process else ''}in {directory}")

    @classmethod
    def of(cls, team: str, process: str = "") -> "Logbook":
        """The log files of a running team, or those that a team left. Raises `NoInstance`."""
        places = Places.here()
        try:
            instance = find(places, team)
        except NoInstance:
            if not team:
                raise
            name = TeamFile.load(team).name if Path(team).is_file() else team
            return cls(places.logs(name, name), process)
        return cls(places.logs(instance.team, instance.name), process)

    @property
    def names(self) -> list[str]:
        """The processes that log."""
        return [path.stem for path in self._files()]

    def last(self, count: int) -> list[Line]:
        """The last `count` lines, in order of time."""
        lines = [line for path in self._files() for line in self._new(path, tail=True)]
        return sorted(lines, key=lambda line: line.stamp)[-count:] if count else []

    def follow(self) -> Iterator[Line]:
        """Lines as they come, for ever."""
        while True:
            lines = [line for path in self._files() for line in self._new(path)]
            yield from sorted(lines, key=lambda line: line.stamp)
            time.sleep(LOOK)

    def _files(self) -> list[Path]:
        files = sorted(self._directory.glob("*.log"))
        return [path for path in files if not self._process or self._process in (path.stem, path.stem.partition("~")[0])]

    def _new(self, path: Path, *, tail: bool = False) -> list[Line]:
        """The whole lines that were not read yet."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            begin = self._read.get(path, max(0, size - TAIL_BYTES) if tail else 0)
            file.seek(begin if begin <= size else 0)  # it was begun anew
            data = file.read()
            end = data.rfind(b"\n") + 1
            self._read[path] = (begin if begin <= size else 0) + end
        lines, stamp = [], ""
        for text in data[:end].decode(errors="replace").splitlines():
            match = _STAMP.match(text)
            stamp = match[0] if match else stamp
            lines.append(Line(stamp, path.stem, text))
        return lines
