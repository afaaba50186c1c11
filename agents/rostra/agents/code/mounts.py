"""What a sandbox sees of this machine: the programs, read-only, and nothing of anybody's files."""

import os
import sys
from pathlib import Path

WORK, TEMPORARY = "/sandbox", "/tmp"  # noqa: S108 - of the sandbox
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
CONFIGURATION = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime")
NETWORK = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/ca-certificates",
    "/etc/pki",
)


def system(*, network: bool) -> list[str]:
    """Arguments of bwrap that show the system's programs, and this Python with its packages."""
    arguments: list[str] = []
    for path in SYSTEM:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    arguments += ["--perms", "0755", "--dir", "/etc"]
    for path in (*CONFIGURATION, *(NETWORK if network else ())):
        if os.path.exists(path):
            arguments += ["--ro-bind", os.path.realpath(path), path]
    for path in _python_homes():
        for parent in reversed(Path(path).parents[:-1]):  # else they are made for their owner only
            arguments += ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind", path, path]
    return arguments


def environment() -> dict[str, str]:
    """The variables of a block; nothing of this process's own."""
    binaries = dict.fromkeys([str(Path(python()).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    return {
        "PATH": ":".join(binaries),
        "HOME": WORK,
        "TMPDIR": TEMPORARY,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # standard output and error come in the order they were written
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def python() -> str:
    """The Python that runs in the sandbox: this one, with its packages, where its folder can be shown."""
    shown = [Path(path) for path in ("/usr", *_python_homes())]
    if any(Path(sys.executable).is_relative_to(path) for path in shown):
        return sys.executable
    return "/usr/bin/python3"


def _python_homes() -> list[str]:
    """The folders of this Python outside /usr that this user may show; none that holds somebody's home."""
    home = Path.home().resolve()
    homes: dict[str, None] = {}
    for prefix in (sys.base_prefix, sys.prefix):
        path = Path(prefix).resolve()
        if path.is_relative_to("/usr"):
            continue
        if home.is_relative_to(path) or path == Path("/") or not os.access(path, os.R_OK | os.X_OK):
            return []
        homes[str(path)] = None
    return list(homes)
