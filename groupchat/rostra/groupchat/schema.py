"""The tables of a transcript database, as ordered migrations; `PRAGMA user_version` counts those that were made."""

import sqlite3
from collections.abc import Callable, Iterator

import msgspec

from rostra.protocol import ChatMessage

from .errors import BadOptions


def _fill_search(connection: sqlite3.Connection) -> None:
    """Make what was said before there was an index findable."""
    decode = msgspec.msgpack.Decoder(ChatMessage).decode
    for chat, number, speaker, raw in connection.execute(
        "SELECT chat, number, speaker, message FROM row WHERE sequence > 0 ORDER BY chat, number"
    ).fetchall():
        connection.execute(
            "INSERT INTO search (text, chat, number, speaker) VALUES (?, ?, ?, ?)", (decode(raw).text, chat, number, speaker)
        )


Migration = str | tuple[str, Callable[[sqlite3.Connection], None]]
"""SQL, and perhaps a function that is called after it in the same transaction."""

MIGRATIONS: tuple[Migration, ...] = (
    """
    CREATE TABLE chat (
        id TEXT PRIMARY KEY,
        request BLOB NOT NULL,              -- of the request that began it, so that a repeated one finds it again
        state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'ended')),
        epoch INTEGER NOT NULL,             -- raised by each coordinator that takes the chat; older ones are fenced
        settings BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        rows INTEGER NOT NULL DEFAULT 0,    -- the last row's number
        messages INTEGER NOT NULL DEFAULT 0,
        links INTEGER NOT NULL DEFAULT 0,   -- the length of the hash chain
        head BLOB NOT NULL,                 -- the hash of its last row
        prompt_tokens INTEGER NOT NULL DEFAULT 0,
        completion_tokens INTEGER NOT NULL DEFAULT 0,
        cost REAL NOT NULL DEFAULT 0,
        estimated INTEGER NOT NULL DEFAULT 0,
        result BLOB NOT NULL DEFAULT x''
    ) STRICT;
    CREATE INDEX chat_state ON chat (state) WHERE state <> 'ended';
    CREATE INDEX chat_created ON chat (created_ms);

    CREATE TABLE row (
        chat TEXT NOT NULL REFERENCES chat (id),
        number INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('opening', 'turn', 'said')),
        turn BLOB NOT NULL,
        speaker TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('asked', 'done', 'failed', 'late')),
        epoch INTEGER NOT NULL,
        sequence INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 1,
        why BLOB NOT NULL DEFAULT x'',
        message BLOB NOT NULL DEFAULT x'',
        error TEXT NOT NULL DEFAULT '',
        usage BLOB NOT NULL DEFAULT x'',
        selection_usage BLOB NOT NULL DEFAULT x'',
        asked_ms INTEGER NOT NULL,
        done_ms INTEGER NOT NULL DEFAULT 0,
        link INTEGER NOT NULL DEFAULT 0,    -- place in the hash chain; 0: not closed yet
        previous BLOB NOT NULL DEFAULT x'',
        hash BLOB NOT NULL DEFAULT x'',
        UNIQUE (chat, number)
    ) STRICT;
    CREATE UNIQUE INDEX row_sequence ON row (chat, sequence) WHERE sequence > 0;
    CREATE UNIQUE INDEX row_link ON row (chat, link) WHERE link > 0;
    CREATE UNIQUE INDEX row_open ON row (chat) WHERE state = 'asked';

    CREATE TABLE inbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,            -- of the request that asks
        chat TEXT NOT NULL,
        question BLOB NOT NULL,
        asked_ms INTEGER NOT NULL,
        due_ms INTEGER NOT NULL,            -- 0: no deadline
        answer BLOB NOT NULL DEFAULT x'',
        closed_ms INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX inbox_open ON inbox (number) WHERE closed_ms = 0;
    """,
    # Operators' controls, rewound rows, forks, full-text search. A kind of row is what `rows.Kind` says, not the table's matter.
    (
        """
    ALTER TABLE chat ADD COLUMN floor BLOB NOT NULL DEFAULT x'';    -- what controls have changed: members, limits
    ALTER TABLE chat ADD COLUMN parent TEXT NOT NULL DEFAULT '';    -- the chat that it was forked from

    CREATE TABLE row2 (
        chat TEXT NOT NULL REFERENCES chat (id),
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        turn BLOB NOT NULL,
        speaker TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('asked', 'done', 'failed', 'late', 'cancelled')),
        epoch INTEGER NOT NULL,
        sequence INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 1,
        why BLOB NOT NULL DEFAULT x'',
        message BLOB NOT NULL DEFAULT x'',
        error TEXT NOT NULL DEFAULT '',
        usage BLOB NOT NULL DEFAULT x'',
        selection_usage BLOB NOT NULL DEFAULT x'',
        asked_ms INTEGER NOT NULL,
        done_ms INTEGER NOT NULL DEFAULT 0,
        link INTEGER NOT NULL DEFAULT 0,    -- place in the hash chain; 0: not closed yet
        previous BLOB NOT NULL DEFAULT x'',
        hash BLOB NOT NULL DEFAULT x'',
        control BLOB NOT NULL DEFAULT x'',
        rewound INTEGER NOT NULL DEFAULT 0, -- the number of the row that rewound this one; follows from the chain
        UNIQUE (chat, number)
    ) STRICT;
    INSERT INTO row2 (chat, number, kind, turn, speaker, state, epoch, sequence, attempts, why, message, error, usage,
                      selection_usage, asked_ms, done_ms, link, previous, hash)
        SELECT chat, number, kind, turn, speaker, state, epoch, sequence, attempts, why, message, error, usage,
               selection_usage, asked_ms, done_ms, link, previous, hash FROM row;
    DROP TABLE row;
    ALTER TABLE row2 RENAME TO row;
    CREATE UNIQUE INDEX row_sequence ON row (chat, sequence) WHERE sequence > 0 AND rewound = 0;
    CREATE UNIQUE INDEX row_link ON row (chat, link) WHERE link > 0;
    CREATE UNIQUE INDEX row_open ON row (chat) WHERE state = 'asked';

    CREATE VIRTUAL TABLE search USING fts5 (text, chat UNINDEXED, number UNINDEXED, speaker UNINDEXED);
    """,
        _fill_search,
    ),
    # Rounds: several turns are open at once. The state of a row is what `rows.RowState` says, not the table's matter.
    """
    CREATE TABLE row3 (
        chat TEXT NOT NULL REFERENCES chat (id),
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        turn BLOB NOT NULL,
        speaker TEXT NOT NULL,
        state TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        sequence INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 1,
        why BLOB NOT NULL DEFAULT x'',
        message BLOB NOT NULL DEFAULT x'',
        error TEXT NOT NULL DEFAULT '',
        usage BLOB NOT NULL DEFAULT x'',
        selection_usage BLOB NOT NULL DEFAULT x'',
        asked_ms INTEGER NOT NULL,
        done_ms INTEGER NOT NULL DEFAULT 0,
        link INTEGER NOT NULL DEFAULT 0,    -- place in the hash chain; 0: not closed yet
        previous BLOB NOT NULL DEFAULT x'',
        hash BLOB NOT NULL DEFAULT x'',
        control BLOB NOT NULL DEFAULT x'',
        rewound INTEGER NOT NULL DEFAULT 0, -- the number of the row that rewound this one; follows from the chain
        UNIQUE (chat, number)
    ) STRICT;
    INSERT INTO row3 SELECT * FROM row;
    DROP TABLE row;
    ALTER TABLE row3 RENAME TO row;
    CREATE UNIQUE INDEX row_sequence ON row (chat, sequence) WHERE sequence > 0 AND rewound = 0;
    CREATE UNIQUE INDEX row_link ON row (chat, link) WHERE link > 0;
    CREATE INDEX row_open ON row (chat) WHERE state IN ('asked', 'held');
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date; raises `BadOptions` for a database that a newer version has written."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise BadOptions(f"the transcript database has schema {version}; this version knows {len(MIGRATIONS)}")
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        script, fill = migration if isinstance(migration, tuple) else (migration, None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            (now,) = connection.execute("PRAGMA user_version").fetchone()
            if now < number:  # else another process was quicker
                for statement in _statements(script):
                    connection.execute(statement)
                if fill is not None:
                    fill(connection)
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; `executescript` would commit on its own."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
