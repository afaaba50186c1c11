"""Docker: one block of code in a container of its own, with the limits set, no capabilities, no network, nothing of this machine.

The command `docker` is all that is needed. A container ends with the process that wants it: its first process sees its input end.
"""

import asyncio
import contextlib
import secrets
import shutil
from pathlib import Path

from .config import CodeExecution
from .job import Job, SandboxUnavailable, described
from .mounts import TEMPORARY, WORK
from .run import FLOOD, GRACE, KIB, MAX_FILES, MIB, Finished, Output, finished, late
from .sealed import Sealed

FIRST, INNER = Path(__file__).with_name("container.py"), Path(__file__).with_name("inner.py")
STARTING = 30.0
"""Seconds that a container may take to begin, beside the block's own."""
OWN = 2
"""Processes of our own in a container."""
KILLED = 137
_ASK = "{{.MemoryLimit}} {{.PidsLimit}} {{.CPUCfsQuota}} {{.OSType}}"

_probed: dict[str, str] = {}


async def probe(image: str) -> None:
    """See, once per process, that there is a daemon that can hold a container to its limits, and the image.

    Raises `SandboxUnavailable`.
    """
    if image not in _probed:
        _probed[image] = await _problem(image)
    if _probed[image]:
        raise SandboxUnavailable(f"code cannot be run: {_probed[image]}. Code is never run outside of a sandbox")


async def _problem(image: str) -> str:
    if shutil.which("docker") is None:
        return 'there is no program `docker`. Remedy: install Docker, or use sandbox = "bubblewrap"'
    code, said = await _command("info", "--format", _ASK)
    if code:
        return f"the Docker daemon cannot be reached ({said}). Remedy: start it, or set DOCKER_HOST"
    if said.split() != ["true", "true", "true", "linux"]:
        return f"this Docker daemon cannot limit memory, processes and processor time ({said}). Remedy: enable cgroups"
    code, said = await _command("image", "inspect", "--format", "{{.Id}}", image)
    return f"there is no image {image!r} here ({said}). Remedy: docker pull {image}" if code else ""


async def run(job: Job, config: CodeExecution, work: Sealed | None) -> Finished:
    """Run `job` with the work directory `work`. Raises `SandboxUnavailable`; never runs anything outside."""
    await probe(config.image)
    name = f"rostra-{secrets.token_hex(8)}"
    process = await asyncio.create_subprocess_exec(
        *("docker", "run", *_arguments(name, config), config.image, "python3", "-I", "-S", "-c"),
        *(FIRST.read_text(encoding="utf-8"), INNER.read_text(encoding="utf-8")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await _Container(name, process, config).finish(described(job, config, user=0, processes=0), work)


def _arguments(name: str, config: CodeExecution) -> list[str]:
    user = 0x40000000 + secrets.randbelow(0x10000000)
    scratch = f"size={config.scratch_mb * MIB},nosuid,nodev,exec,mode=0777"
    memory = f"{config.memory_mb + 2 * config.scratch_mb}m"  # the places that can be written to are memory, too
    return [
        *("--rm", "--interactive", "--name", name, "--label", "rostra=code", "--pull", "never", "--log-driver", "none"),
        *("--network", "bridge" if config.network else "none", "--hostname", "sandbox", "--ipc", "private"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", f"{user}:{user}", "--read-only"),
        *("--memory", memory, "--memory-swap", memory, "--pids-limit", str(config.processes + OWN), "--cpus", "1"),
        *("--ulimit", "core=0", "--ulimit", "nofile=256", "--shm-size", str(16 * MIB)),
        *("--tmpfs", f"{WORK}:{scratch}", "--tmpfs", f"{TEMPORARY}:{scratch}", "--workdir", "/"),
        *("--env", f"HOME={WORK}", "--env", f"TMPDIR={TEMPORARY}", "--env", "LANG=C.UTF-8"),
        *("--env", "PYTHONUNBUFFERED=1", "--env", "PYTHONDONTWRITEBYTECODE=1"),
    ]


class _Container:
    """A running container."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, config: CodeExecution) -> None:
        self._name, self._process, self._config = name, process, config
        self._output, self._work = Output(config.output_kb * KIB), Sealed()
        self._ended = self._lost = ""

    async def finish(self, job: bytes, work: Sealed | None) -> Finished:
        """Wait for the end, or bring it about when a limit is passed or the caller is cancelled."""
        whole = asyncio.gather(self._feed(job, work), self._read_output(), self._read_work(), self._process.wait())
        try:
            await asyncio.wait([whole], timeout=self._config.seconds + GRACE + STARTING)
            if not whole.done():
                self._ended = late(self._config)
        except BaseException:
            self._work.close()
            raise
        finally:
            if not whole.done():
                await asyncio.shield(self._kill())
                await asyncio.wait([whole], timeout=GRACE)  # to the end of its output, so that nothing is left open
            whole.cancel()
            await asyncio.gather(whole, return_exceptions=True)
        return self._finished()

    async def _kill(self) -> None:
        await _command("kill", self._name)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _finished(self) -> Finished:
        code = self._process.returncode
        code = KILLED if code is None else 128 - code if code < 0 else code
        memory = f"it was killed; its processes may have used more than {self._config.memory_mb} MiB of memory together"
        note = memory if code == KILLED else ""
        return finished(code, self._ended, self._lost, self._output, self._work, self._config, note)

    async def _feed(self, job: bytes, work: Sealed | None) -> None:
        stream = self._process.stdin
        assert stream is not None
        with contextlib.suppress(ConnectionError):  # it has ended; why is told elsewhere
            for part in (job, work.read() if work else b""):
                stream.write(len(part).to_bytes(8, "big") + part)
            await stream.drain()

    async def _read_output(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while data := await stream.read(64 * KIB):
            self._output.add(data)
            if self._output.total > FLOOD * self._config.output_kb * KIB and not self._ended:
                self._ended = f"it wrote more than {FLOOD * self._config.output_kb} KiB"
                await self._kill()

    async def _read_work(self) -> None:
        # As it comes from the container it is not to be trusted to be an archive, nor to be of its size.
        stream = self._process.stderr
        assert stream is not None
        room = self._config.scratch_mb * MIB * 2 + MAX_FILES * KIB
        while data := await stream.read(256 * KIB):
            if self._work.size + len(data) > room:
                self._lost = "the work directory is too large to be kept"
            elif not self._lost and self._work.fd >= 0:
                self._work.write(data)


async def _command(*arguments: str) -> tuple[int, str]:
    """Run `docker` with some arguments; the exit code, and the last line of what it said."""
    process = await asyncio.create_subprocess_exec(
        *("docker", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(STARTING):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, f"no answer within {STARTING:g} s"
    lines = said.decode(errors="replace").strip().splitlines()
    return process.returncode or 0, lines[-1][:500] if lines else ""
