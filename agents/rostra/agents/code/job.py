"""One block of code on its way into a sandbox."""

import math

import msgspec

from rostra.protocol import RostraError

from .config import CodeExecution
from .mounts import WORK

MIB = 1024 * 1024


class SandboxUnavailable(RostraError):
    """Code cannot be run safely on this machine; says why, and what helps. It is not run at all, then."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One block: the command that runs the file, the file's name and text."""

    command: tuple[str, ...]
    file: str
    code: str
    temporary: bool = True
    """Whether the file goes afterwards."""


def described(job: Job, config: CodeExecution, *, user: int, processes: int) -> bytes:
    """The job as `inner.py` reads it. `user`: who it becomes; `processes`: at most; 0: it leaves that as it is."""
    limits = {
        "RLIMIT_AS": config.memory_mb * MIB,
        "RLIMIT_CPU": math.ceil(config.seconds) + 1,
        "RLIMIT_FSIZE": config.scratch_mb * MIB,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    } | ({"RLIMIT_NPROC": processes} if processes else {})
    plain = {"user": user, "work": WORK, "seconds": config.seconds, "limits": limits, **msgspec.structs.asdict(job)}
    return msgspec.json.encode(plain)
