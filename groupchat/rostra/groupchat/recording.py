"""What a chat wants written, gathered into as few transactions as its promises allow, and carried out in one."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import assert_never

from . import statements
from .inputs import Acknowledge, Act, Append, Close, Effect, Finish, Hold, Journal, Mark, Publish, Record, Tried, Write


def gathered(effects: Iterable[Effect]) -> Iterator[tuple[Write, ...] | Act]:
    """The effects, with those that write in tuples that share a transaction.

    What observers and speakers are told waits for what is written beside it: they hear of nothing that is not on the disk.
    """
    writes: list[Write] = []
    told: list[Act] = []
    for effect in effects:
        if isinstance(effect, Write):
            writes.append(effect)
        elif writes and isinstance(effect, Publish | Acknowledge):
            told.append(effect)
        else:
            if writes:
                yield tuple(writes)
                yield from told
                writes, told = [], []
            yield effect
    if writes:
        yield tuple(writes)
        yield from told


def write(connection: sqlite3.Connection, chat: str, epoch: int, writes: Iterable[Write]) -> bool:
    """Carry out what is to be written, in order, inside a transaction of the writer. Raises `Fenced`.

    False: a turn that was to be closed or held is not open any more; nothing after that is written.
    """
    return all(_write(connection, chat, epoch, effect) for effect in writes)


def _write(connection: sqlite3.Connection, chat: str, epoch: int, effect: Write) -> bool:
    match effect:
        case Journal(rows):
            statements.journal(connection, chat, rows)
        case Tried(turn, attempts):
            statements.tried(connection, chat, epoch, turn, attempts)
        case Hold(row):
            return statements.hold(connection, chat, epoch, row)
        case Close(rows):
            return statements.close(connection, chat, rows)
        case Append(row):
            statements.append(connection, chat, row)
        case Record(row, floor):
            statements.record(connection, chat, row, floor)
        case Mark(state):
            statements.mark(connection, chat, epoch, state)
        case Finish(result, rows):
            statements.end(connection, chat, epoch, result, rows)
        case _:
            assert_never(effect)
    return True
