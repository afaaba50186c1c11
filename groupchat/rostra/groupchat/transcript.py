"""The transcript: every chat's rows in one SQLite database, written before anybody sees them.

Writes go through one thread that commits together what is queued at once (`writer`); reads go through a connection of their own
in a thread of their own, so that neither holds up the event loop or the other.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rostra.protocol import History
from rostra.protocol.chat import ChatInfo, Records, Verdict, Why

from . import reading, recording, statements
from .floor import Floor
from .inputs import Write
from .roster import Roster
from .rows import Row, Settings
from .writer import Writer, connect

T = TypeVar("T")


class Transcript:
    """The database at `path`; it is made when there is none. Raises `sqlite3.Error` and `BadOptions` when it cannot be used."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.writer = Writer(path)
        self._reader = connect(path, read_only=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="transcript reader")

    async def aclose(self) -> None:
        """Write what is queued, then close."""
        await self.writer.aclose()
        await asyncio.to_thread(self._thread.shutdown)
        self._reader.close()

    async def read(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a reading function in the reader's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, self._reader, *arguments)

    # ---- writing; each returns when it is on the disk, and raises `Fenced` when another coordinator has the chat

    async def create(self, chat: str, request: bytes, settings: Settings, opening: Row) -> int:
        """Begin a chat; returns its epoch. Raises `ChatExists`."""
        return await self.writer.write(lambda db: statements.create(db, chat, request, settings, opening))

    async def take(self, chat: str, *, ended: bool = False) -> int:
        """Take a chat over: older coordinators are fenced from here on; returns the epoch. `ended`: also one that has ended.

        Raises `NoSuchChat`.
        """
        return await self.writer.write(lambda db: statements.take(db, chat, ended))

    async def fork(self, chat: str, request: bytes, settings: Settings, rows: Iterable[Row], floor: Floor) -> int:
        """Begin a chat with the rows of another; returns its epoch. Raises `ChatExists`."""
        return await self.writer.write(lambda db: statements.fork(db, chat, request, settings, rows, floor))

    async def write(self, chat: str, epoch: int, *writes: Write) -> bool:
        """Carry out what a chat wants written at one moment, in order and in one transaction.

        False: a turn that was to be closed or held is not open any more; nothing after that is written.
        """
        return await self.writer.write(lambda db: recording.write(db, chat, epoch, writes))

    # ---- reading

    async def unfinished(self) -> list[reading.Kept]:
        """The chats that have not ended."""
        return await self.read(reading.unfinished)

    async def kept(self, chat: str) -> reading.Kept:
        """One chat without its rows; raises `NoSuchChat`."""
        return await self.read(reading.kept, chat)

    async def began_by(self, chat: str) -> bytes:
        """The id of the request that began the chat; empty when there is none."""
        return await self.read(reading.began_by, chat)

    async def rows(self, chat: str) -> list[Row]:
        """All rows of a chat."""
        return await self.read(reading.rows, chat)

    async def history(self, chat: str, after: int = 0, limit: int = 200) -> History:
        """The messages after a place, in pages; raises `NoSuchChat`."""
        return await self.read(reading.history, chat, after, limit)

    async def records(self, chat: str, after: int = 0) -> Records:
        """The closed rows after a link of the chain, in pages; raises `NoSuchChat`."""
        return await self.read(reading.records, chat, after)

    async def reasons(self, chat: str, sequence: int = 0) -> list[Why]:
        """How speakers were chosen; raises `NoSuchChat`."""
        return await self.read(reading.reasons, chat, sequence)

    async def infos(self, roster: Roster, chat: str = "") -> list[ChatInfo]:
        """One chat, or all, at a glance; raises `NoSuchChat`."""
        return await self.read(reading.infos, roster, chat)

    async def verify(self, chat: str) -> Verdict:
        """Check the hash chain of a chat; raises `NoSuchChat`."""
        return await self.read(reading.verify, chat)
