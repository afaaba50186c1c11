"""The statements that a PostgreSQL server is sent: pure text.

What a model wrote is put into parentheses, where the server's grammar takes a query, or a change of rows, and nothing else. That
it cannot close them is known when the server took it by itself before (`preparing`).
"""

from collections.abc import Sequence

from .sql import MAX_VALUE

AS_IT_IS = frozenset({16, 20, 21, 23, 700, 701, 1700})
"""Types (bool, int8, int2, int4, float4, float8, numeric) of short values that JSON has; others come as text."""
BYTEA, VOID = 17, 2278

BOUND = (
    "SELECT pg_catalog.set_config(name, %s, true)"
    " FROM (VALUES ('statement_timeout'), ('idle_in_transaction_session_timeout')) AS bound(name)"
)
"""The server itself ends what takes too long, and a transaction that everybody has forgotten. Parameter: the time."""
POWERS = (
    "SELECT rolname FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(session_user, oid, 'MEMBER') AND (rolsuper OR"
    " rolreplication OR rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))"
    " ORDER BY rolname LIMIT 1"
)
"""A role that this one is, or may become, that reaches out of the database."""
DOORS = (
    "SELECT p.proname FROM pg_catalog.pg_proc p"
    " WHERE p.proname ~ '^(dblink|dblink_.*|lo_import|lo_export|pg_read_file|pg_read_binary_file|pg_ls_dir|pg_file_.*)$'"
    " AND EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')"
    " AND pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')) ORDER BY p.proname LIMIT 1"
)
"""A function that this role may call, or become able to, that reaches out of the database."""


def looks(sql: str) -> bool:
    """Whether `sql` tells of a plan or a setting; such a statement is no query that could be put into another one."""
    return sql.upper().startswith(("EXPLAIN", "SHOW"))


def preparing(sql: str) -> bytes:
    """Refused by the server unless `sql` is one query or one change of rows; runs nothing."""
    return f"PREPARE asked AS\n{sql}".encode()


def looking(sql: str) -> bytes:
    """Has the columns of the query `sql` and none of its rows; refused for a change of rows."""
    return f"SELECT * FROM (\n{sql}\n) AS answer LIMIT 0".encode()  # noqa: S608 - see above


def asking(sql: str, kinds: Sequence[int], rows: int) -> bytes:
    """The query `sql`, whose columns have types of these numbers; one row more than `rows` at most, and no endless values."""
    columns = [f"c{number}" for number in range(len(kinds))]
    chosen = (_column(column, kind) for column, kind in zip(columns, kinds, strict=True))
    return f"SELECT {', '.join(chosen)} FROM (\n{sql}\n) AS answer({', '.join(columns)}) LIMIT {rows + 1}".encode()  # noqa: S608 - see above


def only_changing(sql: str) -> bytes:
    """Refused unless `sql` is one change of rows that has no other one within; not to be run."""
    return f"WITH changed AS (\n{sql}\n) SELECT 1".encode()


def changing(sql: str, rows: int) -> bytes:
    """The change of rows `sql` with what it returns, a JSON text for each row; refused when it returns nothing."""
    row = f"pg_catalog.left(pg_catalog.row_to_json(changed)::text, {MAX_VALUE})"
    return f"WITH changed AS (\n{sql}\n) SELECT {row} FROM changed LIMIT {rows + 1}".encode()  # noqa: S608 - see above


def _column(column: str, kind: int) -> str:
    if kind in AS_IT_IS:
        return column
    if kind == BYTEA:
        return f"'<' || pg_catalog.octet_length({column}) || ' bytes>'"
    if kind == VOID:
        return f"CASE WHEN {column} IS NULL THEN '' ELSE '' END"
    return f"pg_catalog.left({column}::text, {MAX_VALUE})"
