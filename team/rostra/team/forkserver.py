"""The fork server: a process that has loaded what an agent needs, and makes a copy of itself for each one.

It has one thread and has never made a ZeroMQ context, so its copies are sound. It is told what to make over a socket pair and
answers with the process ids and, later, the exit codes. When its launcher is gone it kills its children and ends; when it is
killed itself, the kernel kills them (`die_with_parent`).
"""

import asyncio
import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import sys
from pathlib import Path

import msgspec

from . import process
from .exits import ExitCode
from .file import TeamFile
from .os_process import die_with_parent, set_title
from .tables import AgentTable, ModelTable, TeamTables

LENGTH = struct.Struct("!I")
PADDING = "-" * 64
"""An argument without meaning: it makes room for the command line that the children show (`set_title`)."""


class Fork(msgspec.Struct, frozen=True, tag=True):
    """To the fork server: make a process for `job`, to be known as `key`."""

    key: str
    job: process.Job


class Forked(msgspec.Struct, frozen=True, tag=True):
    """From the fork server: the process `key` runs as `pid`."""

    key: str
    pid: int


class Exited(msgspec.Struct, frozen=True, tag=True):
    """From the fork server: the process `key` ended. A negative code is minus the signal that killed it."""

    key: str
    pid: int
    code: int


Report = Forked | Exited


PRELOADED = (
    "asyncio.unix_events",
    "rostra.agents.actor",
    "rostra.agents.assistant",
    "rostra.agents.code.config",
    "rostra.agents.config",
    "rostra.agents.gateway",
    "rostra.agents.human",
    "rostra.agents.loading",
    "rostra.agents.models.gateway_model",
    "rostra.agents.user_proxy",
    "rostra.broker.server",
    "rostra.groupchat.serving",
    "sqlite3",
    "zmq.utils.monitor",
)
"""What the children need. Nothing here starts a thread, or makes a ZeroMQ context."""


def preload() -> None:
    """Load it, and do once what every child does first: what that leaves behind is shared instead of made again in each."""
    for name in PRELOADED:
        importlib.import_module(name)
    file = TeamFile(Path("/"), "", TeamTables(agents={"any": AgentTable()}, models={"any": ModelTable(model="any")}))
    file.agent_configs()
    file.model_configs()
    file.chat_options()
    asyncio.run(asyncio.sleep(0))


class _Server:
    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, tuple[str, int]] = {}  # descriptor of the process -> key, pid
        self._input = bytearray()

    def serve(self) -> None:
        """Until the launcher is gone. Returns in the launcher's process only; children never come back from `_fork`."""
        self._selector.register(self._link, selectors.EVENT_READ)
        while True:
            for selected, _ in self._selector.select():
                if selected.fileobj is not self._link:
                    self._reap(selected.fd)
                elif not self._read():
                    for _, pid in self._children.values():
                        os.kill(pid, signal.SIGKILL)
                    return

    def _read(self) -> bool:
        try:
            data = self._link.recv(65536)
        except ConnectionResetError:  # the launcher died with reports unread
            return False
        self._input += data
        while len(self._input) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._input)
            if len(self._input) < LENGTH.size + size:
                break
            wish = msgspec.msgpack.decode(memoryview(self._input)[LENGTH.size : LENGTH.size + size].tobytes(), type=Fork)
            del self._input[: LENGTH.size + size]
            self._fork(wish)
        return bool(data)

    def _fork(self, wish: Fork) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or too many processes
            sys.stderr.write(f"{wish.key} cannot be forked: {error}\n")
            self._say(Exited(wish.key, 0, ExitCode.CRASHED))
            return
        if pid == 0:
            self._become(msgspec.structs.replace(wish.job, parent=parent))
        descriptor = os.pidfd_open(pid)
        self._children[descriptor] = (wish.key, pid)
        self._selector.register(descriptor, selectors.EVENT_READ)
        self._say(Forked(wish.key, pid))

    def _become(self, job: process.Job) -> None:
        """The life of a child, which ends here."""
        code = 1
        try:
            os.setsid()  # a Ctrl-C at the terminal is the launcher's to judge
            self._link.close()
            for descriptor in self._children:
                os.close(descriptor)
            self._selector.close()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            gc.enable()
            code = process.run(job)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)  # the interpreter's own end would run what the fork server has registered for its own

    def _reap(self, descriptor: int) -> None:
        key, pid = self._children.pop(descriptor)
        self._selector.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        self._say(Exited(key, pid, os.waitstatus_to_exitcode(status)))

    def _say(self, report: Report) -> None:
        body = msgspec.msgpack.encode(report)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the next read sees that the launcher is gone
            self._link.sendall(LENGTH.pack(len(body)) + body)


def main() -> int:
    """`python -m rostra.team.forkserver DESCRIPTOR LAUNCHER -----`."""
    with socket.socket(fileno=int(sys.argv[1])) as link:
        die_with_parent(int(sys.argv[2]))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        set_title("rostra-forks")
        preload()
        gc.collect()
        gc.disable()
        gc.freeze()  # the children's collector leaves what they share alone, so that it stays shared
        _Server(link).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
