"""How a process of a team ends: its exit code, and what that means for whoever watches over it."""

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the processes of a team."""

    STOPPED = 0
    """It stopped because it was asked to."""
    CRASHED = 1
    """It met an error that nobody had foreseen; the log says which."""
    USAGE = 2
    """It was called with arguments that it does not know."""
    CONFIGURATION = 3
    """What it was told to be cannot be: a module that cannot be imported, a script that cannot be read."""
    UNREACHABLE = 4
    """It found no broker."""
    SUPERSEDED = 8
    """A newer process has taken its name."""
    REFUSED = 9
    """The broker does not let it in."""
    FENCED = 10
    """Another coordinator has taken its chats: it was thought dead, and writes nothing any more."""


FINAL = frozenset({ExitCode.USAGE, ExitCode.CONFIGURATION, ExitCode.SUPERSEDED, ExitCode.REFUSED, ExitCode.FENCED})
"""Ends that starting again would only repeat."""
OVERTAKEN = frozenset({ExitCode.SUPERSEDED, ExitCode.FENCED})
"""Ends of a process that another one has taken the place of: of several that stand by for each other, it is one again."""

_SAID = {
    ExitCode.STOPPED: "stopped by itself",
    ExitCode.CRASHED: "crashed",
    ExitCode.USAGE: "was called in a way that it does not know",
    ExitCode.CONFIGURATION: "cannot run as it is configured",
    ExitCode.UNREACHABLE: "found no broker",
    ExitCode.SUPERSEDED: "gave way to a newer process of its name",
    ExitCode.REFUSED: "was refused by the broker",
    ExitCode.FENCED: "gave way to a newer coordinator, which has its chats",
}


def said(code: int) -> str:
    """What an exit code means, in words; a negative one is minus the signal that killed the process."""
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    try:
        return _SAID[ExitCode(code)]
    except ValueError:
        return f"ended with code {code}"
