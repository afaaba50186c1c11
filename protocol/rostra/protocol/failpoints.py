"""Named places at which a process can be made to die, for the campaigns that prove that it may (docs/reliability.md).

`ROSTRA_FAILPOINT="name:n"` kills the process with SIGKILL the n-th time it passes the place `name`; several are separated by
commas. A third part, a path, lets only one process die of it: the first to create that file. Unset, `passing` does nothing.
"""

import os
import signal


def _armed(wanted: str) -> dict[str, tuple[int, str]]:
    points: dict[str, tuple[int, str]] = {}
    for one in filter(None, wanted.split(",")):
        name, _, rest = one.partition(":")
        count, _, once = rest.partition(":")
        points[name] = (int(count or 1), once)
    return points


_POINTS = _armed(os.environ.get("ROSTRA_FAILPOINT", ""))
_passes: dict[str, int] = {}


def _pass(name: str) -> None:
    if name not in _POINTS:
        return
    count, once = _POINTS[name]
    _passes[name] = _passes.get(name, 0) + 1
    if _passes[name] != count:
        return
    if once:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)


def _nothing(name: str) -> None:
    """Nobody asked for a death."""


passing = _pass if _POINTS else _nothing
"""Called at a named place."""
