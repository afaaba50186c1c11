"""A model whose answers are kept, by seed: for scripts that hold a model of their own. In a team the gateway keeps them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

from rostra.protocol.completion import Completion, CompletionRequest
from rostra.protocol.frames import decode_body, encode_body

from .base import ModelClient
from .cache import Cache
from .digest import canonical, digest


class CachedModel:
    """Answers an equal request from what was answered before, at no cost.

    `seed`: answers of one seed are not those of another. `path`: a file (SQLite) that keeps them beyond this process; without
    it, memory. Errors are not kept.
    """

    def __init__(self, model: ModelClient, *, seed: int = 41, path: Path | str | None = None) -> None:
        self.model, self.seed = model, seed
        self._memory = Cache()
        self._db: sqlite3.Connection | None = None
        if path is not None:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        """See `ModelClient`; a kept answer comes as one piece."""
        key = digest({**canonical(request), "seed": self.seed})
        kept = self._get(key)
        if kept is not None:
            if on_delta and kept.content:
                on_delta(kept.content)
            return kept
        completion = await self.model.complete(request, on_delta)
        self._memory.put(key, completion)
        if self._db:
            self._db.execute("INSERT OR REPLACE INTO answer VALUES (?, ?)", (key, encode_body(completion)))
        return completion

    def close(self) -> None:
        """Let go of the file."""
        if self._db:
            self._db.close()

    def _get(self, key: str) -> Completion | None:
        kept = self._memory.get(key)
        if kept is None and self._db:
            row = self._db.execute("SELECT body FROM answer WHERE key = ?", (key,)).fetchone()
            if row:
                stored: Completion = decode_body(row[0], Completion)
                kept = msgspec.structs.replace(stored, usage=msgspec.structs.replace(stored.usage, cached=True, cost=0.0))
        return kept
