"""The rows of a transcript, and the hash chain over them. Pure.

A row is an event of the chat: the opening, a turn, or something a person said beside the turns. A turn's row is written when the
member is asked and closed when it answered or failed; rows with a message carry its `sequence`. Closed rows form a chain, in the
order in which they were closed: the hash of each covers its content and the hash before it.
"""

from hashlib import sha256
from typing import Literal

import msgspec

from rostra.protocol import ChatMessage, Usage
from rostra.protocol.chat import Payload, Why

Kind = Literal["opening", "turn", "said"]
RowState = Literal["asked", "done", "failed", "late"]


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
    asked_ms: int = 0
    done_ms: int = 0

    def with_(self, **changes: object) -> "Row":
        """The same row with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class Settings(Payload, frozen=True, kw_only=True):
    """What was fixed when the chat began."""

    task: str
    members: tuple[str, ...]
    max_rounds: int
    no_input: bool = False


class Stored(msgspec.Struct, frozen=True):
    """The columns of a row that are not plain values, as they lie on disk."""

    why: bytes
    message: bytes
    usage: bytes
    selection_usage: bytes


_encoder = msgspec.msgpack.Encoder()
_why = msgspec.msgpack.Decoder(Why)
_message = msgspec.msgpack.Decoder(ChatMessage)
_usage = msgspec.msgpack.Decoder(tuple[Usage, ...])


def stored(row: Row) -> Stored:
    """The encoded columns of a row."""
    return Stored(
        why=_encoder.encode(row.why) if row.why else b"",
        message=_encoder.encode(row.message) if row.message else b"",
        usage=_encoder.encode(row.usage) if row.usage else b"",
        selection_usage=_encoder.encode(row.selection_usage) if row.selection_usage else b"",
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


def genesis(chat: str) -> bytes:
    """What stands before the first row of a chat: no row fits into another chat's chain."""
    return sha256(b"rostra transcript\0" + chat.encode()).digest()


def row_hash(previous: bytes, plain: tuple[int | str | bytes, ...], columns: Stored) -> bytes:
    """The hash of a closed row.

    `plain`: link, number, kind, turn, speaker, state, epoch, sequence, attempts, error, asked_ms, done_ms. What is hashed is a
    MessagePack array: every value with its length, so that nothing can move between columns.
    """
    array = (previous, *plain, columns.why, columns.message, columns.usage, columns.selection_usage)
    return sha256(_encoder.encode(array)).digest()
