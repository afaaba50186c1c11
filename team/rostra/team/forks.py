"""The launcher's end of the fork server."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import msgspec

from .forkserver import LENGTH, PADDING, Exited, Fork, Forked, Report
from .process import Job


class ForkServer:
    """Makes processes by forking. `on_report` is told, in order, of each process that was made and that ended.

    When the fork server dies, its children die with it; they are reported as killed, and the next `fork` starts a new one.
    """

    def __init__(self, on_report: Callable[[Report], None]) -> None:
        self._on_report = on_report
        self._server: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._asked: dict[str, int] = {}  # key -> pid, 0 as long as it is not known

    @property
    def pid(self) -> int:
        """Of the fork server; 0: there is none."""
        return self._server.pid if self._server else 0

    async def fork(self, key: str, job: Job) -> None:
        """Have a process made for `job`; `on_report` hears of it as `key`."""
        self._asked[key] = 0
        async with self._starting:
            writer = self._writer or await self._start()
        body = msgspec.msgpack.encode(Fork(key, job))
        writer.write(LENGTH.pack(len(body)) + body)

    async def aclose(self) -> None:
        """End the fork server, and with it whatever it still has for children."""
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            await self._reading

    async def _start(self) -> asyncio.StreamWriter:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "rostra.team.forkserver", str(theirs.fileno()), str(os.getpid()), PADDING]
            self._server = subprocess.Popen(  # noqa: S603, ASYNC220 - our own interpreter; it returns as soon as the child is there
                command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
            )
        reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        self._reading = asyncio.get_running_loop().create_task(self._read(reader, self._writer, self._server))
        return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: "subprocess.Popen[bytes]") -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                self._heard(msgspec.msgpack.decode(await reader.readexactly(size), type=Report))
        writer.close()
        await asyncio.get_running_loop().run_in_executor(None, server.wait)
        if self._server is server:
            self._server = self._writer = None
        lost, self._asked = self._asked, {}
        for key, pid in lost.items():
            self._on_report(Exited(key, pid, -9))

    def _heard(self, report: Report) -> None:
        match report:
            case Forked():
                self._asked[report.key] = report.pid
            case Exited():
                self._asked.pop(report.key, None)
        self._on_report(report)
