"""One sandbox while it runs: its output, the work directory it hands back, and the limits that are kept from outside."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from io import FileIO
from typing import Any

import msgspec

from . import watch
from .config import CodeExecution
from .mounts import TEMPORARY, WORK
from .sealed import Sealed

KIB, MIB = 1024, 1024 * 1024
GRACE = 5.0
"""Seconds for unpacking and packing, beside the block's own."""
LOOK = 0.1
"""Seconds between two looks at what a sandbox uses."""
MAX_FILES = 50_000
FLOOD = 64
"""A block that writes this many times the output that is reported is ended."""
TIME_IS_OVER = 124
"""The exit code then, as of timeout(1)."""


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How a block ended."""

    exit_code: int
    """As a shell has it: 128 + n for signal n, 124 when the time was over."""
    output: str
    """Standard output and error as they came; notes about limits at the end."""
    work: Sealed | None
    """The work directory (tar) as it is now; None: empty, or lost because the sandbox had to be ended."""


class Output:
    """The beginning and the end of what was written; `limit` bytes together."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head, self._tail = bytearray(), bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take what was written next."""
        self.total += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        del self._tail[: -self._half]

    def text(self) -> str:
        """What is kept; says what is left out."""
        left_out = self.total - len(self._head) - len(self._tail)
        middle = f"\n… ({left_out} bytes are left out)\n".encode() if left_out else b""
        return (bytes(self._head) + middle + bytes(self._tail)).decode(errors="replace")


class Run:
    """A running sandbox. `packed`: where the work directory comes out; `info`: where bwrap tells the sandbox's first process."""

    def __init__(self, process: asyncio.subprocess.Process, config: CodeExecution, packed: FileIO, info: FileIO) -> None:
        self._process, self._config, self._packed, self._info = process, config, packed, info
        self._output = Output(config.output_kb * KIB)
        self._work = Sealed()
        self._first = 0
        """The first process of the sandbox's own process namespace: all others die with it."""
        self._ended = ""

    async def finish(self) -> Finished:
        """Wait for the end, or bring it about when a limit is passed or the caller is cancelled."""
        whole = asyncio.gather(self._read_output(), self._read_work(), self._process.wait())
        looking = asyncio.create_task(self._look())
        try:
            either: list[asyncio.Future[Any]] = [whole, looking]
            await asyncio.wait(either, timeout=self._config.seconds + GRACE, return_when=asyncio.FIRST_COMPLETED)
            if not whole.done():
                self._kill()
                self._ended = looking.result() if looking.done() else self._late()
            await asyncio.wait([whole], timeout=GRACE)
        except BaseException:
            self._work.close()
            raise
        finally:
            self._kill()
            looking.cancel()
            whole.cancel()
            await asyncio.gather(whole, looking, return_exceptions=True)
            await self._process.wait()
        return self._finished()

    def _finished(self) -> Finished:
        code = self._process.returncode or 0
        code = 128 - code if code < 0 else code
        note = self._ended
        if not note and code == TIME_IS_OVER:
            note = self._late()
        if note == self._late():
            code = TIME_IS_OVER
        text = self._output.text()
        if note:
            text += ("" if not text or text.endswith("\n") else "\n") + f"(ended: {note})\n"
        if self._ended or not self._work.size:
            self._work.close()
            return Finished(exit_code=code, output=text, work=None)
        return Finished(exit_code=code, output=text, work=self._work.seal())

    def _late(self) -> str:
        return f"it ran for more than {self._config.seconds:g} s"

    async def _read_output(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while data := await stream.read(64 * KIB):
            self._output.add(data)

    async def _read_work(self) -> None:
        # A tar of the work directory is larger than it by a block a file, and is not to be trusted to be one.
        async with _reading(self._packed) as stream:
            while data := await stream.read(256 * KIB):
                if self._work.size + len(data) <= self._room():
                    self._work.write(data)

    def _room(self) -> int:
        return self._config.scratch_mb * MIB * 2 + MAX_FILES * 1024

    async def _look(self) -> str:
        """Look at what the sandbox uses until a limit is passed; returns which."""
        config = self._config
        async with _reading(self._info) as stream:
            told = await stream.readuntil(b"}")
        self._first = msgspec.json.decode(told)["child-pid"]
        limit = config.memory_mb * MIB
        while True:
            if watch.memory(self._first, limit) > limit:
                return f"its processes used more than {config.memory_mb} MiB of memory together"
            if any(watch.files(self._first, place) > MAX_FILES for place in (WORK, TEMPORARY)):
                return f"it made more than {MAX_FILES} files"
            if self._output.total > FLOOD * config.output_kb * KIB:
                return f"it wrote more than {FLOOD * config.output_kb} KiB"
            await asyncio.sleep(LOOK)

    def _kill(self) -> None:
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._first:
                os.kill(self._first, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


@contextlib.asynccontextmanager
async def _reading(pipe: FileIO) -> AsyncIterator[asyncio.StreamReader]:
    stream = asyncio.StreamReader(limit=MIB)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    try:
        yield stream
    finally:
        transport.close()
