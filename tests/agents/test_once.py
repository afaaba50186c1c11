"""A letter has its effect in the handler's own database once, whatever becomes of its acknowledgement."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.conftest import until

from rostra.agents import Actor, Context, first_time
from rostra.broker.memory import MemoryBroker
from rostra.protocol import ChatMessage, Client, Lettered, Member

LETTER = Lettered(1, "anna", b"e" * 16, 7, 1, b"")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "ledger.db", check_same_thread=False)) as db:
        db.execute("CREATE TABLE entry (text)")
        yield db


def entries(db: sqlite3.Connection) -> list[str]:
    return [text for (text,) in db.execute("SELECT text FROM entry")]


def test_a_letter_is_new_once_and_another_one_is_another(ledger: sqlite3.Connection) -> None:
    others = [msgspec.structs.replace(LETTER, **change) for change in ({"sender": "bo"}, {"epoch": b"f" * 16}, {"sequence": 6})]
    with ledger:
        assert [first_time(ledger, LETTER), first_time(ledger, msgspec.structs.replace(LETTER, attempt=2))] == [True, False]
        assert all(first_time(ledger, other) for other in others)
    assert not any(first_time(ledger, other) for other in (LETTER, *others))


def test_an_effect_that_is_rolled_back_takes_the_note_with_it(ledger: sqlite3.Connection) -> None:
    assert first_time(ledger, LETTER)
    ledger.rollback()
    with ledger:
        assert first_time(ledger, LETTER)


def test_without_a_transaction_there_is_nothing_to_share(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as db:
        with pytest.raises(ValueError, match="begin a transaction"):
            first_time(db, LETTER)
        db.execute("BEGIN IMMEDIATE")
        assert first_time(db, LETTER)
        db.execute("COMMIT")
        db.execute("BEGIN")
        assert not first_time(db, LETTER)
        db.execute("ROLLBACK")


async def test_a_handler_that_fails_after_its_effect_has_it_once(ledger: sqlite3.Connection) -> None:
    transport = MemoryBroker().transport
    seen: list[tuple[str, int, int]] = []

    def book(message: ChatMessage, context: Context) -> None:
        letter = context.letter
        assert letter is not None
        seen.append((letter.sender, letter.sequence, letter.attempt))
        with ledger:
            if first_time(ledger, letter):
                ledger.execute("INSERT INTO entry VALUES (?)", (message.text,))
        if letter.attempt == 1:
            raise RuntimeError("after its effect")

    async with Client(transport(), name="ann") as own, Client(transport(), name="anna") as anna:
        actor = Actor(own, book, Member(name="ann", description="Keeps a ledger.", kind="handler"))
        async with asyncio.timeout(30):
            await anna.tell("ann", "one")
            await anna.tell("ann", "two")
        await until(lambda: len(seen) >= 4)
        assert entries(ledger) == ["one", "two"]
        assert sorted(set(seen)) == [("anna", 1, 1), ("anna", 1, 2), ("anna", 2, 1), ("anna", 2, 2)]
        await actor.drain(5.0)
