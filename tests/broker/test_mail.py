"""Mail: stored before it is confirmed, in order per pair, each once; what is refused, failed or dead is never lost in silence."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.conftest import until

from rostra.broker.core import Core
from rostra.broker.mail import office as office_module
from rostra.broker.mail import store as store_module
from rostra.broker.mail.desk import Desk
from rostra.broker.mail.office import CREDIT, Handing, Office
from rostra.broker.mail.operations import (
    MAX_ATTEMPTS,
    Buried,
    Declined,
    Fail,
    Inspect,
    Inspected,
    Kept,
    Letter,
    Load,
    Loaded,
    Operation,
    Remove,
    Result,
    Store,
)
from rostra.broker.mail.store import MailStore
from rostra.broker.mail.writer import Writer, refuse
from rostra.broker.memory import MemoryBroker
from rostra.broker.outputs import ToDisk, ToPeer
from rostra.broker.server import Server
from rostra.protocol import Client, MailboxFull, StorageFull, Transport, ZmqTransport
from rostra.protocol.directory import LetterInfo, MailboxInfo, MailQuery, MailRef
from rostra.protocol.effects import Effect, Lettered, NotPosted, Posted, Send
from rostra.protocol.errors import Refused
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.mailing import OUT_OF_ORDER, QUIET, WINDOW, Incoming, Outgoing, next_round
from rostra.protocol.messages import Ack, Beat, Error, Header, Hello, Mail, Reject, Stored, Welcome
from rostra.protocol.service import Service
from rostra.protocol.session import Session

EPOCH = b"e" * 16
BOOT = b"b" * 16


def letter(sequence: int, recipient: str = "ben", *, source: str = "ada", body: bytes = b"x", epoch: bytes = EPOCH) -> Letter:
    return Letter(0, recipient, source, epoch, sequence, body)


def kept(store: MailStore, *letters: Letter) -> list[Result]:
    return store.apply([Store(b"r", one, one.sequence - 1) for one in letters])


# ---- the sender's side


def mails(effects: list[Effect]) -> list[Mail]:
    found = [decode_head(effect.head) for effect in effects if isinstance(effect, Send)]
    return [header for header in found if isinstance(header, Mail)]


def telling(count: int) -> tuple[Outgoing, list[Mail]]:
    outgoing = Outgoing(EPOCH)
    outgoing.rebound(0.0)
    sent: list[Mail] = []
    for number in range(count):
        sent += mails(outgoing.tell(bytes([number]), "ben", b"x", 0.0))
    return outgoing, sent


def test_letters_are_numbered_from_one_and_each_names_the_one_before() -> None:
    _, sent = telling(3)
    assert [(mail.sequence, mail.previous) for mail in sent] == [(1, 0), (2, 1), (3, 2)]


def test_at_most_a_window_of_letters_is_unconfirmed() -> None:
    outgoing, sent = telling(200)
    for _ in range(WINDOW):
        sent += mails(outgoing.tell(b"t", "ben", b"x", 0.0))
    assert len(sent) == WINDOW
    assert len(mails(outgoing.stored("ben", Stored(EPOCH, 10), 1.0))) == 10


def test_stored_confirms_everything_up_to_its_number_once() -> None:
    outgoing, _ = telling(3)
    assert [effect for effect in outgoing.stored("ben", Stored(EPOCH, 2), 1.0) if isinstance(effect, Posted)] == [
        Posted(b"\0"),
        Posted(b"\1"),
    ]
    assert outgoing.stored("ben", Stored(EPOCH, 2), 1.0) == []
    assert outgoing.stored("ben", Stored(b"o" * 16, 3), 1.0) == []
    assert len(outgoing) == 1


def test_a_letter_out_of_order_makes_the_sender_go_back() -> None:
    outgoing, _ = telling(3)
    again = mails(outgoing.rejected("ben", Reject(EPOCH, 2, OUT_OF_ORDER, ""), 1.0))
    assert [mail.sequence for mail in again] == [1, 2, 3]


def test_the_number_of_a_refused_letter_is_not_used_again() -> None:
    outgoing, _ = telling(3)
    effects = outgoing.rejected("ben", Reject(EPOCH, 1, "mailbox_full", "full"), 1.0)
    assert isinstance(effects[0], NotPosted)
    assert isinstance(effects[0].error, MailboxFull)
    assert [(mail.sequence, mail.previous, mail.round) for mail in mails(effects)] == [(2, 0, 1)]


def test_after_a_refusal_one_letter_goes_at_a_time_until_one_is_taken() -> None:
    outgoing, _ = telling(100)
    for number in range(1, 50):
        sent = mails(outgoing.rejected("ben", Reject(EPOCH, number, "mailbox_full", "", number - 1), 1.0))
        assert [mail.sequence for mail in sent] == [number + 1]
    assert [mail.sequence for mail in mails(outgoing.stored("ben", Stored(EPOCH, 50), 1.0))] == [51, 52]
    assert [mail.sequence for mail in mails(outgoing.stored("ben", Stored(EPOCH, 52), 1.0))] == [53, 54, 55, 56, 57, 58, 59, 60]


def test_a_verdict_on_an_earlier_try_refuses_no_other_letter() -> None:
    """Two copies of letter 1 are refused, then there is room: the second verdict must not fall on what came after."""
    outgoing, _ = telling(2)
    outgoing.tick(QUIET)
    assert outgoing.rejected("ben", Reject(EPOCH, 1, "mailbox_full", "", 0), QUIET) == []
    effects = outgoing.rejected("ben", Reject(EPOCH, 1, "mailbox_full", "", 1), QUIET)
    assert [effect.token for effect in effects if isinstance(effect, NotPosted)] == [b"\0"]
    assert outgoing.rejected("ben", Reject(EPOCH, 1, "mailbox_full", "", 1), QUIET) == []
    assert [effect.token for effect in outgoing.stored("ben", Stored(EPOCH, 2), QUIET) if isinstance(effect, Posted)] == [b"\1"]


def test_what_is_not_confirmed_is_sent_again_after_a_while_and_over_a_new_connection() -> None:
    outgoing, _ = telling(2)
    assert outgoing.due == QUIET
    assert [mail.sequence for mail in mails(outgoing.tick(QUIET))] == [1, 2]
    outgoing.unbound()
    assert outgoing.due == float("inf")
    assert [mail.sequence for mail in mails(outgoing.rebound(7.0))] == [1, 2]


# ---- the recipient's side


def arriving(incoming: Incoming, delivery: int, sequence: int, *, epoch: bytes = EPOCH, sender: str = "ada") -> list[Effect]:
    return incoming.delivered(sender, Mail(epoch, sequence, delivery=delivery, attempt=1), b"x")


def acks(effects: list[Effect]) -> list[Ack]:
    found = [decode_head(effect.head) for effect in effects if isinstance(effect, Send)]
    return [header for header in found if isinstance(header, Ack)]


def test_letters_are_handled_one_at_a_time_and_acknowledged() -> None:
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    assert isinstance(first, Lettered)
    assert arriving(incoming, 2, 2) == []
    effects = incoming.done(first)
    assert acks(effects) == [Ack(1)]
    assert isinstance(effects[-1], Lettered)
    assert effects[-1].sequence == 2


def test_a_letter_that_failed_comes_before_those_behind_it() -> None:
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    arriving(incoming, 2, 2)
    assert isinstance(first, Lettered)
    assert acks(incoming.failed(first, "no\ud800")) == [Ack(1, "no?")]
    assert arriving(incoming, 3, 3) == []  # sent before the failure was known
    (again,) = arriving(incoming, next_round(1), 1)
    assert isinstance(again, Lettered)
    assert again.sequence == 1


def test_a_letter_in_hand_is_not_handed_over_twice_when_the_connection_changes() -> None:
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    incoming.rebound()
    assert arriving(incoming, 1, 1) == []
    assert isinstance(first, Lettered)
    assert acks(incoming.done(first)) == [Ack(1)]


def test_what_was_handled_and_not_acknowledged_is_acknowledged_and_not_handled_again() -> None:
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    assert isinstance(first, Lettered)
    incoming.done(first)
    incoming.rebound()
    assert acks(arriving(incoming, 1, 1)) == [Ack(1)]


def test_a_replica_handles_an_early_letter_that_comes_to_it_after_a_later_one() -> None:
    """The other replica died with letter 1 in its hands. To take it for handled would lose it."""
    incoming = Incoming()
    (second,) = arriving(incoming, 1, 2)
    assert isinstance(second, Lettered)
    incoming.done(second)
    (first,) = arriving(incoming, 2, 1)
    assert isinstance(first, Lettered)


def test_a_recipient_that_greets_twice_acknowledges_nothing_that_it_has_not_read() -> None:
    """The deliveries after the first greeting are numbered as those after the second, but may be other letters."""
    office, steps = filled(3)
    assert handed(steps) == [(b"1", 1, 1), (b"1", 2, 2), (b"1", 3, 3)]
    again = office.greeted(b"1", 0.0)
    assert handed(again) == [(b"1", next_round(1), 1), (b"1", next_round(1) + 1, 2), (b"1", next_round(1) + 2, 3)]
    assert office.acknowledged(b"1", Ack(2), 0.0) == []
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    arriving(incoming, 2, 2)
    assert arriving(incoming, next_round(1) + 1, 9) == []
    assert arriving(incoming, next_round(1), 1) == []  # it is in hand
    assert isinstance(first, Lettered)
    assert acks(incoming.done(first)) == [Ack(next_round(1))]


def test_what_is_delivered_before_the_welcome_is_for_another_numbering() -> None:
    session = Session("ben")
    session.connected(0.0)
    assert session.received(b"ada", encode_head(Mail(EPOCH, 1, delivery=1)), b"x", 0.0) == []


def test_what_is_handled_between_two_connections_is_not_acknowledged_under_its_old_number() -> None:
    """Over the new connection that number may be another letter's, which nobody has read."""
    session = Session("ben")
    session.connected(0.0)
    session.received(b"", encode_head(Welcome("ben", BOOT, 15_000)), b"", 0.0)
    (first,) = session.received(b"ada", encode_head(Mail(EPOCH, 1, delivery=1)), b"x", 0.0)
    assert isinstance(first, Lettered)
    session.disconnected()
    session.connected(1.0)
    assert session.mail_done(first) == []


def test_a_replica_does_not_acknowledge_what_comes_before_the_letter_in_hand() -> None:
    """The letter in hand comes again over a new connection, behind one that another replica had when it died."""
    incoming = Incoming()
    (second,) = arriving(incoming, 1, 2)
    assert isinstance(second, Lettered)
    incoming.rebound()
    assert arriving(incoming, 1, 1) == []
    assert arriving(incoming, 2, 2) == []
    (first,) = incoming.done(second)
    assert isinstance(first, Lettered)
    assert first.sequence == 1
    assert acks(incoming.done(first)) == [Ack(1), Ack(2)]


def test_the_newest_acknowledgement_is_said_again() -> None:
    incoming = Incoming()
    assert incoming.again() == []
    (first,) = arriving(incoming, 1, 1)
    assert isinstance(first, Lettered)
    effects = incoming.done(first)
    assert incoming.again() == effects
    incoming.rebound()
    assert incoming.again() == []


# ---- the office


def handed(steps: list[Any]) -> list[tuple[bytes, int, int]]:
    return [(step.route, step.delivery, step.letter.number) for step in steps if isinstance(step, Handing)]


def loads(steps: list[Any]) -> list[Load]:
    return [step for step in steps if isinstance(step, Load)]


def numbered(*numbers: int) -> list[Letter]:
    return [Letter(number, "ben", "ada", EPOCH, number, b"x") for number in numbers]


def filled(count: int) -> tuple[Office, list[Any]]:
    office = Office()
    (load,) = loads(office.arrived("ben", b"1", 0.0))
    return office, office.loaded(Loaded("ben", numbered(*range(1, count + 1)), load.ticket), 0.0)


def test_no_more_than_the_credit_is_unacknowledged() -> None:
    office, steps = filled(50)
    assert len(handed(steps)) == CREDIT == 32
    steps = office.acknowledged(b"1", Ack(5), 0.0)
    assert steps[0] == Remove([1, 2, 3, 4, 5])
    assert handed(steps) == [(b"1", number, number) for number in range(33, 38)]


def test_the_answer_to_a_load_for_an_earlier_connection_is_none_to_a_later_one() -> None:
    """It would begin in the middle of the mailbox, and what lies before would not be delivered."""
    office, _ = filled(office_module.AHEAD)
    (load,) = loads([step for number in (32, 64) for step in office.acknowledged(b"1", Ack(number), 0.0)])
    assert load.after == office_module.AHEAD
    office.left(b"1", 0.0, died=True)
    (fresh,) = loads(office.arrived("ben", b"2", 0.0))
    assert office.loaded(Loaded("ben", numbered(65), load.ticket), 0.0) == []
    assert handed(office.loaded(Loaded("ben", numbered(64, 65), fresh.ticket), 0.0)) == [(b"2", 1, 64), (b"2", 2, 65)]


def test_a_letter_that_kills_its_recipient_is_not_delivered_a_sixth_time() -> None:
    office, _ = filled(2)
    for number in range(2, 2 + MAX_ATTEMPTS):
        steps = [
            *office.arrived("ben", bytes([number]), 0.0),
            *office.left(bytes([number - 1]) if number > 2 else b"1", 0.0, died=True),
        ]
        assert any(isinstance(step, Fail) and step.number == 1 for step in steps)
    assert handed(steps) == [(bytes([number]), 1, 2)]
    assert office.buried(Buried("ben", 1), 0.0) == []


def test_what_a_full_connection_did_not_take_is_handed_over_again() -> None:
    office, _ = filled(5)
    office.undelivered(b"1", 4)
    office.undelivered(b"1", 3)
    assert handed(office.tick(1.0)) == [(b"1", 3, 3), (b"1", 4, 4), (b"1", 5, 5)]
    assert handed(office.tick(2.0)) == []
    office.undelivered(b"1", 99)
    office.undelivered(b"nobody", 1)
    assert handed(office.tick(3.0)) == []


def test_replicas_share_a_mailbox_and_what_one_had_goes_to_the_others() -> None:
    office, _ = filled(4)
    assert office.arrived("ben", b"2", 0.0) == []
    assert handed(office.kept(Kept(b"r", numbered(5)[0]), 0.0)) == [(b"2", 1, 5)]
    steps = office.left(b"1", 0.0, died=True)
    assert [step for step in steps if isinstance(step, Fail)] == [Fail(1, "the recipient died while it handled this letter")]
    assert handed(steps) == [(b"2", 2, 1), (b"2", 3, 2), (b"2", 4, 3), (b"2", 5, 4)]


def test_a_failed_letter_waits_before_it_comes_again_and_the_others_behind_it() -> None:
    office, _ = filled(3)
    steps = office.acknowledged(b"1", Ack(2, "no"), 0.0)
    assert steps == [Remove([1]), Fail(2, "no")]
    assert office.tick(office_module.RETRY_PAUSE / 2) == []
    assert handed(office.tick(office_module.RETRY_PAUSE)) == [(b"1", next_round(2), 2), (b"1", next_round(2) + 1, 3)]
    assert office.acknowledged(b"1", Ack(2, "no"), 1.0) == []  # said again


# ---- the store


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


# ---- the writer


def test_everything_queued_at_once_is_one_commit_and_nothing_is_confirmed_before(tmp_path: Path) -> None:
    arrived = threading.Event()
    writer = Writer(tmp_path / "mail.db", arrived.set)
    for number in range(1, 101):
        writer.put(Store(b"r", letter(number), number - 1))
    assert not writer.results
    writer.start()
    assert arrived.wait(20)
    reader = sqlite3.connect(tmp_path / "mail.db")
    assert reader.execute("SELECT count(*) FROM letter").fetchone() == (100,)
    reader.close()
    writer.close()
    assert len(writer.results) == 100


def test_a_writer_that_ends_before_its_time_says_so(tmp_path: Path) -> None:
    poked = threading.Event()
    writer = Writer(tmp_path / "mail.db", poked.set)
    writer.put(Store(b"r", letter(2**70), 0))
    writer.start()
    writer.close()
    assert isinstance(writer.broken, OverflowError)


def test_a_broker_without_mail_refuses_letters_and_answers_everything() -> None:
    (declined,) = refuse(Store(b"r", letter(1), 0, 3))
    assert isinstance(declined, Declined)
    assert (declined.code, declined.round) == ("unsupported", 3)
    assert refuse(Load("ben", 0, 1, 9)) == [Loaded("ben", [], 9)]
    assert refuse(Fail(1, "")) == refuse(Remove([1])) == []


def limited(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_refuses_confirms_nothing_and_takes_letters_again_by_itself(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    pokes = threading.Semaphore(0)
    writer = Writer(tmp_path / "mail.db", pokes.release)
    writer.start()
    try:
        previous, stored, declined = 0, [], None
        limited(200_000)
        for number in range(1, 200):
            writer.put(Store(b"r", letter(number, body=bytes(10_000)), previous))
            assert pokes.acquire(timeout=20)
            result = writer.results.popleft()
            if isinstance(result, Declined):
                declined = result
                break
            previous = number
            stored.append(number)
        assert declined is not None
        assert declined.code == "storage_full"
        writer.put(Remove([1]))  # what the disk cannot forget now is forgotten later
        limited(resource.RLIM_INFINITY)
        writer.put(Store(b"r", letter(500), previous))
        assert pokes.acquire(timeout=20)
        taken = writer.results.popleft()
        while isinstance(taken, Declined):  # the commit that was under way
            writer.put(Store(b"r", letter(500), previous))
            assert pokes.acquire(timeout=20)
            taken = writer.results.popleft()
        assert isinstance(taken, Kept)
    finally:
        limited(resource.RLIM_INFINITY)
        writer.close()
        signal.signal(signal.SIGXFSZ, before)
    store = MailStore(tmp_path / "mail.db")
    (loaded,) = store.apply([Load("ben", 0, 1000)])
    assert isinstance(loaded, Loaded)
    assert [one.sequence for one in loaded.letters] == [*stored[1:], 500]
    store.close()


# ---- the desk and the core


def test_a_sender_that_is_behind_is_told_once() -> None:
    sent: list[object] = []
    desk = Desk(lambda route, header, body, peer: sent.append(header), lambda operation: None)
    for number in (3, 4, 5):
        desk.stored([Declined(b"r", letter(number), OUT_OF_ORDER, "", 1)], 0.0)
    assert [(one.sequence, one.round) for one in sent if isinstance(one, Reject)] == [(3, 1)]
    desk.stored([Declined(b"r", letter(4), OUT_OF_ORDER, "", 2)], 0.0)
    assert len(sent) == 2


def bound(core: Core, name: str, route: bytes, boot: bytes = BOOT) -> None:
    core.received(route, b"", encode_head(Hello(name, boot)), b"")


@pytest.mark.parametrize(
    "mail",
    [
        Mail(b"short", 1),
        Mail(EPOCH, 0),
        Mail(EPOCH, 2**63),
        Mail(EPOCH, 1, previous=1),
        Mail(EPOCH, 1, previous=-1),
        Mail(EPOCH, 1, round=-1),
    ],
)
def test_a_letter_with_impossible_numbers_does_not_reach_the_disk(mail: Mail) -> None:
    core = Core(BOOT)
    bound(core, "ada", b"1")
    outputs = core.received(b"1", b"ben", encode_head(mail), b"x")
    assert not any(isinstance(output, ToDisk) for output in outputs)
    assert core.refused == 1


def test_a_delivery_that_the_connection_had_no_room_for_comes_again() -> None:
    core = Core(BOOT)
    store = MailStore(None)
    bound(core, "ada", b"1")

    def settled(outputs: list[Any]) -> list[ToPeer]:
        found = [output for output in outputs if isinstance(output, ToPeer)]
        for output in outputs:
            if isinstance(output, ToDisk):
                found += settled(core.stored(store.apply([output.operation])))
        return found

    settled(core.received(b"2", b"", encode_head(Hello("ben", BOOT)), b""))
    to_ben = [one for one in settled(core.received(b"1", b"ben", encode_head(Mail(EPOCH, 1)), b"x")) if one.route == b"2"]
    assert isinstance(decode_head(to_ben[0].head), Mail)
    core.congested(to_ben[0])
    again = [one for one in settled(core.tick()) if one.route == b"2"]
    assert [one.head for one in again] == [one.head for one in to_ben]
    store.close()


def test_an_older_process_that_wakes_does_not_take_the_name_back() -> None:
    """It was stopped, its connection cut, its name taken. It greets again before it has heard of that."""
    core = Core(BOOT)
    bound(core, "ada", b"1", b"1" * 16)
    bound(core, "ada", b"2", b"2" * 16)
    (answer,) = core.received(b"3", b"", encode_head(Hello("ada", b"1" * 16)), b"")
    assert isinstance(answer, ToPeer)
    assert decode_head(answer.head) == Error(b"", "superseded", "a newer process is ada now")
    assert [one.boot for one in core.registry.holder("ada")] == [b"2" * 16]


def test_a_newer_process_of_the_name_counts_against_the_letter_that_the_older_had_in_hand() -> None:
    """Whoever is killed and back at once is superseded before it is missed; a letter that kills must die of it all the same."""
    core = Core(BOOT)
    store = MailStore(None)

    def settle(outputs: list[Any]) -> list[Operation]:
        asked = [output.operation for output in outputs if isinstance(output, ToDisk)]
        return asked + [more for one in asked for more in settle(core.stored(store.apply([one])))]

    bound(core, "ada", b"1")
    settle(core.received(b"2", b"", encode_head(Hello("ben", b"0" * 16)), b""))
    settle(core.received(b"1", b"ben", encode_head(Mail(EPOCH, 1)), b"poison"))
    for number in range(1, MAX_ATTEMPTS + 1):
        route, boot = bytes([100 + number]), bytes([number]) * 16
        asked = settle(core.received(route, b"", encode_head(Hello("ben", boot)), b""))
        assert any(isinstance(one, Fail) for one in asked)
    assert settle(core.received(b"1", b"", encode_head(Beat(1)), b"")) == []
    assert store.apply([Load("ben", 0, 10)]) == [Loaded("ben", [])]
    store.close()


# ---- over both transports


class Reader:
    """A recipient that remembers what it handled; `fail` says whether it fails a letter."""

    def __init__(self, client: Client, fail: Callable[[bytes], bool] = lambda body: False) -> None:
        self.client, self.attempts = client, 0
        self.read: list[tuple[str, bytes]] = []
        self._fail = fail
        Service(client).mail(bytes, self._take)

    async def _take(self, body: bytes, letter: Lettered) -> None:
        self.attempts += 1
        if self._fail(body):
            raise ValueError("not this one")
        self.read.append((letter.sender, body))


@pytest.fixture(params=["memory", "zmq"])
def mail_transport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Transport]]:
    if request.param == "memory":
        yield MemoryBroker().transport
        return
    server = Server(f"ipc://{tmp_path}/bus/broker", tmp_path / "mail.db")
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(20)
    yield lambda: ZmqTransport(server.address)
    server.stop()
    thread.join(20)


@pytest.fixture
async def join(mail_transport: Callable[[], Transport]) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    async with AsyncExitStack() as stack:

        async def connect(name: str, **options: Any) -> Client:
            return await stack.enter_async_context(Client(mail_transport(), name=name, **options))

        yield connect


Join = Callable[..., Awaitable[Client]]


def body(number: int) -> bytes:
    return encode_body(number.to_bytes(4, "big"))


def wanted(sender: str, count: int) -> list[tuple[str, bytes]]:
    return [(sender, number.to_bytes(4, "big")) for number in range(count)]


async def test_letters_to_one_who_is_away_wait_and_come_in_order(join: Join) -> None:
    ada = await join("ada")
    await asyncio.gather(*(ada.tell_raw("ben", body(number)) for number in range(300)))
    ben = Reader(await join("ben"))
    await until(lambda: len(ben.read) >= 300)
    assert ben.read == wanted("ada", 300)


async def test_letters_to_one_who_is_here_come_at_once(join: Join) -> None:
    ada, ben = await join("ada"), Reader(await join("ben"))
    for number in range(20):
        await ada.tell_raw("ben", body(number))
    await until(lambda: len(ben.read) >= 20)
    assert ben.read == wanted("ada", 20)


async def test_a_letter_that_fails_five_times_is_dead_can_be_looked_at_and_put_back(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_module, "RETRY_PAUSE", 0.01)
    refusing = True
    ada, console = await join("ada"), await join("console-0123ab")
    ben = Reader(await join("ben"), lambda body: refusing and body == (1).to_bytes(4, "big"))
    for number in range(3):
        await ada.tell_raw("ben", body(number))
    await until(lambda: len(ben.read) >= 2, 30.0)
    assert [one for _, one in ben.read] == [number.to_bytes(4, "big") for number in (0, 2)]
    assert ben.attempts == 2 + MAX_ATTEMPTS
    (dead,) = await console.request("", "mail.show", MailQuery(recipient="ben", dead=True), reply=list[LetterInfo])
    assert (dead.sender, dead.attempts, dead.reason) == ("ada", 5, "ValueError: not this one")
    refusing = False
    assert await console.request("", "mail.requeue", MailRef(recipient="ben"), reply=int) == 1
    await until(lambda: len(ben.read) >= 3)
    assert ben.read[-1] == ("ada", (1).to_bytes(4, "big"))


def test_no_delivery_overtakes_another_when_a_connection_is_found_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken back from the dead replica must not be sent before what was to be sent already."""
    broker = MemoryBroker()
    sent: list[Header] = []
    broker._links = {b"2": SimpleNamespace(_message=lambda peer, head, body: sent.append(decode_head(head)))}  # type: ignore[dict-item]
    wanted = [ToPeer(b"1", b"", encode_head(Beat(1))), ToPeer(b"2", b"", encode_head(Beat(2)))]
    monkeypatch.setattr(broker.core, "unreachable", lambda output: [ToPeer(b"2", b"", encode_head(Beat(3)))])
    broker._emit(list(wanted))
    assert sent == [Beat(2), Beat(3)]


async def test_a_reader_that_begins_late_has_the_letter_that_came_before(join: Join) -> None:
    ada, ben = await join("ada"), await join("ben")
    await ada.tell_raw("ben", body(0))
    await until(lambda: bool(ben._unread))
    ben.connected()  # greets again, as after a lost connection
    await until(lambda: ben.session.state.value == "bound")
    reader = Reader(ben)
    await until(lambda: len(reader.read) >= 1)
    assert reader.read == wanted("ada", 1)


async def test_replicas_share_letters_and_none_is_read_twice(join: Join) -> None:
    ada = await join("ada")
    team = [Reader(await join("team", shared=True)) for _ in range(3)]
    await asyncio.gather(*(ada.tell_raw("team", body(number)) for number in range(150)))
    await until(lambda: sum(len(one.read) for one in team) >= 150)
    assert sorted(pair for one in team for pair in one.read) == wanted("ada", 150)
    assert all(one.read for one in team)


async def test_a_name_that_is_none_cannot_be_written_to(join: Join) -> None:
    ada = await join("ada")
    with pytest.raises(Refused):
        await ada.tell_raw("Not A Name", body(0))


# ---- a broker that dies

BROKER = (
    "import sys; from pathlib import Path; from rostra.broker.server import Server; Server(sys.argv[1], Path(sys.argv[2])).run()"
)


async def test_a_broker_that_is_killed_with_kill_9_loses_and_doubles_nothing(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/bus/broker"

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", BROKER, address, str(tmp_path / "mail.db")])

    broker = start()
    try:
        async with Client.connect(address, name="ada") as ada, Client.connect(address, name="ben") as client:
            ben = Reader(client)
            telling = [asyncio.create_task(ada.tell_raw("ben", body(number))) for number in range(2000)]
            for kill in range(1, 4):
                await until(lambda: len(ben.read) > 150 * kill)  # noqa: B023 - awaited at once
                os.kill(broker.pid, signal.SIGKILL)
                broker.wait()
                broker = start()
            await asyncio.gather(*telling)
            await until(lambda: len(ben.read) >= 2000, 60.0)
            assert ben.read == wanted("ada", 2000)
    finally:
        broker.terminate()
        broker.wait(20)


def test_storage_full_is_an_error_of_its_own() -> None:
    outgoing, _ = telling(1)
    (effect,) = outgoing.rejected("ben", Reject(EPOCH, 1, "storage_full", "no room"), 1.0)
    assert isinstance(effect, NotPosted)
    assert isinstance(effect.error, StorageFull)
