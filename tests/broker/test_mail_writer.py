"""The writer of mail: nothing is confirmed before it is on disk, nor when the disk is full."""

import resource
import signal
import sqlite3
import threading
from pathlib import Path

from rostra.broker.mail.operations import Declined, Fail, Kept, Load, Loaded, Remove, Store
from rostra.broker.mail.store import MailStore
from rostra.broker.mail.writer import Writer, refuse

from .letters import letter


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
