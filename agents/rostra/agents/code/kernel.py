"""Jupyter kernels in the sandbox: Python whose variables are still there in the next block of the same chat."""

import asyncio
import base64
import binascii
import contextlib
import os
import random
import shutil
import signal
from collections import OrderedDict
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from . import watch
from .config import CodeExecution
from .job import Job, SandboxUnavailable
from .mounts import TEMPORARY, WORK, python
from .run import GRACE, KIB, LOOK, MAX_FILES, MIB, TIME_IS_OVER
from .sandbox import USERS, bwrap_arguments, pipe, probe
from .sealed import Sealed
from .seccomp import build_filter

INNER = Path(__file__).with_name("kernel_inner.py")
KEPT_KERNELS = 4
"""Kernels that an agent keeps; the one least recently used is ended first."""
STARTING = 90.0
"""Seconds that a kernel may take to be there."""
OWN_MB = 1024
"""Address space, MiB, that the kernel's own threads and libraries take beside the block's."""
FILES_KB = 384
"""KiB of pictures, encoded, that one message may bring; a transcript's messages are bounded."""
LOST = 137


class Picture(msgspec.Struct, frozen=True):
    """A picture that a block has shown: base64, but SVG as it is."""

    name: str
    type: str
    data: str


class Done(msgspec.Struct, frozen=True):
    """How a block ended: the exit code as a shell has it, what it wrote, what it showed."""

    status: int
    output: str
    files: tuple[Picture, ...] = ()


class _Line(msgspec.Struct, frozen=True):
    ready: bool = False
    problem: str = ""
    status: int = 0
    output: str = ""
    files: tuple[Picture, ...] = ()


class Kernels:
    """The kernels of one agent, one for each chat."""

    def __init__(self, config: CodeExecution) -> None:
        self._config = config
        self._kernels: OrderedDict[str, Kernel] = OrderedDict()

    async def run(self, job: Job, chat: str) -> Done:
        """Run one block in the chat's kernel. Raises `SandboxUnavailable`; never runs anything outside."""
        kernel = self._kernels.pop(chat, None)
        if kernel is None or not kernel.alive:
            kernel = await Kernel.start(self._config)
        try:
            return await kernel.run(job)
        finally:
            if chat and kernel.alive:
                self._kernels[chat] = kernel
            else:
                await kernel.aclose()
            while len(self._kernels) > KEPT_KERNELS:
                await self._kernels.popitem(last=False)[1].aclose()

    async def aclose(self) -> None:
        """End them all."""
        while self._kernels:
            await self._kernels.popitem()[1].aclose()


class Kernel:
    """A sandbox with a kernel in it."""

    def __init__(self, process: asyncio.subprocess.Process, config: CodeExecution) -> None:
        self._process, self._config = process, config
        self._first = 0
        self._handles = [os.pidfd_open(process.pid)]
        self._problem = ""
        self._looking: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, config: CodeExecution) -> "Kernel":
        """Start one, and wait until it is ready. Raises `SandboxUnavailable`."""
        await probe(network=config.network)
        bwrap = shutil.which("bwrap")
        assert bwrap is not None  # it was just run
        with contextlib.ExitStack() as stack:
            seccomp = stack.enter_context(Sealed([build_filter()]).seal())
            info, info_end = pipe(stack)
            process = await asyncio.create_subprocess_exec(
                *(bwrap, *bwrap_arguments(config), "--seccomp", str(seccomp.fd), "--info-fd", str(info_end.fileno()), "--"),
                *(python(), "-I", "-c", INNER.read_text(encoding="utf-8"), _job(config)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
                pass_fds=(seccomp.fd, info_end.fileno()),
                cwd="/",
                limit=(FILES_KB + 2 * config.output_kb) * KIB * 4,
            )
            info_end.close()
            kernel = cls(process, config)
            try:
                told = await kernel._begin(info)
            except BaseException:  # whoever wanted it does not wait any more: nobody else would end it
                await kernel.aclose()
                raise
        if told is None or not told.ready:
            await kernel.aclose()
            why = told.problem if told else "it did not begin"
            raise SandboxUnavailable(
                f"code cannot be run: there is no Jupyter kernel in the sandbox ({why}). Remedy: pip install 'rostra[jupyter]'"
            )
        return kernel

    async def _begin(self, info: FileIO) -> "_Line | None":
        """Find its first process, look at it from now on, and hear whether it is ready."""
        self._first = await asyncio.to_thread(_first_process, info)
        self._handles.append(os.pidfd_open(self._first))
        self._looking = asyncio.create_task(self._look())
        return await self._hear(STARTING)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.returncode is None and not self._problem

    async def run(self, job: Job) -> Done:
        """Run one block."""
        config = self._config
        shell = job.command[0] if job.command[0] in ("/bin/sh", "/bin/bash") else ""
        line = {
            "code": job.code,
            "file": "" if job.temporary else job.file,
            "shell": shell,
            "seconds": config.seconds,
            "output": config.output_kb * KIB,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(line) + b"\n")
        try:
            told = await self._hear(config.seconds + 2 * GRACE)
        except BaseException:
            await self.aclose()
            raise
        if told is None:
            why = self._problem or f"it ran for more than {config.seconds:g} s"
            await self.aclose()
            status = LOST if self._problem else TIME_IS_OVER
            return Done(status, f"(ended: {why}; the kernel's state is lost)\n")
        note = f"(ended: it ran for more than {config.seconds:g} s)\n" if told.status == TIME_IS_OVER else ""
        output = told.output + ("\n" if note and told.output and not told.output.endswith("\n") else "") + note
        return Done(told.status, *_bounded(output, told.files))

    async def aclose(self) -> None:
        """End it."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self._kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError, ValueError):
            async with asyncio.timeout(GRACE):
                while await self._process.stdout.read(64 * KIB):
                    pass
        await self._process.wait()
        while self._handles:
            os.close(self._handles.pop())

    async def _hear(self, seconds: float) -> _Line | None:
        """The next line; None: there is none in time, or none that makes sense."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                return msgspec.json.decode(await self._process.stdout.readline(), type=_Line)
        except (TimeoutError, ValueError, msgspec.DecodeError):
            return None

    async def _look(self) -> None:
        """Look at what the sandbox uses for as long as it lives; end it when a limit is passed."""
        limit = self._config.memory_mb * MIB
        while True:
            if watch.memory(self._first, limit) > limit:
                self._problem = f"its processes used more than {self._config.memory_mb} MiB of memory together"
            elif any(watch.files(self._first, place) > MAX_FILES for place in (WORK, TEMPORARY)):
                self._problem = f"it made more than {MAX_FILES} files"
            if self._problem:
                self._kill()
                return
            await asyncio.sleep(LOOK)

    def _kill(self) -> None:
        for handle in reversed(self._handles):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)


def _first_process(info: FileIO) -> int:
    """The first process of the sandbox, as bwrap tells it."""
    told = b""
    while b"}" not in told:
        part = info.read(4096)
        if not part:
            raise SandboxUnavailable("code cannot be run: the sandbox did not begin")
        told += part
    return int(msgspec.json.decode(told)["child-pid"])


def _job(config: CodeExecution) -> str:
    limits = {
        "RLIMIT_AS": (config.memory_mb + OWN_MB) * MIB,
        "RLIMIT_NPROC": config.processes,
        "RLIMIT_FSIZE": config.scratch_mb * MIB,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    user = random.choice(USERS) if os.geteuid() == 0 else 0
    plain: dict[str, Any] = {"user": user, "limits": limits, "work": WORK, "temporary": TEMPORARY}
    return msgspec.json.encode(plain).decode()


def _bounded(output: str, files: tuple[Picture, ...]) -> tuple[str, tuple[Picture, ...]]:
    """What fits into a message, of pictures that are some."""
    kept: list[Picture] = []
    room = FILES_KB * KIB
    for each in files:
        size = len(each.data)
        if size > room or not _decodes(each):
            output += f"({each.name} has {size} bytes, or is no picture, and is left out)\n"
            continue
        room -= size
        kept.append(each)
    return output, tuple(kept)


def _decodes(picture: Picture) -> bool:
    if picture.type not in ("image/png", "image/jpeg", "image/svg+xml") or "/" in picture.name or len(picture.name) > 100:
        return False
    if picture.type == "image/svg+xml":
        return True
    try:
        base64.b64decode(picture.data, validate=False)
    except (binascii.Error, ValueError):
        return False
    return True
