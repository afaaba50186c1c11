"""Bytes in memory that nobody can change any more, as a file descriptor: how things are handed into a sandbox."""

import fcntl
import os
from collections.abc import Iterable

SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class Sealed:
    """A sealed file in memory; a context manager that closes it."""

    def __init__(self, parts: Iterable[bytes] = ()) -> None:
        self.fd = os.memfd_create("rostra", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.size = 0
        for part in parts:
            self.write(part)

    def write(self, part: bytes) -> None:
        """Append; not after `seal`."""
        view = memoryview(part)
        while view:
            written = os.write(self.fd, view)
            self.size += written
            view = view[written:]

    def seal(self) -> "Sealed":
        """Nothing changes from now on; reading begins at the start."""
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, SEALS)
        os.lseek(self.fd, 0, os.SEEK_SET)
        return self

    def read(self) -> bytes:
        """All of it; where the next one reads from is as before."""
        return os.pread(self.fd, self.size, 0)

    def rewind(self) -> None:
        """The next one reads from the start."""
        os.lseek(self.fd, 0, os.SEEK_SET)

    def close(self) -> None:
        """Give the memory back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> "Sealed":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
