"""What tools have done: begun and done on disk, so that a turn that is done again runs no side effect twice.

A process can die, or a turn be cancelled, while a tool runs. When the same turn is done again, a call that was done has its
answer here; one that was only begun may or may not have taken effect, and only a model or a person can decide what follows.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rostra.protocol.clock import wall_ms

if TYPE_CHECKING:
    import sqlite3

KEPT = 4096
"""Calls that are remembered; older ones are forgotten, whether done or not."""
TRIMMED_EVERY = 64
SHOWN = 500
"""Characters of arguments and answers that a model is reminded of."""
UNKNOWN_OUTCOME = "unknown_outcome"

SCHEMA = """
CREATE TABLE IF NOT EXISTS tool_call (
    number INTEGER PRIMARY KEY,
    task BLOB NOT NULL,
    tool TEXT NOT NULL,
    arguments TEXT NOT NULL,
    begun_ms INTEGER NOT NULL,
    answer TEXT
);
CREATE INDEX IF NOT EXISTS tool_call_task ON tool_call (task);
"""


class Begun(msgspec.Struct, frozen=True):
    """A call of an earlier try. `answer`: None when it did not come to its end."""

    number: int
    tool: str
    arguments: str
    answer: str | None


class ToolJournal:
    """The journal of one agent in the file `path`, its own database, which is opened when a tool is first called.

    What it confirms is on disk before it returns, a power cut included. Methods raise `sqlite3.Error` when that cannot be done.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._written = 0

    def task(self, key: bytes) -> "Task":
        """The calls of one piece of work; `key` is the same when the work is done again, and no other's."""
        return Task(self, key)

    def begun(self, key: bytes) -> list[Begun]:
        """The calls of `key` so far, in order."""
        rows = self._opened().execute(
            "SELECT number, tool, arguments, answer FROM tool_call WHERE task = ? ORDER BY number", (key,)
        )
        return [Begun(*row) for row in rows]

    def begin(self, key: bytes, tool: str, arguments: str) -> int:
        """A call is about to be made; returns its number."""
        self._written += 1
        if self._written % TRIMMED_EVERY == 0:
            self._trim()
        row = (key, tool, arguments, wall_ms())
        added = self._opened().execute("INSERT INTO tool_call (task, tool, arguments, begun_ms) VALUES (?, ?, ?, ?)", row)
        assert added.lastrowid is not None
        return added.lastrowid

    def done(self, number: int, answer: str) -> None:
        """The call `number` came to its end."""
        self._opened().execute("UPDATE tool_call SET answer = ? WHERE number = ?", (answer, number))

    def close(self) -> None:
        """Let go of the file."""
        if self._db:
            self._db.close()
            self._db = None

    def _opened(self) -> "sqlite3.Connection":
        if self._db is None:
            import sqlite3  # most agents never call a tool, and do without it

            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, isolation_level=None, timeout=10.0)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(SCHEMA)
        return self._db

    def _trim(self) -> None:
        newest = "SELECT max(number) FROM tool_call"
        self._opened().execute(f"DELETE FROM tool_call WHERE number <= ({newest}) - ?", (KEPT,))  # noqa: S608


class Task:
    """One try at a piece of work, and what earlier tries have called."""

    def __init__(self, journal: ToolJournal, key: bytes) -> None:
        self._journal = journal
        self._key = blake2b(key, digest_size=16, person=b"rostra task").digest()
        self._earlier: list[Begun] | None = None
        """Calls of earlier tries that this one has not come upon yet; None: not looked up."""

    def recall(self, calls: Sequence[tuple[str, str]]) -> list[str | None]:
        """What is to be answered instead of making each of `calls` (tool, arguments); None: it is to be made.

        A call as it was made before has the answer it had then, or `unknown_outcome`. A call that differs from what an earlier
        try has called of the same tool is not made the first time: its model did not know.
        """
        if self._earlier is None:
            self._earlier = self._journal.begun(self._key)
        answers = [self._same(tool, canonical(arguments)) for tool, arguments in calls]
        return [self._other(tool) if answer is None else answer for (tool, _), answer in zip(calls, answers, strict=True)]

    def begin(self, tool: str, arguments: str) -> int:
        """See `ToolJournal.begin`."""
        return self._journal.begin(self._key, tool, canonical(arguments))

    def done(self, number: int, answer: str) -> None:
        """See `ToolJournal.done`."""
        self._journal.done(number, answer)

    def _same(self, tool: str, arguments: str) -> str | None:
        assert self._earlier is not None
        for place, each in enumerate(self._earlier):
            if (each.tool, each.arguments) == (tool, arguments):
                del self._earlier[place]
                return unknown(each) if each.answer is None else each.answer
        return None

    def _other(self, tool: str) -> str | None:
        assert self._earlier is not None
        before = [each for each in self._earlier if each.tool == tool]
        if not before:
            return None
        self._earlier = [each for each in self._earlier if each.tool != tool]
        return reminder(tool, before)


def unknown(call: Begun) -> str:
    """What a model, or the person who reads it, is told of a call that did not come to its end."""
    return (
        f"Error: {UNKNOWN_OUTCOME}: an earlier try at this was interrupted while {call.tool} ran with these arguments. It may or "
        "may not have taken effect, and was not run again. Find out which, or ask a person, before you call it again."
    )


def reminder(tool: str, calls: Iterable[Begun]) -> str:
    """What a model is told that calls otherwise what an earlier try has called already."""
    lines = [f"- {_short(each.arguments)}: {_outcome(each)}" for each in calls]
    told = f"Error: not run: an earlier try at this, which was interrupted, has already called {tool}:"
    return "\n".join([told, *lines, "Call it again only if it is to be done beside that."])


def canonical(arguments: str) -> str:
    """The same text for the same arguments, however a model wrote the JSON."""
    try:
        return msgspec.json.encode(msgspec.json.decode(arguments), order="sorted").decode()
    except (msgspec.DecodeError, UnicodeEncodeError):
        return arguments


def _outcome(call: Begun) -> str:
    return f"{UNKNOWN_OUTCOME}, it may or may not have taken effect" if call.answer is None else f"done, {_short(call.answer)}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
