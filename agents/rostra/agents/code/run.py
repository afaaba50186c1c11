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


def late(config: CodeExecution) -> str:
    """Why a block was ended whose time was over."""
    return f"it ran for more than {config.seconds:g} s"


def finished(code: int, ended: str, lost: str, output: Output, work: Sealed, config: CodeExecution, note: str = "") -> Finished:
    """How a block ended, told in its output. `ended`: why it was ended from outside; then, and when the work directory is
    `lost`, that is closed. `note`: what is to be said of an end of its own.
    """
    if code == TIME_IS_OVER or ended == late(config):
        code, note = TIME_IS_OVER, late(config)
    note = ended or note
    text = output.text()
    if note:
        text += ("" if not text or text.endswith("\n") else "\n") + f"(ended: {note})\n"
    if lost:
        text += f"({lost})\n"
    if ended or lost or not work.size:
        work.close()
        return Finished(exit_code=code, output=text, work=None)
    return Finished(exit_code=code, output=text, work=work.seal())


class Run:
    """A running sandbox. `packed`: where the work directory comes out; `info`: where bwrap tells the sandbox's first process."""

    def __init__(self, process: asyncio.subprocess.Process, config: CodeExecution, packed: FileIO, info: FileIO) -> None:
        self._process, self._config, self._packed, self._info = process, config, packed, info
        self._output = Output(config.output_kb * KIB)
        self._work = Sealed()
        self._handles: list[int] = []
        """What is killed: bwrap, and the first process of the sandbox's own process namespace, with which all others there die.
        Not `process.kill`: it may reap the process before asyncio does, and the exit code would be lost."""
        self._ended = self._lost = ""
        self._hold(process.pid)

    async def finish(self) -> Finished:
        """Wait for the end, or bring it about when a limit is passed or the caller is cancelled."""
        whole = asyncio.gather(self._read_output(), self._read_work(), self._process.wait())
        looking = asyncio.create_task(self._look())
        either: list[asyncio.Future[Any]] = [whole, looking]
        try:
            await asyncio.wait(either, timeout=self._config.seconds + GRACE, return_when=asyncio.FIRST_COMPLETED)
            if not whole.done():
                self._ended = looking.result() if looking.done() else late(self._config)
        except BaseException:
            self._work.close()
            raise
        finally:
            self._kill()
            looking.cancel()
            await asyncio.wait([whole], timeout=GRACE)  # to the end of its output, so that nothing is left open
            whole.cancel()
            await asyncio.gather(*either, return_exceptions=True)
            for handle in self._handles:
                os.close(handle)
        return self._finished()

    def _finished(self) -> Finished:
        ended = self._process.returncode
        code = 128 + signal.SIGKILL if ended is None else 128 - ended if ended < 0 else ended  # an end not seen is no success
        return finished(code, self._ended, self._lost, self._output, self._work, self._config)

    async def _read_output(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while data := await stream.read(64 * KIB):
            self._output.add(data)

    async def _read_work(self) -> None:
        # A tar of the work directory is larger than it by a block a file, and is not to be trusted to be one.
        async with _reading(self._packed) as stream:
            room = self._config.scratch_mb * MIB * 2 + MAX_FILES * KIB
            while data := await stream.read(256 * KIB):
                if self._work.fd < 0 or self._work.size + len(data) > room:
                    self._lost = "the work directory is too large to be kept"
                elif not self._lost:
                    self._work.write(data)

    async def _look(self) -> str:
        """Look at what the sandbox uses until a limit is passed; returns which."""
        config = self._config
        async with _reading(self._info) as stream:
            told = b"{}"
            try:
                told = await stream.readuntil(b"}")
            except asyncio.IncompleteReadError:  # bwrap could not begin, and says why on its output
                await asyncio.Event().wait()
        first = msgspec.json.decode(told)["child-pid"]
        self._hold(first)
        limit = config.memory_mb * MIB
        while True:
            if watch.memory(first, limit) > limit:
                return f"its processes used more than {config.memory_mb} MiB of memory together"
            if any(watch.files(first, place) > MAX_FILES for place in (WORK, TEMPORARY)):
                return f"it made more than {MAX_FILES} files"
            if self._output.total > FLOOD * config.output_kb * KIB:
                return f"it wrote more than {FLOOD * config.output_kb} KiB"
            await asyncio.sleep(LOOK)

    def _hold(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._handles.append(os.pidfd_open(pid))

    def _kill(self) -> None:
        for handle in reversed(self._handles):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)


@contextlib.asynccontextmanager
async def _reading(pipe: FileIO) -> AsyncIterator[asyncio.StreamReader]:
    stream = asyncio.StreamReader(limit=MIB)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    try:
        yield stream
    finally:
        transport.close()
