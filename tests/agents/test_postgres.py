"""The SQL tool on a PostgreSQL server: what it answers, what it refuses, and that nothing is left running."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import until

from rostra.agents import BadTool, Context
from rostra.agents.tools.config import ToolConfig
from rostra.agents.tools.kit import make_tool
from rostra.protocol import redaction

from .postgres_server import NoServer, PostgresServer, postgres_server

SECRET = "pass/word:of a@reader"
POSTGRES = {"use": "sql", "database_env": "LIBRARY_URL", "seconds": 60}
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"
Asked = Callable[..., Any]


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """One server for all the tests; where there is none they are skipped with the reason, but fail in CI."""
    try:
        with postgres_server() as server:
            server.run(
                f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'",
                "CREATE ROLE files LOGIN PASSWORD 'x'; GRANT pg_read_server_files TO files",
                "CREATE ROLE lo LOGIN PASSWORD 'x'; GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO lo",
                "CREATE TABLE book (title text, year int); GRANT ALL ON book TO reader",
                "CREATE SEQUENCE counter; GRANT ALL ON SEQUENCE counter TO reader; GRANT CREATE ON SCHEMA public TO reader",
            )
            yield server
    except NoServer as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@pytest.fixture
def asked(server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """Has the tool run a statement, as a role that may do more than the tool lets it; two books are there."""
    server.run("DELETE FROM book", "INSERT INTO book VALUES ('Emma', 1815), ('Ulysses', 1922)")
    monkeypatch.setenv("LIBRARY_URL", server.url("reader", SECRET))
    monkeypatch.setattr(redaction, "own", redaction.own)

    async def ask(sql: str, **table: Any) -> str:
        tool = make_tool("it", msgspec.convert({**POSTGRES, **table}, ToolConfig), tmp_path)
        return await tool.run(json.dumps({"sql": sql}), Context(agent="ann"))

    return ask


def state(server: PostgresServer) -> list[Any]:
    """What no statement of a reader may change."""
    return server.run(
        """SELECT (SELECT array_agg(b::text ORDER BY title) FROM book b), (SELECT (last_value, is_called)::text FROM counter),
        (SELECT array_agg(relname::text ORDER BY oid) FROM pg_class WHERE oid > 16383),
        (SELECT array_agg(proname::text ORDER BY oid) FROM pg_proc WHERE oid > 16383),
        (SELECT array_agg(oid ORDER BY oid) FROM pg_largeobject_metadata), (SELECT array_agg(s::text) FROM pg_db_role_setting s),
        (SELECT array_agg(rolname::text || ' ' || rolsuper ORDER BY oid) FROM pg_roles)"""
    )


def working(server: PostgresServer) -> int:
    """How many connections of the tool the server still has."""
    [[count]] = server.run("SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'rostra'")
    assert isinstance(count, int)
    return count


async def test_a_postgresql_database_is_asked(asked: Asked) -> None:
    answer = await asked("SELECT title, year FROM book WHERE year < 1900;")
    assert json.loads(answer) == {"columns": ["title", "year"], "rows": [["Emma", 1815]]}
    assert json.loads(await asked("SELECT 1 AS a, 2 AS a WHERE false")) == {"columns": ["a", "a"], "rows": []}
    assert "book" in await asked("SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'")
    assert "Seq Scan on book" in await asked("EXPLAIN ANALYZE SELECT * FROM book")
    assert json.loads(await asked("SHOW server_encoding")) == {"columns": ["server_encoding"], "rows": [["UTF8"]]}
    assert 'column "titel" does not exist' in await asked("SELECT titel FROM book")
    assert json.loads(await asked("-- which?\nVALUES ('ü', 1), (NULL, 2) -- these"))["rows"] == [["ü", 1], [None, 2]]


async def test_every_type_has_a_form_in_json(asked: Asked) -> None:
    values = {
        "true": True,
        "1.5::float8": 1.5,
        "'NaN'::float8": "nan",
        "12345678901234567890.123::numeric": 12345678901234567890.123,
        "'NaN'::numeric": "NaN",
        "DATE '1815-12-23'": "1815-12-23",
        "'\\x0102'::bytea": "<2 bytes>",
        "ARRAY[1, 2]": "{1,2}",
        "'{\"a\": 1}'::jsonb": '{"a": 1}',
        "ROW(1, 'x')": "(1,x)",
        "pg_sleep(0)": "",
        "NULL": None,
    }
    [row] = json.loads(await asked(f"SELECT {', '.join(values)}"))["rows"]
    assert row == list(values.values())


NEVER = [
    "DROP TABLE book",
    "CREATE TABLE x (y int)",
    "CREATE TEMP TABLE x (y int)",
    "SELECT * INTO x FROM book",
    "CREATE TABLE x AS SELECT * FROM book",
    "EXPLAIN ANALYZE DELETE FROM book",
    "EXPLAIN SELECT 1; DELETE FROM book",
    "TRUNCATE book",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "COMMIT",
    "COMMIT; DROP TABLE book",
    "ROLLBACK; DELETE FROM book",
    "SELECT 1; DELETE FROM book",
    "SELECT 1;; DELETE FROM book;",
    "SELECT 1) AS answer; DELETE FROM book --",
    "SELECT 1) AS answer(c0) UNION ALL SELECT 2 FROM (SELECT 1",
    "WITH gone AS (DELETE FROM book RETURNING title) SELECT * FROM gone",
    "WITH gone AS (DELETE FROM book RETURNING title) DELETE FROM book",
    "SELECT 1 /*",
    "SELECT 'x",
    "SELECT $$x",
    "DO $$ BEGIN DELETE FROM book; END $$",
    "CALL x()",
    "COPY book TO PROGRAM 'cat > /tmp/x'",
    "COPY book TO STDOUT",
    "COPY book FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "SELECT set_config('role', 'owner', false)",
    "SELECT set_config('session_authorization', 'owner', false)",
    "SET ROLE owner",
    "ALTER ROLE reader SUPERUSER",
    "ALTER ROLE reader SET default_transaction_read_only = off",
    "PREPARE x AS DELETE FROM book",
    "EXECUTE asked",
    "DECLARE x CURSOR WITH HOLD FOR SELECT 1",
    "LISTEN x",
    "LOCK TABLE book",
    "LOAD 'x'",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'DELETE FROM book; SELECT 1'",
    "VACUUM book",
    "SELECT 1\0; DELETE FROM book",
    "",
]
CHANGES = [
    "DELETE FROM book",
    "INSERT INTO book VALUES ('x', 1)",
    "UPDATE book SET year = 1 RETURNING title, year",
    "WITH x AS (SELECT 1) DELETE FROM book",
    "SELECT * FROM book FOR UPDATE",
    "SELECT nextval('counter')",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "EXPLAIN ANALYZE SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT setval('counter', 7)",
]


@pytest.mark.parametrize("write", [False, True])
async def test_tables_and_files_and_roles_stay_what_they_are(asked: Asked, server: PostgresServer, write: bool) -> None:
    before = state(server)
    for sql in NEVER:
        assert (await asked(sql, write=write)).startswith("Error: SqlRefused"), sql
        assert state(server) == before, sql


async def test_a_postgresql_database_is_only_read(asked: Asked, server: PostgresServer) -> None:
    before = state(server)
    for sql in CHANGES:
        assert (await asked(sql)).startswith("Error: SqlRefused"), sql
        assert state(server) == before, sql


UNDONE = [
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "EXPLAIN ANALYZE CREATE TABLE x AS SELECT * FROM book",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_notify('x', 'y')",
]


async def test_what_the_server_lets_a_query_do_is_undone(asked: Asked, server: PostgresServer) -> None:
    before = state(server)
    for sql in UNDONE:
        assert "rows" in await asked(sql), sql
        assert state(server) == before, sql


async def test_with_leave_to_write_rows_are_changed(asked: Asked, server: PostgresServer) -> None:
    assert await asked("INSERT INTO book VALUES ('x', 1), ('y', 2)", write=True) == "2 rows changed"
    returned = await asked("UPDATE book SET year = 3 WHERE title = 'x' RETURNING *", write=True)
    assert json.loads(returned) == {"columns": ["changed"], "rows": [[{"title": "x", "year": 3}]]}
    assert await asked("WITH gone AS (SELECT 'y' AS title) DELETE FROM book USING gone WHERE book.title = gone.title", write=True)
    all_of_them = await asked("UPDATE book SET year = 4 RETURNING title", write=True, rows=1)
    assert all_of_them.endswith("(only the first 1 rows)")
    assert server.run("SELECT title, year FROM book ORDER BY title") == [("Emma", 4), ("Ulysses", 4), ("x", 4)]
    assert "rows" in await asked("SELECT nextval('counter')", write=True)


async def test_an_endless_statement_is_ended_by_the_server(asked: Asked, server: PostgresServer) -> None:
    began = time.monotonic()
    endless = ENDLESS.format("count(*)")
    late = re.compile("ran for more than 1 s|no answer within 1 s")  # the latter where the machine is slow
    assert late.search(await asked(endless, seconds=1))
    unbound = ENDLESS.format("set_config('statement_timeout', '0', false), count(*)")
    assert late.search(await asked(unbound, seconds=1))
    assert time.monotonic() - began < 30
    await until(lambda: working(server) == 0)


async def test_of_an_endless_answer_only_the_first_rows_are_fetched(asked: Asked, server: PostgresServer) -> None:
    assert (await asked(ENDLESS.format("x"), rows=3)).endswith('"rows":[[1],[2],[3]]}\n(only the first 3 rows)')
    assert len(await asked(ENDLESS.format("repeat('x', 90000)"), rows=10_000)) < 200_000
    long = await asked("SELECT 1, repeat('x', 10000000)")
    assert long.startswith('{"columns":["?column?","repeat"],"rows":[[1,"xxx')
    assert len(long) < 200_000
    await until(lambda: working(server) == 0)


async def test_a_cancelled_statement_ends_on_the_server(asked: Asked, server: PostgresServer) -> None:
    call = asyncio.create_task(asked(ENDLESS.format("count(*)")))
    busy = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'rostra' AND query LIKE '%RECURSIVE%' AND state = 'active'"
    await until(lambda: server.run(busy) != [])
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: working(server) == 0)


@pytest.mark.parametrize(
    ("role", "password", "reason"),
    [
        ("owner", None, "is, or may become, owner"),
        ("files", "x", "is, or may become, pg_read_server_files"),
        ("lo", "x", "may call lo_export"),
    ],
)
async def test_a_role_that_reaches_out_of_its_database_is_refused(
    asked: Asked, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, role: str, password: str | None, reason: str
) -> None:
    monkeypatch.setenv("LIBRARY_URL", server.url(role, password) if password else server.url())
    assert reason in await asked("SELECT 1")


async def test_a_failed_connection_is_an_error_without_the_password(
    asked: Asked, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "wrong-pass@word"
    for url, reason in [
        (server.url("reader", wrong), "authentication failed"),
        (f"postgresql://reader:{wrong.replace('@', '%40')}@127.0.0.1:1/x", "cannot be reached"),
        (f"postgresql://reader:{wrong.replace('@', '%40')}@/x?nonsense=1", "holds no URL"),
        (f"postgresql://reader:{wrong.replace('@', '%4')}@[/x", "holds no URL"),
        (f"host=/tmp password={wrong}", "holds no URL"),
        ("", "LIBRARY_URL is not set"),
    ]:
        monkeypatch.setenv("LIBRARY_URL", url)
        answer = await asked("SELECT 1")
        assert answer.startswith("Error: SqlRefused")
        assert reason in answer
        assert "wrong-pass" not in answer
    assert "***" in redaction.own.text(f"it was {wrong}")


async def test_the_password_is_masked_wherever_it_turns_up(asked: Asked, server: PostgresServer) -> None:
    answer = await asked(f"SELECT '{SECRET}'")
    assert SECRET not in redaction.own.text(answer)
    assert SECRET not in redaction.own.text(f"at {server.url('reader', SECRET)}")


async def test_without_the_driver_the_remedy_is_said(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install 'rostra[postgres]'" in await asked("SELECT 1")


@pytest.mark.parametrize("keys", [{}, {"database": "x.db", "database_env": "X"}])
def test_a_tool_has_one_database(keys: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadTool, match="needs either 'database' or 'database_env'"):
        make_tool("it", ToolConfig(use="sql", **keys), tmp_path)
