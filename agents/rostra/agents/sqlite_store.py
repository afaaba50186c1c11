"""The state of an agent on disk; only an agent that keeps it there loads this."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from rostra.protocol import ChatMessage
from rostra.protocol.clock import wall_ms
from rostra.protocol.frames import decode_body, encode_body

from .state import KEPT_ANSWERS

KEPT_CHATS = 1024
TRIMMED_EVERY = 64
"""Answers between two looks at what is to be forgotten."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (chat TEXT, place INTEGER, body BLOB NOT NULL, PRIMARY KEY (chat, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chat (chat TEXT PRIMARY KEY, used_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answer (number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS value (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""


class SqliteStore:
    """A `Store` in a file, which the replicas of an agent share.

    What is written survives the death of the process at any moment; after a power failure the last few writes may be gone.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)
        self._answers = 0

    def seen(self, chat: str) -> list[ChatMessage]:
        """See `Store`."""
        rows = self._db.execute("SELECT place, body FROM seen WHERE chat = ? ORDER BY place", (chat,)).fetchall()
        messages: list[ChatMessage] = []
        for place, body in rows:
            if place != len(messages):
                break  # a hole: what comes after it is fetched again
            messages.append(decode_body(body, ChatMessage))
        return messages

    def extend(self, chat: str, place: int, messages: Sequence[ChatMessage]) -> None:
        """See `Store`."""
        if not messages:
            return
        rows = [(chat, place + number, encode_body(message)) for number, message in enumerate(messages)]
        with _transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
            self._db.execute("INSERT OR REPLACE INTO chat VALUES (?, ?)", (chat, wall_ms()))

    def back_to(self, chat: str, place: int) -> None:
        """See `Store`."""
        self._db.execute("DELETE FROM seen WHERE chat = ? AND place >= ?", (chat, place))

    def answer(self, key: bytes) -> bytes | None:
        """See `Store`."""
        row = self._db.execute("SELECT body FROM answer WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def keep_answer(self, key: bytes, body: bytes) -> None:
        """See `Store`."""
        self._db.execute("INSERT OR REPLACE INTO answer (key, body) VALUES (?, ?)", (key, body))
        self._answers += 1
        if self._answers % TRIMMED_EVERY == 0:
            self._trim()

    def get(self, key: str) -> bytes | None:
        """See `Store`."""
        row = self._db.execute("SELECT body FROM value WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: str, value: bytes | None) -> None:
        """See `Store`."""
        if value is None:
            self._db.execute("DELETE FROM value WHERE key = ?", (key,))
        else:
            self._db.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (key, value))

    def close(self) -> None:
        """See `Store`."""
        self._db.close()

    def _trim(self) -> None:
        with _transaction(self._db):
            newest = "SELECT number FROM answer ORDER BY number DESC LIMIT ?"
            self._db.execute(f"DELETE FROM answer WHERE number NOT IN ({newest})", (KEPT_ANSWERS,))  # noqa: S608
            last = "SELECT chat FROM chat ORDER BY used_ms DESC LIMIT ?"
            self._db.execute(f"DELETE FROM chat WHERE chat NOT IN ({last})", (KEPT_CHATS,))  # noqa: S608
            self._db.execute("DELETE FROM seen WHERE chat NOT IN (SELECT chat FROM chat)")


class _transaction:  # noqa: N801 - used as a function
    """All or nothing of what is executed within."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
