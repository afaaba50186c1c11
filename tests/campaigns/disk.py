"""A disk that loses what was written and not synced, for every process in which it is installed.

SQLite reaches its files through a VFS. The one here passes everything on to the usual one, and beside each database and
its log it keeps a *platter*: a file that receives a write when SQLite syncs, or at any instant before, as a kernel would
write pages back by itself, in whatever order. A process that opens a database for the first time finds what the platters
hold. So each `kill -9` of a process with this disk is a power cut.

Standard library only, and no import of rostra: a copy of this file is the `sitecustomize` of the processes under test.

ROSTRA_TEST_DISK           the folder of the platters
ROSTRA_TEST_DISK_OF        the folder whose databases are on this disk
ROSTRA_TEST_DISK_CARELESS  if it is set, whoever asks for `synchronous = FULL` gets this instead: what must not go unseen
"""

import ctypes
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast, memmove, sizeof
from pathlib import Path
from typing import Any

_MAIN, _JOURNAL, _LOG = 0x100, 0x800, 0x80000
"""Flags with which SQLite opens a database, its journal, its write-ahead log."""

_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Close = CFUNCTYPE(c_int, c_void_p)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)


_dice = random.Random()


class _Vfs(Structure):
    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("rest", c_void_p * 14),
    ]


class _Methods(Structure):
    _fields_ = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("rest", c_void_p * 13),
    ]


class Platter:
    """What is on the disk of one file; `unsynced` is what only the page cache has."""

    def __init__(self, path: Path) -> None:
        self.path, self.unsynced = path, list[tuple[int, bytes | None]]()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def do(self, at: int, data: bytes | None) -> None:
        """A write of `data`, or (None) a truncation; it may reach the disk by itself."""
        self.unsynced.append((at, data))
        if _dice.random() < 0.25:
            self._apply(at, data)

    def sync(self) -> None:
        """Everything is on the disk."""
        for at, data in self.unsynced:
            self._apply(at, data)
        self.unsynced.clear()

    def _apply(self, at: int, data: bytes | None) -> None:
        if data is None:
            os.ftruncate(self._file, at)
        else:
            os.pwrite(self._file, data, at)

    def remove(self) -> None:
        """The file was deleted."""
        os.close(self._file)
        self.path.unlink()


class Disk:
    """The disk of the databases in `of`, with its platters in `folder`."""

    def __init__(self, folder: Path, of: Path) -> None:
        self._folder, self._of = folder, str(of)
        self._platters: dict[str, Platter] = {}
        self._files: dict[int, Platter] = {}
        self._kept: list[Any] = []
        """What SQLite holds pointers to."""
        self._usual: Any = None
        self._methods: dict[int, _Methods] = {}
        self._found: set[str] = set()

    def install(self) -> None:
        """Make it the VFS that this process opens databases with."""
        # Whatever SQLite the interpreter has, linked or built in, is found through the module that uses it.
        library = ctypes.CDLL(__import__("_sqlite3").__file__)
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        usual = library.sqlite3_vfs_find(None).contents
        self._usual = usual
        vfs = _Vfs()
        memmove(byref(vfs), byref(usual), sizeof(_Vfs))
        vfs.name = b"rostra-test-disk"
        vfs.open = self._pointer(_Open, self._open)
        vfs.delete = self._pointer(_Delete, self._delete)
        self._kept.append(vfs)
        assert library.sqlite3_vfs_register(byref(vfs), 1) == 0
        os.register_at_fork(after_in_child=self._found.clear)

    def _pointer(self, kind: Any, function: Callable[..., int]) -> int:
        callback = kind(function)
        self._kept.append(callback)
        pointer = cast(callback, c_void_p).value
        assert pointer is not None
        return pointer

    def _platter(self, path: str) -> Path:
        return self._folder / path.lstrip("/").replace("/", "%")

    def power_on(self, path: str) -> None:
        """The files are what the platters hold; of a database that has none yet, nothing is known."""
        if not self._platter(path).exists():
            return
        for suffix in ("", "-wal", "-journal"):
            platter = self._platter(path + suffix)
            if platter.exists():
                shutil.copyfile(platter, path + suffix)
            else:
                Path(path + suffix).unlink(missing_ok=True)
        Path(path + "-shm").unlink(missing_ok=True)

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        path = os.fsdecode(ctypes.string_at(name)) if name else ""
        here = path.startswith(self._of) and flags & (_MAIN | _JOURNAL | _LOG)
        if here and flags & _MAIN and path not in self._found:
            self._found.add(path)
            self.power_on(path)
        code: int = cast(self._usual.open, _Open)(vfs, name, file, flags, out)
        if code == 0 and here:
            if path not in self._platters:
                self._platters[path] = Platter(self._platter(path))
            self._files[file] = self._platters[path]
            held = cast(file, POINTER(c_void_p))
            held[0] = cast(byref(self._own(held[0])), c_void_p)
        return code

    def _own(self, methods: int) -> _Methods:
        """The methods of a file, with ours in the place of those that write."""
        if methods not in self._methods:
            usual, own = _Methods.from_address(methods), _Methods()
            memmove(byref(own), byref(usual), sizeof(_Methods))
            close, write = cast(usual.close, _Close), cast(usual.write, _Write)
            truncate, sync = cast(usual.truncate, _Truncate), cast(usual.sync, _Sync)

            def closed(file: int) -> int:
                del self._files[file]
                return int(close(file))

            def written(file: int, data: int, size: int, at: int) -> int:
                code = int(write(file, data, size, at))
                if code == 0:
                    self._files[file].do(at, ctypes.string_at(data, size))
                return code

            def truncated(file: int, size: int) -> int:
                code = int(truncate(file, size))
                if code == 0:
                    self._files[file].do(size, None)
                return code

            def synced(file: int, flags: int) -> int:
                code = int(sync(file, flags))
                if code == 0:
                    self._files[file].sync()
                return code

            own.close, own.write = self._pointer(_Close, closed), self._pointer(_Write, written)
            own.truncate, own.sync = self._pointer(_Truncate, truncated), self._pointer(_Sync, synced)
            self._methods[methods] = own
        return self._methods[methods]

    def _delete(self, vfs: int, name: bytes, sync: int) -> int:
        code: int = cast(self._usual.delete, _Delete)(vfs, name, sync)
        platter = self._platters.pop(os.fsdecode(name), None)
        if platter is not None:
            platter.remove()
        return code


def careless(level: str) -> None:
    """Whoever asks for `synchronous = FULL` gets `level`."""

    class Careless(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("synchronous = FULL", f"synchronous = {level}"), *arguments)

    connect = sqlite3.connect

    def connect_careless(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return connect(*arguments, factory=Careless, **options)

    sqlite3.connect = connect_careless  # type: ignore[assignment]


if __name__ == "sitecustomize":
    # Named, for SQLite's pointers to it keep nothing alive.
    installed = Disk(Path(os.environ["ROSTRA_TEST_DISK"]), Path(os.environ["ROSTRA_TEST_DISK_OF"]))
    installed.install()
    if os.environ.get("ROSTRA_TEST_DISK_CARELESS"):
        careless(os.environ["ROSTRA_TEST_DISK_CARELESS"])
