"""What is written to a transcript: functions over a connection, each run inside a transaction of the writer."""

import sqlite3
from collections.abc import Iterable

import msgspec

from rostra.protocol import Usage
from rostra.protocol.chat import Result

from .errors import ChatExists, Fenced, NoSuchChat
from .facts import total
from .floor import Floor
from .rows import Row, Settings, genesis, plain_columns, row_hash, stored

_encoder = msgspec.msgpack.Encoder()


def create(connection: sqlite3.Connection, chat: str, request: bytes, settings: Settings, opening: Row, parent: str = "") -> int:
    """Begin a chat with its opening row; returns its epoch. `parent`: the chat it is forked from. Raises `ChatExists`."""
    try:
        connection.execute(
            "INSERT INTO chat (id, request, state, epoch, settings, created_ms, head, parent)"
            " VALUES (?, ?, 'running', ?, ?, ?, ?, ?)",
            (chat, request, opening.epoch, _encoder.encode(settings), opening.done_ms, genesis(chat), parent),
        )
    except sqlite3.IntegrityError:
        raise ChatExists(chat) from None
    append(connection, chat, opening)
    return opening.epoch


def take(connection: sqlite3.Connection, chat: str, ended: bool = False) -> int:
    """Take the chat over from whoever had it; returns the new epoch. One that an operator paused stays so.

    Raises `NoSuchChat`, also for one that has ended, but with `ended`.
    """
    found = connection.execute(
        "UPDATE chat SET epoch = epoch + 1, state = CASE WHEN result = x'' THEN state ELSE 'running' END, result = x''"
        " WHERE id = ? AND (state <> 'ended' OR ?) RETURNING epoch",
        (chat, ended),
    ).fetchone()
    if found is None:
        raise NoSuchChat(chat)
    return int(found[0])


def journal(connection: sqlite3.Connection, chat: str, rows: Iterable[Row]) -> None:
    """Write the open rows of turns that begin together, before anybody is asked; no other turn is open. Raises `Fenced`."""
    together = list(rows)
    for row in together:
        _guard(connection, chat, row.epoch)
    found = connection.execute("SELECT turn FROM row WHERE chat = ? AND state IN ('asked', 'held')", (chat,)).fetchone()
    if found is not None:
        raise ValueError(f"a turn of chat {chat} is open: {found[0].hex()}")
    for row in together:
        columns = stored(row)
        connection.execute(
            "INSERT INTO row (chat, number, kind, turn, speaker, state, epoch, attempts, why, selection_usage, asked_ms)"
            " VALUES (?, ?, ?, ?, ?, 'asked', ?, ?, ?, ?, ?)",
            (
                chat,
                row.number,
                row.kind,
                row.turn,
                row.speaker,
                row.epoch,
                row.attempts,
                columns.why,
                columns.selection_usage,
                row.asked_ms,
            ),
        )
        connection.execute("UPDATE chat SET rows = ? WHERE id = ?", (row.number, chat))


def tried(connection: sqlite3.Connection, chat: str, epoch: int, turn: bytes, attempts: int) -> None:
    """Count one more attempt of the open turn. Raises `Fenced`."""
    _guard(connection, chat, epoch)
    connection.execute("UPDATE row SET attempts = ? WHERE chat = ? AND turn = ? AND state = 'asked'", (attempts, chat, turn))


def append(connection: sqlite3.Connection, chat: str, row: Row) -> None:
    """Write a row that is closed from the start: the opening, or what a person said. Raises `Fenced`."""
    _guard(connection, chat, row.epoch)
    connection.execute(
        "INSERT INTO row (chat, number, kind, turn, speaker, state, epoch, asked_ms) VALUES (?, ?, ?, ?, ?, 'done', ?, ?)",
        (chat, row.number, row.kind, row.turn, row.speaker, row.epoch, row.asked_ms),
    )
    connection.execute("UPDATE chat SET rows = ? WHERE id = ?", (row.number, chat))
    _link(connection, chat, row)


def record(connection: sqlite3.Connection, chat: str, row: Row, floor: Floor) -> None:
    """Write what an operator did, what it made of the floor, and the marks of what it rewound. Raises `Fenced`."""
    append(connection, chat, row)
    connection.execute("UPDATE chat SET floor = ? WHERE id = ?", (_encoder.encode(floor), chat))
    if row.control is not None and row.control.what == "rewind":
        connection.execute(
            "UPDATE row SET rewound = :number WHERE chat = :chat AND number < :number AND rewound = 0"
            " AND kind <> 'control' AND state <> 'late'"
            " AND number > (SELECT number FROM row WHERE chat = :chat AND sequence = :sequence AND rewound = 0)",
            {"number": row.number, "chat": chat, "sequence": row.control.sequence},
        )
        connection.execute("UPDATE chat SET messages = ? WHERE id = ?", (row.control.sequence, chat))


def mark(connection: sqlite3.Connection, chat: str, epoch: int, state: str) -> None:
    """Write that the chat is `running` or `paused`. Raises `Fenced`."""
    _guard(connection, chat, epoch)
    connection.execute("UPDATE chat SET state = ? WHERE id = ?", (state, chat))


def fork(connection: sqlite3.Connection, chat: str, request: bytes, settings: Settings, rows: Iterable[Row], floor: Floor) -> int:
    """Begin a chat with the closed `rows` of another, whose last one is the control that says so; returns its epoch.

    Raises `ChatExists`.
    """
    opening, *rest = rows
    control = rest[-1].control
    assert control is not None
    epoch = create(connection, chat, request, settings, opening, control.chat)
    for row in rest[:-1]:
        append(connection, chat, row)
    record(connection, chat, rest[-1], floor)
    created_ms = rest[-1].done_ms
    connection.execute("UPDATE chat SET created_ms = ? WHERE id = ?", (created_ms, chat))
    return epoch


def hold(connection: sqlite3.Connection, chat: str, epoch: int, row: Row) -> bool:
    """Write what came of a turn whose round is not over. Raises `Fenced`. False: the turn is not open any more."""
    _guard(connection, chat, epoch)
    columns = stored(row)
    return bool(
        connection.execute(
            "UPDATE row SET state = 'held', message = ?, error = ?, usage = ?, done_ms = ?"
            " WHERE chat = ? AND number = ? AND turn = ? AND state = 'asked'",
            (columns.message, row.error, columns.usage, row.done_ms, chat, row.number, row.turn),
        ).rowcount
    )


def close(connection: sqlite3.Connection, chat: str, rows: Iterable[Row]) -> bool:
    """Close the open rows of a turn, or of a round in their order, where they are still open: compare and swap. Raises `Fenced`.

    False: one was closed before; it is kept as `late`, its message applied nowhere.
    """
    closed = [_close(connection, chat, row) for row in rows]
    return all(closed)


def _close(connection: sqlite3.Connection, chat: str, row: Row) -> bool:
    _guard(connection, chat, row.epoch)
    found = connection.execute(
        "SELECT 1 FROM row WHERE chat = ? AND number = ? AND turn = ? AND state IN ('asked', 'held')",
        (chat, row.number, row.turn),
    ).fetchone()
    if found is not None:
        _link(connection, chat, row)
        return True
    (count,) = connection.execute("SELECT rows FROM chat WHERE id = ?", (chat,)).fetchone()
    append(connection, chat, row.with_(number=count + 1, state="late", sequence=0))
    return False


def end(connection: sqlite3.Connection, chat: str, epoch: int, result: Result, rows: Iterable[Row]) -> None:
    """End the chat, or let it rest when it waits for a person, and close its open rows with it. Raises `Fenced`."""
    _guard(connection, chat, epoch)
    open_rows = list(rows)
    close(connection, chat, open_rows)
    waits = result.outcome == "waits"
    connection.execute(
        "UPDATE chat SET state = ?, result = ? WHERE id = ?", ("paused" if waits else "ended", _encoder.encode(result), chat)
    )
    if not waits:
        connection.execute(
            "UPDATE inbox SET closed_ms = max(asked_ms, ?) WHERE chat = ? AND closed_ms = 0",
            (max((row.done_ms for row in open_rows), default=0), chat),
        )


def _guard(connection: sqlite3.Connection, chat: str, epoch: int) -> None:
    found = connection.execute("SELECT epoch FROM chat WHERE id = ?", (chat,)).fetchone()
    if found is None:
        raise NoSuchChat(chat)
    if found[0] != epoch:
        raise Fenced(chat, epoch)


def _link(connection: sqlite3.Connection, chat: str, row: Row) -> None:
    """Close a row: write its content, hang it on the chain, count it."""
    head, links, messages = connection.execute("SELECT head, links, messages FROM chat WHERE id = ?", (chat,)).fetchone()
    if row.sequence and row.sequence != messages + 1:
        raise ValueError(f"message {row.sequence} cannot follow message {messages}")
    columns, link = stored(row), links + 1
    plain = plain_columns(row, link)
    digest = row_hash(head, plain, columns)
    connection.execute(
        "UPDATE row SET state = ?, epoch = ?, sequence = ?, attempts = ?, why = ?, message = ?, error = ?, usage = ?,"
        " selection_usage = ?, asked_ms = ?, done_ms = ?, link = ?, previous = ?, hash = ?, control = ?"
        " WHERE chat = ? AND number = ?",
        (
            row.state,
            row.epoch,
            row.sequence,
            row.attempts,
            columns.why,
            columns.message,
            row.error,
            columns.usage,
            columns.selection_usage,
            row.asked_ms,
            row.done_ms,
            link,
            head,
            digest,
            columns.control,
            chat,
            row.number,
        ),
    )
    if row.message is not None and row.sequence:
        connection.execute(
            "INSERT INTO search (text, chat, number, speaker) VALUES (?, ?, ?, ?)",
            (row.message.text, chat, row.number, row.speaker),
        )
    spent: Usage = total(*row.usage, *row.selection_usage) if row.state != "late" else Usage()
    connection.execute(
        "UPDATE chat SET head = ?, links = ?, messages = ?, prompt_tokens = prompt_tokens + ?,"
        " completion_tokens = completion_tokens + ?, cost = cost + ?, estimated = estimated OR ? WHERE id = ?",
        (
            digest,
            link,
            row.sequence or messages,
            spent.prompt_tokens,
            spent.completion_tokens,
            spent.cost,
            spent.estimated,
            chat,
        ),
    )
