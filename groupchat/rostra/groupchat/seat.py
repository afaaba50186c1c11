"""The one seat of a team's coordinators: who has it holds the chats, the others stand by and take it when its holder is gone.

The seat is a file beside the transcript, which is on one host as SQLite wants it. Its holder has it locked and touches it, from
its event loop, as long as it lives: the lock says who is dead (the kernel lets go of it), the touch who is hung or stopped.
Such a holder is killed before its seat is taken, for it may have been stopped in the midst of a commit, with the database's
lock in its hand. One that cannot be killed, because it is in another container, loses the seat all the same: it ends when it
wakes up, and until then the epochs of the chats keep it from writing.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from .errors import Unseated

log = logging.getLogger(__name__)

TOUCH = 0.25
"""Seconds between two touches of the holder."""
LOOK = 0.1
"""Seconds between two looks of who stands by."""
SILENCE = 1.5
"""Seconds without a touch after which the holder is taken to be stopped, or hung."""


class Seat:
    """The seat of the coordinators of the transcript `database`. Belongs to one event loop."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".seat")
        self.lost: asyncio.Future[Unseated]
        """Done when another coordinator has taken the seat from us."""
        self._fd = -1
        self._touching: asyncio.Task[None] | None = None

    async def take(self, stop: asyncio.Event, waiting: Callable[[], None] | None = None) -> bool:
        """Wait until the seat is ours; False: `stop` was set before. `waiting` is called when somebody else has it."""
        loop = asyncio.get_running_loop()
        self.lost = loop.create_future()
        seen, since, looked = (0, 0), loop.time(), loop.time()
        told = False
        while not stop.is_set():
            found = self._try()
            if found is None:
                self._touching = loop.create_task(self._touch())
                return True
            if not told and waiting:
                waiting()
            told = True
            now = loop.time()
            if found != seen or now - looked > SILENCE / 2:  # it lives, or it was we who were not looking
                seen, since = found, now
            looked = now
            if now - since > SILENCE:
                self._remove(seen[0])
                seen = (0, 0)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await stop.wait()
        return False

    async def aclose(self) -> None:
        """Leave the seat to whoever stands by."""
        if self._touching:
            self._touching.cancel()
            await asyncio.gather(self._touching, return_exceptions=True)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _try(self) -> tuple[int, int] | None:
        """Take the seat if it is free; else its inode, and when it was touched last (ns)."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            status = os.fstat(fd)
            os.close(fd)
            return status.st_ino, status.st_mtime_ns
        if not self._is_the_seat(fd):  # it was removed between our opening and our locking it
            os.close(fd)
            return 0, 0
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {_birth(os.getpid())}\n".encode(), 0)
        self._fd = fd
        return None

    async def _touch(self) -> None:
        while self._is_the_seat(self._fd):
            os.utime(self._fd)
            await asyncio.sleep(TOUCH)
        self.lost.set_result(Unseated())

    def _is_the_seat(self, fd: int) -> bool:
        try:
            return os.stat(self.path).st_ino == os.fstat(fd).st_ino
        except FileNotFoundError:
            return False

    def _remove(self, inode: int) -> None:
        """Kill the holder, where it can be found; else put its seat away."""
        pid, birth = 0, ""
        with contextlib.suppress(OSError, ValueError):
            first, birth = self.path.read_text().split()
            pid = int(first)
        if pid and pid != os.getpid() and _kill(pid, birth):
            log.warning("the coordinator %d gave no sign of life for %g s, and was killed", pid, SILENCE)
            return
        log.warning("a coordinator that is out of reach gave no sign of life for %g s: its seat is taken", SILENCE)
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self.path).st_ino == inode:
                self.path.unlink()


def _kill(pid: int, birth: str) -> bool:
    """Kill the process `pid` if it is the one that began at `birth`; whether it was."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not birth or _birth(pid) != birth:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True


def _birth(pid: int) -> str:
    """When a process began, in the kernel's ticks since it booted (proc(5)); empty for one that is not there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
