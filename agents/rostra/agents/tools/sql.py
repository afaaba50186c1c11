"""A tool that asks an SQLite database; it changes nothing unless it may."""

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

MAX_VALUE = 100_000
"""Bytes of one value, and of a statement."""
MAX_COLUMNS = 200
MAX_ANSWER = 1_000_000
"""Bytes of an answer's values, about."""
MEMORY = 256 * 1024 * 1024
"""Bytes that SQLite may use in this process, sorting included; it writes no temporary files."""
STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock."""
PRAGMAS = frozenset({"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"})

READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
WRITING = READING | {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_TRANSACTION}

_JSON = msgspec.json.Encoder(decimal_format="number")


class SqlRefused(ValueError):
    """A statement is not run; says why."""


def told_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], *, whole: bool) -> str:
    """An answer to a model: JSON, and whether these are all the rows."""
    more = "" if whole else f"\n(only the first {len(rows)} rows)"
    return _JSON.encode({"columns": columns, "rows": rows}).decode() + more


class Sql:
    """One database. `write`: rows may be inserted, updated and deleted, but tables are never made or dropped.

    `seconds` and `rows` bound a call.
    """

    def __init__(self, database: Path, *, write: bool = False, seconds: float = 30.0, rows: int = 200) -> None:
        self._database, self._write, self._seconds, self._rows = database, write, seconds, rows
        self.told = f"Runs one SQLite statement{'' if write else ', which may only read'}; answers with the columns and the rows."

    def query(
        self, sql: Annotated[str, "One statement; `SELECT name, sql FROM sqlite_schema` tells which tables there are."]
    ) -> str:
        """Run a statement; the columns and the rows as JSON, or how many rows were changed. Raises `SqlRefused`."""
        with contextlib.closing(self._connection()) as db:
            try:
                with db:
                    cursor = db.execute(sql)
                    if cursor.description is None:
                        return f"{max(cursor.rowcount, 0)} rows changed"
                    rows, whole = self._fetched(cursor)
            except sqlite3.OperationalError as error:
                if str(error) == "interrupted":
                    raise SqlRefused(f"the statement ran for more than {self._seconds:g} s") from None
                raise SqlRefused(str(error)) from None
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise SqlRefused(str(error)) from None
            except MemoryError:
                raise SqlRefused(f"the statement needs more than {MEMORY // 1024 // 1024} MiB of memory") from None
            columns = [each[0] for each in cursor.description]
        return told_rows(columns, rows, whole=whole)

    def _fetched(self, cursor: sqlite3.Cursor) -> tuple[list[list[object]], bool]:
        """The rows, as many as an answer holds, and whether these are all."""
        rows: list[list[object]] = []
        size = 0
        for row in cursor:
            if len(rows) == self._rows or size > MAX_ANSWER:
                return rows, False
            rows.append([f"<{len(value)} bytes>" if isinstance(value, bytes) else value for value in row])
            size += sum(len(value) if isinstance(value, str) else 8 for value in rows[-1])
        return rows, True

    def _connection(self) -> sqlite3.Connection:
        mode = "rw" if self._write else "ro"
        uri = f"{self._database.absolute().as_uri()}?mode={mode}"
        try:
            db = sqlite3.connect(uri, uri=True, timeout=min(self._seconds, 10.0))
        except sqlite3.OperationalError as error:
            raise SqlRefused(f"the database cannot be opened: {error}") from None
        for limit in (sqlite3.SQLITE_LIMIT_LENGTH, sqlite3.SQLITE_LIMIT_SQL_LENGTH):
            db.setlimit(limit, MAX_VALUE)
        db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        db.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, MAX_COLUMNS)
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"PRAGMA hard_heap_limit = {MEMORY}")
        end = time.monotonic() + self._seconds
        db.set_progress_handler(lambda: time.monotonic() > end, STEPS)
        db.set_authorizer(self._may)
        return db

    def _may(self, action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
        if action == sqlite3.SQLITE_PRAGMA:
            return sqlite3.SQLITE_OK if first in PRAGMAS else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and second == "load_extension":
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK if action in (WRITING if self._write else READING) else sqlite3.SQLITE_DENY
