"""The store of mail: each letter once, in order per pair; full, failed, dead and damaged ones."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rostra.broker.mail import store as store_module
from rostra.broker.mail.operations import Buried, Declined, Fail, Inspect, Inspected, Kept, Load, Loaded, Remove, Store
from rostra.broker.mail.store import MailStore
from rostra.broker.server import Server
from rostra.protocol.directory import LetterInfo, MailboxInfo, MailQuery, MailRef
from rostra.protocol.frames import decode_body, encode_body
from rostra.protocol.mailing import OUT_OF_ORDER

from .letters import EPOCH, kept, letter


def test_a_letter_is_stored_once_however_often_it_comes() -> None:
    store = MailStore(None)
    first = kept(store, letter(1), letter(1), letter(2))
    assert [one.letter.number for one in first if isinstance(one, Kept)] == [1, 0, 2]
    (again,) = kept(store, letter(1))
    assert isinstance(again, Kept)
    assert again.letter.number == 0
    store.close()


def test_a_double_is_known_after_a_restart_and_after_the_letter_was_delivered(tmp_path: Path) -> None:
    store = MailStore(tmp_path / "mail.db")
    kept(store, letter(1))
    store.apply([Remove([1])])
    store.close()
    store = MailStore(tmp_path / "mail.db")
    (again,) = kept(store, letter(1))
    assert isinstance(again, Kept)
    assert again.letter.number == 0
    (new,) = kept(store, letter(1, epoch=b"f" * 16))
    assert isinstance(new, Kept)
    assert new.letter.number == 2
    store.close()


def test_removing_letters_takes_less_of_the_disk_than_is_kept_free_for_it(tmp_path: Path) -> None:
    store, log = MailStore(tmp_path / "mail.db"), tmp_path / "mail.db-wal"
    count = 2 * store_module.RESERVE // 40_000
    kept(store, *(letter(number, body=b"x" * 40_000) for number in range(1, count + 1)))
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert log.stat().st_size == 0
    store.apply([Remove(list(range(1, count + 1)))])
    assert 0 < log.stat().st_size < store_module.RESERVE // 2
    store.close()


def test_a_look_sees_the_letters_before_it_in_the_same_batch() -> None:
    store = MailStore(None)
    before, look, after = store.apply([Store(b"r", letter(1)), Load("ben", 0, 9), Store(b"r", letter(2), 1)])
    assert isinstance(before, Kept)
    assert isinstance(after, Kept)
    assert isinstance(look, Loaded)
    assert [one.number for one in look.letters] == [before.letter.number] == [1]
    assert after.letter.number == 2
    store.close()


def test_no_number_is_given_twice_whether_a_batch_failed_or_letters_were_put_back() -> None:
    store = MailStore(None)
    (first,) = kept(store, letter(1))
    bad = letter(2)
    bad.body = []  # type: ignore[assignment]
    with pytest.raises(sqlite3.Error):
        kept(store, bad)
    store.apply([Fail(1, "broken")] * 5)
    store.apply([Inspect(b"r", b"i", "mail.requeue", encode_body(MailRef(recipient="ben")))])
    second, third = kept(store, letter(2), letter(3))
    assert [one.letter.number for one in (first, second, third) if isinstance(one, Kept)] == [1, 3, 4]
    store.close()


def test_a_letter_is_not_taken_before_the_one_before_it() -> None:
    store = MailStore(None)
    (early,) = kept(store, letter(2))
    assert isinstance(early, Declined)
    assert early.code == OUT_OF_ORDER
    (after_a_refused_one,) = store.apply([Store(b"r", letter(2), previous=0)])
    assert isinstance(after_a_refused_one, Kept)
    store.close()


def test_a_full_mailbox_refuses_and_takes_again_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_LETTERS", 2)
    monkeypatch.setattr(store_module, "MAX_BYTES", 10)
    store = MailStore(None)
    _, _, full = kept(store, letter(1), letter(2), letter(3))
    assert isinstance(full, Declined)
    assert full.code == "mailbox_full"
    store.apply([Remove([1])])
    (large,) = store.apply([Store(b"r", letter(4, body=bytes(10)), 2)])
    assert isinstance(large, Declined)
    (small,) = store.apply([Store(b"r", letter(5, body=bytes(9)), 2)])
    assert isinstance(small, Kept)
    store.close()


def test_the_fifth_failure_makes_a_dead_letter_in_one_transaction() -> None:
    store = MailStore(None)
    kept(store, letter(1))
    results = [store.apply([Fail(1, f"try {number}")]) for number in range(1, 6)]
    assert results == [[], [], [], [], [Buried("ben", 1)]]
    assert store.apply([Load("ben", 0, 10, 7)]) == [Loaded("ben", [], 7)]
    (dead,) = inspected(store, "mail.show", MailQuery(recipient="ben", dead=True), list[LetterInfo])
    assert (dead.sender, dead.attempts, dead.reason) == ("ada", 5, "try 5")
    store.close()


def inspected(store: MailStore, method: str, body: object, kind: Any) -> Any:
    (result,) = store.apply([Inspect(b"r", b"i" * 16, method, encode_body(body))])
    assert isinstance(result, Inspected)
    assert not result.error
    return decode_body(result.body, kind)


def test_a_dead_letter_put_back_is_no_double_of_itself() -> None:
    """Its recipient may have handled later letters; with the old epoch and number it would be taken for handled."""
    store = MailStore(None)
    kept(store, letter(1), letter(2))
    store.apply([Fail(1, "no")] * 5)
    store.apply([Remove([2])])
    assert inspected(store, "mail.requeue", MailRef(recipient="ben"), int) == 1
    (loaded,) = store.apply([Load("ben", 0, 10)])
    assert isinstance(loaded, Loaded)
    assert [(one.number, one.sequence, one.attempts) for one in loaded.letters] == [(3, 1, 0)]
    assert loaded.letters[0].epoch != EPOCH
    assert inspected(store, "mail.list", None, list[MailboxInfo]) == [
        MailboxInfo(recipient="ben", letters=1, size=1, oldest_ms=inspected_ms(store))
    ]
    store.close()


def inspected_ms(store: MailStore) -> int:
    (one,) = inspected(store, "mail.show", MailQuery(recipient="ben"), list[LetterInfo])
    stored: int = one.stored_ms
    return stored


def test_a_letter_that_is_there_is_confirmed_though_the_disk_is_full() -> None:
    """Its first confirmation was lost. To refuse it now would make the sender send a second one."""
    store = MailStore(None)
    kept(store, letter(1))
    (again,) = store.refuse(Store(b"r", letter(1)), "full")
    assert isinstance(again, Kept)
    (new,) = store.refuse(Store(b"r", letter(2), 1, 7), "full")
    assert isinstance(new, Declined)
    assert (new.code, new.round) == ("storage_full", 7)
    store.close()


def test_a_number_that_is_none_of_the_disk_is_an_answer_not_the_end() -> None:
    store = MailStore(None)
    (result,) = store.apply([Inspect(b"r", b"i" * 16, "mail.show", encode_body(MailQuery(recipient="ben", after=2**64 - 1)))])
    assert isinstance(result, Inspected)
    assert result.error
    store.close()


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    store = MailStore(path)
    kept(store, *(letter(number, body=bytes(500)) for number in range(1, 400)))
    store.close()
    damaged = bytearray(path.read_bytes())
    damaged[4096 * 10 : 4096 * 20] = b"\xff" * 4096 * 10
    path.write_bytes(damaged)
    with pytest.raises(sqlite3.DatabaseError):
        MailStore(path)
    (tmp_path / "none.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        Server(f"ipc://{tmp_path}/bus", tmp_path / "none.db").run()
