"""The first process of a container that runs one block (`docker`). Never imported: its text is handed to the image's Python.

Standard input brings the length of the job, the job (JSON), the length of the work directory, and the work directory (tar); it
stays open for as long as whoever wants the block lives. Standard output is what the block writes, standard error the work
directory afterwards (tar). Its argument is the text of `inner.py`, which does the rest in a process of its own.
"""

import os
import select
import signal
import sys


def take(size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = os.read(0, min(size - len(found), 1 << 20))
        if not part:
            os._exit(137)  # nobody wants it any more
        found += part
    return found


def kept() -> int:
    file = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o600)  # noqa: S108 - of the container
    data = memoryview(take(int.from_bytes(take(8), "big")))
    while data:
        data = data[os.write(file, data) :]
    os.lseek(file, 0, os.SEEK_SET)
    return file


def main() -> None:
    job, before = kept(), kept()
    after = os.dup(2)
    os.dup2(1, 2)
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        sys.argv[1:] = map(str, (job, before, after))
        exec(compile(TEXT, "inner.py", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own other half
        os._exit(126)
    for each in (job, before, after):
        os.close(each)
    while True:
        if select.select([0], [], [], 0.05)[0] and not os.read(0, 1):
            os._exit(137)
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 + signal.SIGKILL)


TEXT = sys.argv[1]
main()
