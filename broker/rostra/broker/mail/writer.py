"""The mail store's thread: takes what the broker's loop queued, all at once, and commits it in one transaction.

A commit costs one fsync whatever it holds; so whatever arrived while the last one ran goes into the next, and a lone letter is
never held back.
"""

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from .operations import Declined, Fail, Inspect, Inspected, Load, Loaded, Operation, Remove, Result, Store
from .store import MailStore

log = logging.getLogger(__name__)

BATCH = 512
RETRY = 1.0
"""Seconds before what a full disk refused to forget is tried again."""


class Writer:
    """Owns a `MailStore` on a thread of its own. `poke` is called, from that thread, when results wait in `results`."""

    def __init__(self, path: Path, poke: Callable[[], None]) -> None:
        """Opens the store at `path`; raises `sqlite3.DatabaseError` when it is damaged."""
        self.results: deque[Result] = deque()
        self.broken: BaseException | None = None
        """What ended the thread before its time: nothing is stored any more."""
        self._store = MailStore(path)
        self._poke = poke
        self._queue: deque[Operation] = deque()
        self._owed: list[Operation] = []
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="rostra-mail")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Queue an operation; called from the broker's loop."""
        self._queue.append(operation)
        if not self._wake.is_set():  # else the thread is about to look, and takes this one too
            self._wake.set()

    def close(self) -> None:
        """Commit what is queued, and end."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is None:
            self._store.close()
        else:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            log.exception("the mail store's thread ends")
            self.broken = error

    def _work(self) -> None:
        while True:
            self._wake.wait(RETRY if self._owed or self._queue else None)
            self._wake.clear()
            while self._queue or self._owed:
                if not self._batch():
                    break
            if self._stop.is_set() and not self._queue:
                self._store.close()
                return

    def _batch(self) -> bool:
        """One transaction; False when the disk refused it."""
        operations = self._owed
        self._owed = []
        while self._queue and len(operations) < BATCH:
            operations.append(self._queue.popleft())
        try:
            results = self._store.apply(operations)
        except sqlite3.Error as error:
            log.error("mail cannot be stored: %s", error)
            self._refuse(operations, str(error))
            return False
        if results:
            self.results.extend(results)
            self._poke()
        return True

    def _refuse(self, operations: list[Operation], why: str) -> None:
        for operation in operations:
            if isinstance(operation, Store | Inspect):
                self.results.extend(self._store.refuse(operation, why))
            else:
                self._owed.append(operation)
        self._poke()


def refuse(operation: Operation, code: str = "unsupported", why: str = "this broker keeps no mail") -> list[Result]:
    """The answers to an operation where there is no mail."""
    match operation:
        case Store():
            operation.letter.number = 0
            return [Declined(operation.route, operation.letter, code, why, operation.round)]
        case Inspect():
            return [Inspected(operation.route, operation.request, b"", error=why)]
        case Load():
            return [Loaded(operation.recipient, [], operation.ticket)]
        case Remove() | Fail():
            return []
