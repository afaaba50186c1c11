"""What the processes of a sandbox use, seen from outside."""

import os
from collections.abc import Iterator
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


def tree(pid: int) -> Iterator[int]:
    """The process `pid` and all below it. Orphans of a sandbox are below its first process, so none is missed."""
    found = [pid]
    for each in found:
        yield each
        try:
            for task in (PROC / str(each) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it has ended meanwhile


def memory(pid: int, limit: int) -> int:
    """Bytes that the tree of `pid` holds, shared pages counted once where it matters: only when the rough sum passes `limit`."""
    pids = list(tree(pid))
    rough = sum(map(_resident, pids))
    return rough if rough <= limit else sum(map(_proportional, pids))


def files(pid: int, directory: str) -> int:
    """How many files the file system at `directory` holds, as the process `pid` sees it; 0 when that cannot be told."""
    root = PROC / str(pid) / "root"
    try:
        if os.stat(root).st_dev == os.stat("/").st_dev:
            return 0  # it is still on its way in
        stat = os.statvfs(root / directory.lstrip("/"))
    except OSError:
        return 0
    return stat.f_files - stat.f_ffree


def _resident(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return _resident(pid)
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
