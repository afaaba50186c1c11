"""How a command ends: the exit codes, and what each outcome and error maps to (docs/cli.md)."""

from enum import IntEnum

from rostra.protocol.chat import Result
from rostra.protocol.errors import BadName, BrokerLost, NoSuchAgent, RostraError


class Code(IntEnum):
    """Exit codes; a sentence each."""

    ENDED = 0
    """A termination rule, a graceful end of selection, or an operator ended the chat; any other command did its work."""
    FAILED = 1
    """Failed at run time."""
    USAGE = 2
    """The command was called wrongly."""
    CONFIGURATION = 3
    """The team file, or what it refers to, is wrong; nothing was started."""
    UNREACHABLE = 4
    """The broker, or a process that the command needs, cannot be reached."""
    LIMIT = 5
    """A limit was reached: rounds, budget or time."""
    WAITS = 6
    """The chat waits for a person, and nobody can be asked."""
    MEMBER_FAILED = 7
    """A member failed for good."""
    INTERRUPTED = 130
    """Ended by SIGINT."""
    TERMINATED = 143
    """Ended by SIGTERM."""


class Quit(Exception):
    """Ends the command with `code` after printing `message`, a sentence, on stderr (nothing when it is empty)."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code, self.message = code, message


def of_result(result: Result, signal: int = 0) -> int:
    """The exit code for a chat that ended with `result`; `signal`: the number of the signal that asked for the end, or 0."""
    if signal:
        return 128 + signal
    match result.outcome:
        case "ended" | "stopped":
            return Code.ENDED
        case "failed":
            return Code.FAILED
        case "limit":
            return Code.LIMIT
        case "waits":
            return Code.WAITS
        case "member_failed":
            return Code.MEMBER_FAILED


def of_error(error: RostraError) -> int:
    """The exit code for an error of rostra's own."""
    match error:
        case BrokerLost() | NoSuchAgent():
            return Code.UNREACHABLE
        case BadName():
            return Code.USAGE
    match error.code:
        case "bad_import":  # what a file of the user's holds
            return Code.CONFIGURATION
        case "bad_team":  # the team room's words: `BadTeam`, `TeamError`, `NoInstance`
            return Code.CONFIGURATION
        case "no_team":
            return Code.UNREACHABLE
    return Code.FAILED
