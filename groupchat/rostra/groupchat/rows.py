"""The rows of a transcript, and the hash chain over them. Pure.

A row is an event of the chat: the opening, a turn, something a person said beside the turns, a control: what an operator
did, or a vote, whose ballots and tally are in its `why`.
A turn's row is written when the
member is asked and closed when it answered or failed; rows with a message carry its `sequence`. Closed rows form a chain, in the
order in which they were closed: the hash of each covers its content and the hash before it.
"""

from hashlib import sha256
from typing import Any, Literal

import msgspec

from rostra.protocol import ChatMessage, Usage
from rostra.protocol.chat import Control, Payload, Why

Kind = Literal["opening", "turn", "said", "control", "vote"]
RowState = Literal["asked", "held", "done", "passed", "failed", "late", "cancelled"]
"""asked: open; held: open, as others of its round are, but what came of it is here; passed: it left the word to the others;
cancelled: the turn was taken back, which is not the member's fault."""
ENOUGH = "enough of the others have answered"
"""The error of a turn that was cancelled since its round was complete without it."""
OPEN = frozenset({"asked", "held"})
"""The states of rows that are not closed yet."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row. Times in milliseconds since 1970."""

    number: int
    """Counts the rows of the chat from 1."""
    kind: Kind
    turn: bytes
    """The turn's id, which is the id of the request to the member; for `said`, the id of the request that said it."""
    speaker: str
    state: RowState
    epoch: int
    sequence: int = 0
    """The place of the message in the transcript, from 1; 0: the row holds no message (yet)."""
    attempts: int = 1
    why: Why | None = None
    message: ChatMessage | None = None
    error: str = ""
    usage: tuple[Usage, ...] = ()
    """Of the answer."""
    selection_usage: tuple[Usage, ...] = ()
    """Of the choice of the speaker."""
    control: Control | None = None
    asked_ms: int = 0
    done_ms: int = 0
    rewound: int = 0
    """The number of the control that rewound the row; 0: it stands. Not hashed: it follows from the controls."""

    @property
    def open(self) -> bool:
        """Whether it is not closed yet."""
        return self.state in OPEN

    def with_(self, **changes: object) -> "Row":
        """The same row with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class Settings(Payload, frozen=True, kw_only=True):
    """What was fixed when the chat began."""

    task: str
    members: tuple[str, ...]
    max_rounds: int
    no_input: bool = False
    agent: str = ""
    """The agent whose inner chat it is; empty: it is the team's."""
    within: str = ""
    """The chat in which that agent had a turn."""
    rules: dict[str, Any] = {}
    """The options of the chat as far as they are data, so that a replay can tell what they made of it."""


class Stored(msgspec.Struct, frozen=True):
    """The columns of a row that are not plain values, as they lie on disk."""

    why: bytes
    message: bytes
    usage: bytes
    selection_usage: bytes
    control: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_why = msgspec.msgpack.Decoder(Why)
_message = msgspec.msgpack.Decoder(ChatMessage)
_usage = msgspec.msgpack.Decoder(tuple[Usage, ...])
_control = msgspec.msgpack.Decoder(Control)


def stored(row: Row) -> Stored:
    """The encoded columns of a row."""
    return Stored(
        why=_encoder.encode(row.why) if row.why else b"",
        message=_encoder.encode(row.message) if row.message else b"",
        usage=_encoder.encode(row.usage) if row.usage else b"",
        selection_usage=_encoder.encode(row.selection_usage) if row.selection_usage else b"",
        control=_encoder.encode(row.control) if row.control else b"",
    )


def decoded_why(raw: bytes) -> Why | None:
    """The column `why` again."""
    return _why.decode(raw) if raw else None


def decoded_message(raw: bytes) -> ChatMessage | None:
    """The column `message` again."""
    return _message.decode(raw) if raw else None


def decoded_usage(raw: bytes) -> tuple[Usage, ...]:
    """The columns `usage` and `selection_usage` again."""
    return _usage.decode(raw) if raw else ()


def decoded_control(raw: bytes) -> Control | None:
    """The column `control` again."""
    return _control.decode(raw) if raw else None


def plain_columns(row: Row, link: int) -> tuple[int | str | bytes, ...]:
    """The columns of a row that are plain values, in the order in which they are hashed."""
    return (
        link,
        row.number,
        row.kind,
        row.turn,
        row.speaker,
        row.state,
        row.epoch,
        row.sequence,
        row.attempts,
        row.error,
        row.asked_ms,
        row.done_ms,
    )


def genesis(chat: str) -> bytes:
    """What stands before the first row of a chat: no row fits into another chat's chain."""
    return sha256(b"rostra transcript\0" + chat.encode()).digest()


def row_hash(previous: bytes, plain: tuple[int | str | bytes, ...], columns: Stored) -> bytes:
    """The hash of a closed row.

    `plain`: link, number, kind, turn, speaker, state, epoch, sequence, attempts, error, asked_ms, done_ms. What is hashed is a
    MessagePack array: every value with its length, so that nothing can move between columns. Columns that came later are in it
    only where they hold something: what was hashed before there were any stays true.
    """
    array = (previous, *plain, columns.why, columns.message, columns.usage, columns.selection_usage)
    if columns.control:
        array = (*array, columns.control)
    return sha256(_encoder.encode(array)).digest()
