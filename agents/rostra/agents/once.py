"""Letters whose effect is in a database of the handler's own: the letter is noted with the effect, so that it has it once.

A process that dies after its effect and before its acknowledgement is sent the letter again (SPEC §6.5). What tells it that the
letter was handled has to be in the transaction of the effect.
"""

import sqlite3

from rostra.protocol.clock import wall_ms
from rostra.protocol.effects import Lettered

_TABLE = """
CREATE TABLE IF NOT EXISTS rostra_letter (
    sender TEXT, epoch BLOB, sequence INTEGER, handled_ms INTEGER, PRIMARY KEY (sender, epoch, sequence)
) WITHOUT ROWID
"""


def first_time(db: sqlite3.Connection, letter: Lettered) -> bool:
    """Whether `letter` (`Context.letter`) has had no effect in this database yet; from now on it has.

    To be called in the transaction of the effect, and committed, or rolled back, with it. Raises `ValueError` where there is
    none, because each statement would be a transaction of its own.

    Each letter is noted, not the highest number of its sender: replicas that share a database each see some of them. Rows that
    are older than letters ever wait can be deleted. A letter that was put aside and requeued is a new one.
    """
    alone = db.isolation_level is None if getattr(db, "autocommit", -1) == -1 else db.autocommit  # type: ignore[attr-defined]
    if alone and not db.in_transaction:
        raise ValueError("begin a transaction first: the letter is noted in that of its effect")
    db.execute(_TABLE)
    key = (letter.sender, letter.epoch, letter.sequence)
    return db.execute("INSERT OR IGNORE INTO rostra_letter VALUES (?,?,?,?)", (*key, wall_ms())).rowcount == 1
