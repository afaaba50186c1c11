"""The mailboxes on disk: SQLite in WAL mode with `synchronous=FULL`. One thread owns a store."""

import os
import sqlite3
import weakref
from pathlib import Path

from rostra.protocol.clock import wall_ms
from rostra.protocol.directory import LetterInfo, MailboxInfo, MailQuery, MailRef
from rostra.protocol.errors import RostraError
from rostra.protocol.failpoints import passing
from rostra.protocol.frames import decode_body, encode_body
from rostra.protocol.mailing import OUT_OF_ORDER

from .operations import (
    MAX_ATTEMPTS,
    Buried,
    Declined,
    Fail,
    Inspect,
    Inspected,
    Kept,
    Letter,
    Load,
    Loaded,
    Operation,
    Remove,
    Result,
    Store,
)

MAX_LETTERS = 10_000
MAX_BYTES = 64 * 1024 * 1024
RESERVE = 1024 * 1024
"""Bytes of the disk that letters leave free, so that they can be removed from a full one."""
AMPLE = 16 * 1024 * 1024
"""Bytes that are enough for whatever one transaction writes: more free than that is not looked into."""
PAGES = 16 * 1024
"""What a letter takes of the disk beside its body, at most."""
REMEMBERED = 10_000
"""Senders, and mailboxes, whose numbers are kept in memory."""


_SCHEMA = """
CREATE TABLE letter (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT NOT NULL,
    source TEXT NOT NULL,
    epoch BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    body BLOB NOT NULL,
    traceparent TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    stored_ms INTEGER NOT NULL
);
CREATE INDEX letter_by_recipient ON letter (recipient, number);
CREATE TABLE source (
    source TEXT NOT NULL,
    epoch BLOB NOT NULL,
    recipient TEXT NOT NULL,
    high INTEGER NOT NULL,
    PRIMARY KEY (source, epoch, recipient)
) WITHOUT ROWID;
CREATE TABLE dead (
    number INTEGER PRIMARY KEY,
    recipient TEXT NOT NULL,
    source TEXT NOT NULL,
    epoch BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    body BLOB NOT NULL,
    traceparent TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL,
    died_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
);
PRAGMA user_version = 1;
"""
_COLUMNS = "number, recipient, source, epoch, sequence, body, traceparent, attempts"


class MailStore:
    """Applies batches of operations, each batch in one transaction."""

    def __init__(self, path: Path | None) -> None:
        """Open (or make) the store at `path`; None: in memory. Raises `sqlite3.DatabaseError` when it is damaged."""
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._db.close)  # a store in memory ends with its broker, a damaged one at once
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        # An SQLite that writes zeros over what is removed (Debian's does) would need as much of the disk for that as for storing.
        self._db.execute("PRAGMA secure_delete = FAST")
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"the mail store is damaged: {verdict}")
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._db.executescript("BEGIN;" + _SCHEMA + "COMMIT;")
        self._path = path
        self._room = float("inf")
        """Bytes that letters of this batch may still take."""
        self._high: dict[tuple[str, bytes, str], int] = {}
        self._boxes: dict[str, tuple[int, int]] = {}
        self._last: int | None = None
        """The number given last; None: the disk knows."""
        self._fresh: list[tuple[int, str, str, bytes, int, bytes, str, int]] = []
        """Rows of this batch that are yet to be written, which takes a third of the time when it is done at once."""
        self._raised: dict[tuple[str, bytes, str], int] = {}
        """The numbers of the senders of these."""

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def recipients(self) -> list[str]:
        """Who has mail waiting."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT recipient FROM letter")]

    def apply(self, operations: list[Operation]) -> list[Result]:
        """Do all of them in one transaction, and return what they came to, in order.

        Raises `sqlite3.Error` when nothing of it was done; what is remembered is then read anew from disk.
        """
        try:
            self._room = self._free()
            self._db.execute("BEGIN IMMEDIATE")
            results: list[Result] = []
            for operation in operations:
                self._one(operation, results)
                passing("mail.within_commit")
            self._write()
            passing("mail.before_commit")
            self._db.execute("COMMIT")
            passing("mail.after_commit")
        except sqlite3.Error:
            self._high.clear()
            self._boxes.clear()
            self._fresh.clear()
            self._raised.clear()
            self._last = None
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return results

    def refuse(self, operation: Store | Inspect, why: str) -> list[Result]:
        """The answer to what the disk could not take: a letter that it has already is no less stored for that.

        Nothing at all when the disk cannot even be read: the sender will ask again.
        """
        if isinstance(operation, Inspect):
            return [Inspected(operation.route, operation.request, b"", error=why)]
        letter = operation.letter
        letter.number = 0
        try:
            known = letter.sequence <= self._highest((letter.source, letter.epoch, letter.recipient))
        except sqlite3.Error:
            return []
        if known:
            return [Kept(operation.route, letter)]
        return [Declined(operation.route, letter, "storage_full", why, operation.round)]

    def _one(self, operation: Operation, results: list[Result]) -> None:
        match operation:
            case Store():
                results.append(self._store(operation))
            case Remove():
                self._remove(operation.numbers)
            case Fail():
                self._fail(operation, results)
            case Load():
                self._write()
                results.append(Loaded(operation.recipient, self._load(operation), operation.ticket))
            case Inspect():
                self._write()
                results.append(self._inspect(operation))

    def _store(self, operation: Store) -> Result:
        letter = operation.letter
        key = (letter.source, letter.epoch, letter.recipient)
        high = self._highest(key)
        if letter.sequence <= high:
            return Kept(operation.route, letter)
        if operation.previous > high:
            return Declined(operation.route, letter, OUT_OF_ORDER, f"{high} is the last that is here", operation.round)
        count, size = self._box(letter.recipient)
        if count >= MAX_LETTERS or size + len(letter.body) > MAX_BYTES:
            why = f"{letter.recipient} has {count} letters, {size} bytes waiting"
            return Declined(operation.route, letter, "mailbox_full", why, operation.round)
        self._room -= 2 * len(letter.body) + PAGES
        if self._room < 0:
            return Declined(operation.route, letter, "storage_full", "the disk is full but for a reserve", operation.round)
        self._last = letter.number = self._newest() + 1
        self._fresh.append(
            (
                letter.number,
                letter.recipient,
                letter.source,
                letter.epoch,
                letter.sequence,
                letter.body,
                letter.traceparent,
                wall_ms(),
            )
        )
        self._high[key] = self._raised[key] = letter.sequence
        self._boxes[letter.recipient] = (count + 1, size + len(letter.body))
        return Kept(operation.route, letter)

    def _newest(self) -> int:
        """The number that was given last to a letter; none is given twice."""
        if self._last is None:
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'letter'").fetchone()
            self._last = row[0] if row else 0
        return self._last

    def _write(self) -> None:
        """Write the rows that wait, before anything reads the tables."""
        if self._fresh:
            self._db.executemany(
                f"INSERT INTO letter ({_COLUMNS}, stored_ms) VALUES (?,?,?,?,?,?,?,0,?)",  # noqa: S608
                self._fresh,
            )
            self._db.executemany(
                "INSERT INTO source VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET high = excluded.high",
                [(*key, high) for key, high in self._raised.items()],
            )
            self._fresh.clear()
            self._raised.clear()

    def _free(self) -> float:
        """Bytes that letters may take, so that afterwards there is room to remove them: SQLite needs some for that, too."""
        if self._path is None:
            return float("inf")
        room = _available(self._path) - RESERVE
        if room > AMPLE:
            return room
        # What was removed is not given back to the disk: it is free within the file, once the log is taken over.
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (pages,), (size,) = (self._db.execute(f"PRAGMA {what}").fetchone() for what in ("freelist_count", "page_size"))
        room = max(0, _available(self._path) - RESERVE)
        within: int = pages * size
        return room + min(room, within)

    def _highest(self, key: tuple[str, bytes, str]) -> int:
        """The number of the newest letter of (source, epoch, recipient)."""
        high = self._high.get(key)
        if high is None:
            self._write()
            row = self._db.execute("SELECT high FROM source WHERE source=? AND epoch=? AND recipient=?", key).fetchone()
            if len(self._high) >= REMEMBERED:
                self._high.clear()
            high = self._high[key] = row[0] if row else 0
        return high

    def _box(self, recipient: str) -> tuple[int, int]:
        box = self._boxes.get(recipient)
        if box is None:
            self._write()
            query = "SELECT count(*), coalesce(sum(length(body)), 0) FROM letter WHERE recipient = ?"
            count, size = self._db.execute(query, (recipient,)).fetchone()
            if len(self._boxes) >= REMEMBERED:
                self._boxes.clear()
            box = self._boxes[recipient] = (count, size)
        return box

    def _remove(self, numbers: list[int]) -> None:
        for number in numbers:
            row = self._db.execute("DELETE FROM letter WHERE number = ? RETURNING recipient, length(body)", (number,)).fetchone()
            if row and row[0] in self._boxes:
                count, size = self._boxes[row[0]]
                self._boxes[row[0]] = (count - 1, size - row[1])

    def _fail(self, operation: Fail, results: list[Result]) -> None:
        query = "UPDATE letter SET attempts = attempts + 1 WHERE number = ? RETURNING attempts, recipient"
        row = self._db.execute(query, (operation.number,)).fetchone()
        if row is None or row[0] < MAX_ATTEMPTS:
            return
        self._db.execute(
            f"INSERT INTO dead SELECT {_COLUMNS}, stored_ms, ?, ? FROM letter WHERE number = ?",  # noqa: S608
            (wall_ms(), operation.reason, operation.number),
        )
        self._remove([operation.number])
        results.append(Buried(row[1], operation.number))

    def _load(self, operation: Load) -> list[Letter]:
        query = f"SELECT {_COLUMNS} FROM letter WHERE recipient = ? AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
        rows = self._db.execute(query, (operation.recipient, operation.after, operation.limit))
        return [Letter(*row) for row in rows]

    def _inspect(self, operation: Inspect) -> Inspected:
        try:
            answer, requeued = self._answer(operation.method, operation.body)
            return Inspected(operation.route, operation.request, encode_body(answer), requeued=requeued)
        except (RostraError, OverflowError) as error:  # a number that is none of SQLite's
            return Inspected(operation.route, operation.request, b"", error=str(error))

    def _answer(self, method: str, body: bytes) -> tuple[object, tuple[str, ...]]:
        if method == "mail.list":
            rows = self._db.execute(
                "SELECT recipient, count(*), sum(length(body)), min(stored_ms), 0 FROM letter GROUP BY recipient UNION ALL "
                "SELECT recipient, 0, 0, 0, count(*) FROM dead GROUP BY recipient ORDER BY 1"
            )
            boxes: dict[str, MailboxInfo] = {}
            for name, letters, size, oldest, dead in rows:
                seen = boxes.get(name, MailboxInfo(recipient=name))
                boxes[name] = MailboxInfo(
                    recipient=name,
                    letters=seen.letters + letters,
                    size=seen.size + size,
                    oldest_ms=seen.oldest_ms or oldest,
                    dead=seen.dead + dead,
                )
            return list(boxes.values()), ()
        if method == "mail.show":
            query = decode_body(body, MailQuery)
            table = "dead" if query.dead else "letter"
            extra = "stored_ms, died_ms, reason" if query.dead else "stored_ms, 0, ''"
            rows = self._db.execute(
                f"SELECT {_COLUMNS}, {extra} FROM {table} WHERE recipient = ? AND number > ? ORDER BY number LIMIT ?",  # noqa: S608
                (query.recipient, query.after, max(1, min(query.limit, 100))),
            )
            return [
                LetterInfo(
                    number=row[0],
                    recipient=row[1],
                    sender=row[2],
                    body=row[5][:4096],
                    attempts=row[7],
                    stored_ms=row[8],
                    died_ms=row[9],
                    reason=row[10],
                )
                for row in rows
            ], ()
        reference = decode_body(body, MailRef)
        rows = self._db.execute(
            "INSERT INTO letter (recipient, source, epoch, sequence, body, traceparent, attempts, stored_ms) "
            # With an epoch of its own: a recipient that has handled later letters of the old one would take it for a double.
            "SELECT recipient, source, randomblob(16), sequence, body, traceparent, 0, stored_ms FROM dead "
            "WHERE recipient = ? AND (? = 0 OR number = ?) ORDER BY number RETURNING number",
            (reference.recipient, reference.number, reference.number),
        )
        count = len(rows.fetchall())
        self._db.execute(
            "DELETE FROM dead WHERE recipient = ? AND (? = 0 OR number = ?)",
            (reference.recipient, reference.number, reference.number),
        )
        self._boxes.pop(reference.recipient, None)
        self._last = None
        return count, (reference.recipient,) if count else ()


def _available(path: Path) -> int:
    """Bytes of the disk that are free where `path` is; none when nobody can tell."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize
