"""Bubblewrap: one block of code in a machine of its own, without network, that forgets everything but its work directory.

There is no other way to run code here: when the sandbox does not work, `SandboxUnavailable` is raised.
"""

import asyncio
import contextlib
import os
import random
import shutil
from io import FileIO
from pathlib import Path

from .config import CodeExecution
from .job import Job, described
from .job import SandboxUnavailable as SandboxUnavailable
from .mounts import TEMPORARY, WORK, environment, python, system
from .run import Finished, Run
from .sealed import Sealed
from .seccomp import UnknownMachine, build_filter

MIB = 1024 * 1024
SHARED_MEMORY = 16 * MIB
USERS = range(0x40000000, 0x50000000)
"""For root: the code runs as one of these users, who own nothing; each sandbox as another one, so that their limits are apart."""
INNER = Path(__file__).with_name("inner.py")

_probed: dict[bool, str] = {}


async def probe(*, network: bool = False) -> None:
    """Run a sandbox, once per process; raises `SandboxUnavailable` when that does not work."""
    if network not in _probed:
        try:
            done = await _run(_job("print('ok')"), CodeExecution(seconds=20, network=network), None)
            problem = "" if done.output == "ok\n" else done.output or f"it ended with {done.exit_code}"
        except (OSError, UnknownMachine) as error:
            problem = str(error)
        _probed[network] = problem
    if _probed[network]:
        raise SandboxUnavailable(_explained(_probed[network]))


async def run(job: Job, config: CodeExecution, work: Sealed | None) -> Finished:
    """Run `job` with the work directory `work`. Raises `SandboxUnavailable`; never runs anything outside."""
    await probe(network=config.network)
    return await _run(job, config, work)


def _job(code: str) -> Job:
    return Job(command=(python(),), file=".probe.py", code=code)


async def _run(job: Job, config: CodeExecution, work: Sealed | None) -> Finished:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("there is no program `bwrap`")
    with contextlib.ExitStack() as stack:
        nothing = stack.enter_context(Sealed().seal())
        before = work or nothing
        before.rewind()
        inner = stack.enter_context(Sealed([_inner_job(job, config)]).seal())
        seccomp = stack.enter_context(Sealed([build_filter()]).seal())
        packed, packed_end = pipe(stack)
        info, info_end = pipe(stack)
        command = [
            bwrap,
            *bwrap_arguments(config),
            *("--seccomp", str(seccomp.fd), "--info-fd", str(info_end.fileno()), "--", python(), "-I", "-S", "-c"),
            *(INNER.read_text(encoding="utf-8"), str(inner.fd), str(before.fd), str(packed_end.fileno())),
        ]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={},  # what bwrap has is to be read in the sandbox, in /proc/1/environ
            pass_fds=(inner.fd, before.fd, seccomp.fd, packed_end.fileno(), info_end.fileno()),
            cwd="/",
        )
        packed_end.close()
        info_end.close()
        return await Run(process, config, packed, info).finish()


def pipe(stack: contextlib.ExitStack) -> tuple[FileIO, FileIO]:
    """Both ends of a pipe, closed with `stack`: for reading, for writing."""
    reading, writing = os.pipe()
    return stack.enter_context(FileIO(reading, "rb")), stack.enter_context(FileIO(writing, "wb"))


def bwrap_arguments(config: CodeExecution) -> list[str]:
    """The arguments of bwrap that make a sandbox."""
    scratch = str(config.scratch_mb * MIB)
    # For root a user namespace would be no help: the kernel holds root to no number of processes. It becomes a nobody inside.
    apart = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if os.geteuid() == 0 else ["--unshare-user"]
    namespaces = ["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--unshare-net"]
    return [
        *namespaces[: -1 if config.network else None],
        *("--cap-drop", "ALL", *apart, "--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"),
        *(part for name, value in environment().items() for part in ("--setenv", name, value)),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", str(SHARED_MEMORY), "--tmpfs", "/dev/shm"),  # noqa: S108 - of the sandbox
        *("--perms", "0777", "--size", scratch, "--tmpfs", WORK),
        *("--perms", "1777", "--size", scratch, "--tmpfs", TEMPORARY),
        *system(network=config.network),  # after /tmp, for this Python may be in it
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"),
    ]


def _inner_job(job: Job, config: CodeExecution) -> bytes:
    user = random.choice(USERS) if os.geteuid() == 0 else 0
    return described(job, config, user=user, processes=config.processes)


def _explained(problem: str) -> str:
    text = problem.strip().replace("\n", "; ")
    if "no program" in text:
        remedy = "install it (Debian, Ubuntu: apt install bubblewrap)"
    elif any(sign in text for sign in ("ermission", "not permitted", "namespace", "uid map")):
        remedy = (
            "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu "
            "kernel.apparmor_restrict_unprivileged_userns=0); in a container, give it its own namespaces "
            "(Docker: --security-opt seccomp=unconfined --security-opt systempaths=unconfined, and --cap-add SYS_ADMIN for root)"
        )
    else:
        remedy = "run `bwrap --ro-bind / / --unshare-all true` to see what this machine lacks"
    return f"code cannot be run: the sandbox does not work here ({text}). Remedy: {remedy}. Code is never run outside of it"
