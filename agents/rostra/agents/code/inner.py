"""What runs inside the sandbox before and after a block of code. Never imported: its text is handed to the sandbox's Python.

It becomes nobody in particular, unpacks the work directory, sets the limits, runs one block in a process of its own, kills
whatever that left behind, and packs the work directory again. Arguments: the descriptors of the job (JSON), of the work directory
as it was (tar), and of the pipe for the work directory as it is then (tar).
The block may attack it, for it is the same user: so nothing here is trusted by the outside, which has limits of its own.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is slow to import
    from typing import Any, NoReturn


def main() -> None:
    job_at, before, after = map(int, sys.argv[1:])
    with open(job_at, encoding="utf-8") as source:
        job = json.load(source)
    if job["user"]:
        os.setgroups([])
        os.setresgid(job["user"], job["user"], job["user"])
        os.setresuid(job["user"], job["user"], job["user"])
    work = job["work"]
    if os.fstat(before).st_size:
        unpack(work, before)
    path = os.path.join(work, job["file"])
    if os.path.islink(path):
        os.unlink(path)
    with open(path, "w", encoding="utf-8") as script:
        script.write(job["code"])
    child = os.fork()
    if child == 0:
        run(job, path)
    status = wait(child, job["seconds"])
    kill_all()
    if job["temporary"] and os.path.lexists(path):
        os.unlink(path)
    pack(work, after)
    os._exit(status)


def unpack(work: str, before: int) -> None:
    import tarfile

    safer: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    try:
        with open(before, "rb") as packed, tarfile.open(fileobj=packed, mode="r:") as archive:
            archive.extractall(work, **safer)  # noqa: S202 - within the sandbox, from the sandbox
    except (tarfile.TarError, OSError) as error:
        os.write(2, f"the work directory could not be restored: {error}\n".encode())


def run(job: dict[str, Any], path: str) -> NoReturn:
    try:
        os.setsid()
        os.closerange(3, 1024)
        limits = job["limits"]
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))
        os.chdir(job["work"])
        os.execv(job["command"][0], [*job["command"], path])  # noqa: S606 - this is what a sandbox is for
    except BaseException as error:  # noqa: BLE001 - the boundary of this process
        os.write(2, f"the block could not be started: {error}\n".encode())
    finally:
        os._exit(126)


def wait(child: int, seconds: float) -> int:
    """The exit code as a shell has it; 124 when the time is over."""

    def late(number: int, frame: object) -> NoReturn:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        _, status = os.waitpid(child, 0)
    except TimeoutError:
        return 124
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def kill_all() -> None:
    """Kill every process of the sandbox but this one and the first, which is not killed from inside."""
    for _ in range(100):
        try:
            os.kill(-1, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


def pack(work: str, after: int) -> None:
    if not os.listdir(work):
        return
    import tarfile

    with open(after, "wb") as out, tarfile.open(fileobj=out, mode="w|") as archive:
        archive.add(work, arcname=".", filter=lambda each: each if each.isfile() or each.isdir() or each.issym() else None)


main()
