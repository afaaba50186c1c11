"""A tool that asks a PostgreSQL database; it changes nothing unless it may.

The server decides what a statement is, and whether it may. It is sent over the protocol that takes one statement at a time, in a
transaction that is read-only and rolled back, or, with leave to write, committed by the tool alone.
"""

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec

from rostra.protocol import redaction

from . import postgres_text as text
from .sql import MAX_ANSWER, MAX_COLUMNS, MAX_VALUE, SqlRefused, told_rows

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    Connection = AsyncConnection[tuple[Any, ...]]
    Rows = AsyncGenerator[tuple[Any, ...], None]

CONNECT = 10.0
"""Seconds until a server that does not answer is given up."""
GRACE = 2.0
"""Seconds that the server has to say by itself that a statement took too long."""


class Postgres:
    """The database whose URL is in the environment variable `url_env`.

    `write`: rows may be inserted, updated and deleted, but tables are never made or dropped. `seconds` and `rows` bound a call,
    which has a connection of its own.
    """

    def __init__(self, url_env: str, *, write: bool = False, seconds: float = 30.0, rows: int = 200) -> None:
        self._url_env, self._write, self._seconds, self._rows = url_env, write, seconds, rows
        may = "" if write else ", which may only read"
        self.told = f"Runs one PostgreSQL statement{may}; answers with the columns and the rows."

    async def query(
        self,
        sql: Annotated[
            str,
            "One statement; `SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns`"
            " tells which tables there are.",
        ],
    ) -> str:
        """Run a statement; the columns and the rows as JSON, or how many rows were changed. Raises `SqlRefused`.

        When it is cancelled, or takes too long, the server stops working on it.
        """
        if len(sql.encode()) > MAX_VALUE or "\0" in sql:
            raise SqlRefused(f"a statement has {MAX_VALUE} bytes at most, and none of them is 0")
        psycopg = _driver()
        try:
            async with asyncio.timeout(self._seconds + GRACE), self._connected() as db:
                return await self._run(db, sql.strip().removesuffix(";"))
        except TimeoutError:
            done = "; whether it was done is not known" if self._write else ""
            raise SqlRefused(f"there was no answer within {self._seconds:g} s{done}") from None
        except psycopg.errors.QueryCanceled:
            raise SqlRefused(f"the statement ran for more than {self._seconds:g} s") from None
        except psycopg.Error as error:
            raise SqlRefused(_problem(error)) from None

    @contextlib.asynccontextmanager
    async def _connected(self) -> "AsyncIterator[Connection]":
        psycopg = _driver()
        given = {**self._url(), "client_encoding": "utf8", "application_name": "rostra"}
        timeout = max(2, round(min(self._seconds, CONNECT)))
        try:
            db = await psycopg.AsyncConnection.connect(**given, autocommit=True, connect_timeout=timeout)
        except psycopg.Error as error:
            raise SqlRefused(f"the database cannot be reached: {_problem(error)}") from None
        try:
            yield db
        finally:
            await db.close()  # what is not committed is rolled back

    def _url(self) -> dict[str, Any]:
        """What to connect with; its secrets are masked from now on."""
        psycopg = _driver()
        url = os.environ.get(self._url_env, "").strip()
        if not url:
            raise SqlRefused(f"the environment variable {self._url_env} is not set")
        redaction.learn(redaction.secrets_of_url(url))
        try:
            given: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:  # the reason would show the URL
            given = {}
        if not url.startswith(("postgresql://", "postgres://")) or not given:
            raise SqlRefused(
                f"the environment variable {self._url_env} holds no URL like postgresql://user:password@host/database"
            )
        return given

    async def _run(self, db: "Connection", sql: str) -> str:
        write = self._write and not text.looks(sql)
        await db.execute("BEGIN READ WRITE" if write else "BEGIN READ ONLY")
        await db.execute(text.BOUND, [f"{math.ceil(self._seconds * 1000)}ms"])
        await _refuse_power(db)
        if text.looks(sql):
            return await self._answer(db, sql.encode())
        await db.execute(text.preparing(sql), prepare=True)
        columns = await self._columns(db, sql)
        if columns is None:
            told = await self._change(db, sql)
        else:
            kinds = [kind for _, kind in columns]
            told = await self._answer(db, text.asking(sql, kinds, self._rows), [name for name, _ in columns])
        if write:
            done = await db.execute("COMMIT")
            if done.statusmessage != "COMMIT":
                raise SqlRefused("the change was rolled back")
        return told

    async def _columns(self, db: "Connection", sql: str) -> list[tuple[str, int]] | None:
        """The columns of a query, name and type; None for a change of rows, where there is leave for one."""
        psycopg = _driver()
        await db.execute("SAVEPOINT looked")
        try:
            looked = await db.execute(text.looking(sql), prepare=True)
        except (psycopg.errors.SyntaxError, psycopg.errors.FeatureNotSupported):
            if not self._write:
                raise SqlRefused("only queries are run") from None
            await db.execute("ROLLBACK TO SAVEPOINT looked")
            return None
        columns = [(column.name, column.type_code) for column in looked.description or ()]
        if not 0 < len(columns) <= MAX_COLUMNS:
            raise SqlRefused(f"an answer has one column at least, and {MAX_COLUMNS} at most")
        return columns

    async def _change(self, db: "Connection", sql: str) -> str:
        psycopg = _driver()
        returning = text.changing(sql, self._rows)
        await db.execute(b"PREPARE only_changing AS " + text.only_changing(sql), prepare=True)
        await db.execute("SAVEPOINT looked")
        try:
            await db.execute(b"PREPARE changing AS " + returning, prepare=True)
        except psycopg.errors.FeatureNotSupported:  # it returns nothing
            await db.execute("ROLLBACK TO SAVEPOINT looked")
            done = await db.execute(sql.encode(), prepare=True)
            return f"{max(done.rowcount, 0)} rows changed"
        return await self._answer(db, returning, ["changed"], _returned)

    async def _answer(
        self,
        db: "Connection",
        statement: bytes,
        columns: list[str] | None = None,
        shown: Callable[[Any], object] | None = None,
    ) -> str:
        """Run a statement; as many of its rows as an answer holds. `columns`: None are those that the server names."""
        rows: list[list[object]] = []
        size, whole = 0, True
        async with db.cursor() as cursor, contextlib.aclosing(cast("Rows", cursor.stream(statement))) as streamed:
            async for row in streamed:
                if len(rows) == self._rows or size > MAX_ANSWER:
                    whole = False
                    if self._write:
                        continue  # an end in the middle would undo what was changed
                    break
                rows.append([(shown or _shown)(value) for value in row])
                size += sum(len(str(value)) for value in rows[-1])
            names = columns or [column.name for column in cursor.description or ()]
        return told_rows(names, rows, whole=whole)


async def _refuse_power(db: "Connection") -> None:
    """A role that can reach out of its database is no role for a model. Raises `SqlRefused`."""
    if found := await (await db.execute(text.POWERS)).fetchone():
        raise SqlRefused(
            f"the tool's role is, or may become, {found[0]}, which reaches out of the database: give it a plain role"
        )
    if found := await (await db.execute(text.DOORS)).fetchone():
        raise SqlRefused(f"the tool's role may call {found[0]}, which reaches out of the database: revoke that")


def _shown(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return str(value)
    return value


def _returned(row: str) -> object:
    """A row as a statement returned it: JSON, but where it is so long that it was cut."""
    try:
        return msgspec.json.decode(row)
    except msgspec.DecodeError:
        return row


def _problem(error: Exception) -> str:
    """What the server said, or the driver, with the server's hint."""
    diagnosis = getattr(error, "diag", None)
    said: str = getattr(diagnosis, "message_primary", None) or str(error).strip().partition("\n")[0]
    hint = getattr(diagnosis, "message_hint", None)
    return f"{said} ({hint})" if hint else said


def _driver() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError:
        raise SqlRefused("PostgreSQL needs its driver, which is not installed: pip install 'rostra[postgres]'") from None
    return psycopg
