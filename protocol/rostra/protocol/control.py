"""What operators do to chats, as it travels, and as it stands in transcripts (docs/groupchat.md)."""

from typing import Literal

from .payload import Payload
from .people import InboxItem

ControlKind = Literal[
    "pause",
    "resume",
    "step",
    "stop",
    "skip",
    "next",
    "takeover",
    "mute",
    "unmute",
    "join",
    "leave",
    "limit",
    "clear",
    "selection",
    "rewind",
    "fork",
    "answer",
    "budget",
]


class Control(Payload, frozen=True, kw_only=True):
    """What an operator did to a running chat; on record in its transcript, in the hash chain. It is no message."""

    what: ControlKind
    by: str = ""
    """Who: the name of a console, a signal, or empty for the chat itself."""
    agent: str = ""
    """next, mute, unmute, join, leave, takeover, clear: whom it is about (clear: empty is everybody); skip: whose turn it was;
    answer: who asked."""
    now: bool = False
    """pause, stop, next: the turn in flight was not waited for; resume: somebody answers questions from now on."""
    reason: str = ""
    last: int = -1
    """join: how many of the last messages the new member is shown; -1: all. clear: how many are still shown."""
    summary: str = ""
    """join: what was said in the messages that the new member is not shown."""
    max_rounds: int = 0
    """limit: the new limit; 0: as it was."""
    tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    """limit, and answer where it extends the budget: the new budget; 0: as it was."""
    selection: str = ""
    """selection: the new method."""
    item: InboxItem | None = None
    """answer: the question, and what a person answered; no answer: the time was up."""
    sequence: int = 0
    """rewind, fork: the last message that stays; join, clear: the last one that is not shown any more."""
    chat: str = ""
    """fork: where the messages up to `sequence` come from."""
    content: str = ""
    """rewind, fork: what is said next, instead of what was said then; empty: nothing."""
    name: str = ""
    """rewind, fork: in whose name it is said."""
    paused: bool = False
    """rewind, fork: the chat does not go on by itself."""


class ChatControl(Payload, frozen=True, kw_only=True):
    """Body of `chat.pause`, `chat.resume` and the other controls; answered with `ChatInfo`. Fields as in `Control`."""

    chat: str
    agent: str = ""
    now: bool = False
    reason: str = ""
    last: int = -1
    summarised: bool = False
    """`chat.join`: the new member is told a summary of what it is not shown; with `last` left out, of everything."""
    max_rounds: int = 0
    tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    selection: str = ""
