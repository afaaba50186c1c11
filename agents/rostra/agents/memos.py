"""What teachable agents have learned: memos in SQLite, found again by their words.

A memo says when it matters and what is to be remembered then. Ranking is that of FTS5 (bm25 over stemmed words).
"""

import hashlib
import re
import sqlite3
from pathlib import Path

import msgspec

from rostra.protocol.clock import wall_ms

MOST = 10
"""Memos that are shown to a model at once, at most."""
MAX_TEXT = 4_000
"""Characters of either part of a memo."""
MAX_WORDS = 64
"""Words of a message that are looked for; the first ones."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS memo (
    number INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, topic TEXT NOT NULL, content TEXT NOT NULL,
    source TEXT NOT NULL DEFAULT '', made_ms INTEGER NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS found USING fts5 (
    topic, content, content='memo', content_rowid='number', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER IF NOT EXISTS memo_in AFTER INSERT ON memo BEGIN
    INSERT INTO found (rowid, topic, content) VALUES (new.number, new.topic, new.content);
END;
CREATE TRIGGER IF NOT EXISTS memo_out AFTER DELETE ON memo BEGIN
    INSERT INTO found (found, rowid, topic, content) VALUES ('delete', old.number, old.topic, old.content);
END;
"""

VECTORS = """
CREATE TABLE IF NOT EXISTS vector (
    number INTEGER NOT NULL REFERENCES memo (number) ON DELETE CASCADE, model TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (number, model)
) WITHOUT ROWID;
"""

_WORD = re.compile(r"\w+")
_COMMON = frozenset(
    """a an and are as at be but by can could did do does for from had has have how i if in into is it its me my no not of on or
    our please she so that the their them then there these they this to us was we were what when where which who why will with
    would you your""".split()  # noqa: SIM905 - a list of strings would be no easier to read
)
"""Words that say nothing about what a text is about."""


class Memo(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to remember. `made_ms`: milliseconds since 1970."""

    number: int
    topic: str
    """When it matters: a task, a question, a subject."""
    content: str
    """What is to be remembered then."""
    source: str = ""
    """Where it comes from: `chat <id>`, or who said so."""
    made_ms: int = 0


class Memos:
    """The memos of one agent in the file `path`, which its replicas share, and which outlives chats and restarts."""

    def __init__(self, path: Path | str) -> None:
        if str(path) != ":memory:":
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(SCHEMA + VECTORS)

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM memo").fetchone()[0])

    def add(self, topic: str, content: str, source: str = "") -> Memo:
        """Remember `content` for when `topic` comes up; the same once more is one memo. Raises ValueError for an empty part."""
        topic, content = topic.strip()[:MAX_TEXT], content.strip()[:MAX_TEXT]
        if not topic or not content:
            raise ValueError("a memo says when it matters, and what is to be remembered")
        key = hashlib.sha256(f"{len(topic)} {topic}{content}".encode()).digest()
        self._db.execute(
            "INSERT OR IGNORE INTO memo (digest, topic, content, source, made_ms) VALUES (?, ?, ?, ?, ?)",
            (key, topic, content, source, wall_ms()),
        )
        return _memo(self._db.execute(f"{_SELECT} WHERE digest = ?", (key,)).fetchone())

    def find(self, text: str, most: int = MOST) -> list[Memo]:
        """The memos that have words in common with `text`, the most fitting first, `most` at most."""
        words = list(dict.fromkeys(word for word in _WORD.findall(text.lower()) if word not in _COMMON))[:MAX_WORDS]
        if not words:
            return []
        query = " OR ".join(f'"{word}"' for word in words)
        ranked = "SELECT rowid FROM found WHERE found MATCH ? ORDER BY bm25(found, 2.0, 1.0), rowid DESC LIMIT ?"
        numbers = [row[0] for row in self._db.execute(ranked, (query, min(most, MOST)))]
        return [memo for memo in map(self.get, numbers) if memo]

    def without_vector(self, model: str, most: int) -> list[Memo]:
        """Memos that have no vector of `model` yet, the newest first, `most` at most."""
        query = """SELECT number FROM memo WHERE number NOT IN (SELECT number FROM vector WHERE model = :model)
                   ORDER BY number DESC LIMIT :most"""
        numbers = [row[0] for row in self._db.execute(query, {"model": model, "most": most})]
        return [memo for memo in map(self.get, numbers) if memo]

    def keep_vector(self, number: int, model: str, vector: bytes) -> None:
        """Keep what `model` made of a memo; nothing happens when the memo was forgotten meanwhile."""
        known = {"number": number, "model": model, "data": vector}
        self._db.execute(
            "INSERT OR REPLACE INTO vector SELECT number, :model, :data FROM memo WHERE number = :number",
            known,
        )

    def vectors(self, model: str) -> list[tuple[int, bytes]]:
        """Numbers of memos, and their vectors by `model`."""
        return list(self._db.execute("SELECT number, data FROM vector WHERE model = :model", {"model": model}))

    def get(self, number: int) -> Memo | None:
        """The memo `number`."""
        row = self._db.execute(f"{_SELECT} WHERE number = ?", (number,)).fetchone()
        return _memo(row) if row else None

    def all(self) -> list[Memo]:
        """Every memo, the oldest first."""
        return [_memo(row) for row in self._db.execute(f"{_SELECT} ORDER BY number")]

    def forget(self, number: int) -> bool:
        """Forget one memo; False: there is none of that number."""
        return self._db.execute("DELETE FROM memo WHERE number = ?", (number,)).rowcount > 0

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


_SELECT = "SELECT number, topic, content, source, made_ms FROM memo"


def _memo(row: tuple[int, str, str, str, int]) -> Memo:
    number, topic, content, source, made_ms = row
    return Memo(number=number, topic=topic, content=content, source=source, made_ms=made_ms)


def rating(good: bool, why: str, before: str, said: str) -> tuple[str, str]:
    """A person's rating of the answer `said` to `before` as a memo: its topic and its content."""
    verdict = "was a good answer" if good else "was not a good answer"
    because = f", because: {why.strip()}" if why.strip() else ""
    do = "Answer so again" if good else "Do not answer so again"
    return before[:MAX_TEXT] or said[:MAX_TEXT], f"{do}. “{said.strip()[:500]}” {verdict}{because}"
