"""The thread that writes: what is queued at once is committed at once.

Several chats share a commit when they write at the same moment; a lone write is committed without waiting for company.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from rostra.protocol.failpoints import passing

from .schema import MIGRATIONS, migrate

T = TypeVar("T")
MAX_BATCH = 256

_Job = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in the mode that the transcript promises: WAL, every commit on the disk."""
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if read_only:
            if 0 < connection.execute("PRAGMA user_version").fetchone()[0] < len(MIGRATIONS):
                migrate(connection)  # left by an older version, whose coordinator does not run any more
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


class Writer:
    """One thread, one connection; jobs come from event loops."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        try:
            migrate(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self.commits = self.writes = 0
        self._thread = threading.Thread(target=self._run, name="transcript writer", daemon=True)
        self._thread.start()

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run `job` in a transaction; returns when it is on the disk. What the job raises is raised here, and undone there.

        A cancelled caller does not undo its write.
        """
        if self._closed:
            raise RuntimeError("the transcript is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((job, future, loop))
        return await future

    async def aclose(self) -> None:
        """Write what is queued, then end."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._connection.close()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            batch, last = [job], False
            while len(batch) < MAX_BATCH and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    last = True
                    break
                batch.append(job)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Job]) -> None:
        execute = self._connection.execute
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            passing("transcript.begin")
            execute("BEGIN IMMEDIATE")
            outcomes = [self._one(job, alone=len(batch) == 1) for job, _, _ in batch]
            passing("transcript.before_commit")
            if self._connection.in_transaction:
                execute("COMMIT")
                self.commits, self.writes = self.commits + 1, self.writes + len(batch)
            passing("transcript.after_commit")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            outcomes = [(None, error)] * len(batch)
        for (_, future, loop), (value, problem) in zip(batch, outcomes, strict=True):
            try:
                loop.call_soon_threadsafe(_resolve, future, value, problem)
            except RuntimeError:
                continue  # that event loop has ended; nobody waits any more

    def _one(self, job: Callable[[sqlite3.Connection], Any], *, alone: bool) -> tuple[Any, BaseException | None]:
        """Run a job; what it raises is undone. One that is `alone` in its transaction needs no savepoint, its failure ends it."""
        execute = self._connection.execute
        if not alone:
            execute("SAVEPOINT job")
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = job(self._connection), None
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever wrote the job
            if alone and self._connection.in_transaction:
                execute("ROLLBACK")
            elif not alone:
                execute("ROLLBACK TO job")
            outcome = None, error
        if not alone:
            execute("RELEASE job")
        return outcome


def _resolve(future: "asyncio.Future[Any]", value: Any, problem: BaseException | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(value)
    else:
        future.set_exception(problem)
