"""A tool that reads, and where it may writes, below one directory. No link is followed, so none leads out of it."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

MOST = 1_000
"""Entries of a list."""
DEPTH = 32


class FileRefused(ValueError):
    """A file is not touched; says why."""


class Files:
    """The files below `root`. `limit`: bytes that are read or written at once."""

    def __init__(self, root: Path, *, write: bool = False, limit: int = 64 * 1024) -> None:
        self._root, self._limit = root, limit
        may = "Lists, reads and writes" if write else "Lists and reads"
        self.told = f"{may} text files of one directory, {limit // 1024} KiB at most each time."

    def look(
        self,
        action: Annotated[Literal["list", "read"], "What to do."],
        path: Annotated[str, "Relative, parts separated by /; empty: the directory itself."] = "",
        offset: Annotated[int, "read: the byte to begin at."] = 0,
    ) -> str:
        """List a directory or read a file. Raises `FileRefused`."""
        with contextlib.ExitStack() as stack:
            parts = _parts(path)
            try:
                if action == "list":
                    return self._list(_directory(stack, self._root, parts))
                if not parts:
                    raise FileRefused("say which file")
                return self._read(_directory(stack, self._root, parts[:-1]), parts[-1], offset)
            except OSError as error:
                raise FileRefused(f"{path or '.'}: {_why(error)}") from None

    def use(
        self,
        action: Annotated[Literal["list", "read", "write"], "What to do."],
        path: Annotated[str, "Relative, parts separated by /; empty: the directory itself."] = "",
        content: Annotated[str, "write: the whole new text of the file."] = "",
        offset: Annotated[int, "read: the byte to begin at."] = 0,
    ) -> str:
        """As `look`, or write a file; directories on the way to it are made. Raises `FileRefused`."""
        if action != "write":
            return self.look(action, path, offset)
        parts, data = _parts(path), content.encode()
        if not parts:
            raise FileRefused("say which file")
        if len(data) > self._limit:
            raise FileRefused(f"the text has {len(data)} bytes; {self._limit} may be written at once")
        with contextlib.ExitStack() as stack:
            try:
                self._write(_directory(stack, self._root, parts[:-1], make=True), parts[-1], data)
            except OSError as error:
                raise FileRefused(f"{path}: {_why(error)}") from None
        return f"{len(data)} bytes written"

    def _list(self, directory: int) -> str:
        lines = []
        for name in sorted(os.listdir(directory))[:MOST]:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                lines.append(f"{name}/")
            elif stat.S_ISREG(status.st_mode):
                lines.append(f"{name} ({status.st_size} bytes)")
        return "\n".join(lines) or "(empty)"

    def _read(self, directory: int, name: str, offset: int) -> str:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        with open(file, "rb") as stream:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise FileRefused(f"{name} is no file")
            stream.seek(max(0, offset))
            data = stream.read(self._limit)
        if b"\0" in data:
            raise FileRefused(f"{name} is no text")
        left = status.st_size - max(0, offset) - len(data)
        return data.decode(errors="replace") + (f"\n… ({left} more bytes, from {offset + len(data)} on)" if left > 0 else "")

    def _write(self, directory: int, name: str, data: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                raise FileRefused(f"{name} is there, and is no file")
        scratch = f".{name[:100]}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(scratch, flags, 0o644, dir_fd=directory), "wb") as stream:
            stream.write(data)
        os.replace(scratch, name, src_dir_fd=directory, dst_dir_fd=directory)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path or len(parts) > DEPTH:
        raise FileRefused(f"{path!r} leads out of the directory")
    return parts


def _directory(stack: contextlib.ExitStack, root: Path, parts: list[str], *, make: bool = False) -> int:
    """The open directory `parts` below `root`, step by step, so that no link can be followed."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    at = stack.enter_context(_closing(os.open(root, flags)))
    for part in parts:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=at)
        at = stack.enter_context(_closing(os.open(part, flags | os.O_NOFOLLOW, dir_fd=at)))
    return at


@contextlib.contextmanager
def _closing(file: int) -> Iterator[int]:
    try:
        yield file
    finally:
        os.close(file)


def _why(error: OSError) -> str:
    if error.errno in (40, 20) and error.strerror:  # ELOOP, ENOTDIR: what a link answers to O_NOFOLLOW
        return "is a link, or no directory"
    return error.strerror or type(error).__name__
