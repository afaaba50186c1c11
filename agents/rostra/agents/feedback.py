"""When a person is asked, and what the answer means: AutoGen's table, as pure functions."""

from enum import Enum
from typing import Literal

HumanInputMode = Literal["ALWAYS", "TERMINATE", "NEVER"]

STOP_WORD = "exit"
"""Exactly this ends the conversation; `EXIT` is ordinary text."""


class Verdict(Enum):
    """What becomes of a received message."""

    AUTO = "auto"
    """The reply chain goes on."""
    SAY = "say"
    """The person's text is the reply."""
    STOP = "stop"
    """There is no reply."""


def asks(mode: HumanInputMode, *, terminated: bool, exhausted: bool) -> bool:
    """Whether the person is asked. `terminated`: the message is a termination; `exhausted`: no automatic reply is left."""
    match mode:
        case "ALWAYS":
            return True
        case "TERMINATE":
            return terminated or exhausted
        case "NEVER":
            return False


def unasked(*, terminated: bool, exhausted: bool) -> Verdict:
    """The verdict when nobody is asked."""
    return Verdict.STOP if terminated or exhausted else Verdict.AUTO


def answered(text: str, *, terminated: bool, limit: int) -> Verdict:
    """The verdict on the person's `text`; `limit`: automatic replies allowed in a row.

    Where none are allowed at all, an empty answer is an empty message.
    """
    if text == STOP_WORD or (not text and terminated):
        return Verdict.STOP
    return Verdict.SAY if text or limit == 0 else Verdict.AUTO
