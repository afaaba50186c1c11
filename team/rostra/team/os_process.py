"""What a process asks of Linux for itself: to die with its parent, to be told apart in `ps`, to say that it is ready."""

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
LOG_BYTES = 1024 * 1024
"""A log file larger than this is put aside when its process starts."""
_libc = ctypes.CDLL(None)
"""Opened once: each opening makes a class of its own, which a forked process would not share."""


def die_with_parent(parent: int) -> None:
    """Be killed when the process `parent` dies, however it dies; ends at once when it is dead already.

    SIGKILL, since nobody would be left to send it after a SIGTERM that is not obeyed; every process of a team can be killed at
    any moment without harm.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def set_title(title: str) -> None:
    """Be called `title` in `ps`: the command name (its first 15 bytes) and, as far as there is room, the command line."""
    _prctl(_PR_SET_NAME, title.encode()[:15])
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, proc(5)
        size = end - begin
        if size > 1:
            text = title.encode()[: size - 1]
            ctypes.memmove(begin, text + b"\0" * (size - len(text)), size)
    except (OSError, ValueError, IndexError):
        return  # a kernel that keeps this from us; the command name says enough


def write_to(log: Path) -> None:
    """Send stdout and stderr to the end of `log`, and read nothing from stdin. A large log is put aside as `.1` first."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
    os.close(file)
    os.close(nothing)


def notify(address: str, message: str) -> None:
    """Tell `message` to who waits at the datagram socket `address` (the protocol of sd_notify(3)); empty: nobody does."""
    if not address:
        return
    place = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect(place)
            sender.send(message.encode())
        except OSError:
            return  # who waited is gone


def _prctl(option: int, value: int | bytes) -> None:
    _libc.prctl(option, value, 0, 0, 0)
