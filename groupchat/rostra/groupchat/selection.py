"""How one of several candidates is chosen without a model. Pure."""

import random
from collections.abc import Sequence
from typing import Literal

import msgspec

from rostra.protocol import ChatMessage, Member, Question, Tally, Usage
from rostra.protocol.chat import Why

from .mentions import mentioned


class Situation(msgspec.Struct, frozen=True):
    """When a speaker is to be chosen."""

    chat: str
    sequence: int
    """The place in the transcript which the speaker's message will have."""
    row: int
    """The number of the row which the turn will have: new for every turn, failed ones included."""
    last_speaker: str
    """The member who had the last turn; "" while nobody had one."""
    messages: Sequence[ChatMessage]
    failures: dict[str, int] = {}
    """Failed turns per member since the last message."""
    ordinal: int = 0
    """How many answers of the selecting model the chat has recorded so far."""
    members: tuple[str, ...] = ()
    """Who takes part now; empty: whoever did from the beginning."""
    muted: tuple[str, ...] = ()
    """Who gets no turn."""
    votes: int = 0
    """How many votes the chat has had."""
    polls: tuple[str, ...] = ()
    """Questions of the stop condition on which the members vote before anybody speaks."""


class Chosen(msgspec.Struct, frozen=True):
    """Who speaks next, why, and what the choice cost."""

    speaker: str
    why: Why
    usage: tuple[Usage, ...] = ()


class Unchosen(msgspec.Struct, frozen=True):
    """Nobody speaks next: the chat ends with this outcome and reason."""

    outcome: Literal["ended", "failed", "member_failed", "muted"]
    """muted: only members that an operator has muted could speak; the chat pauses."""
    reason: str
    usage: tuple[Usage, ...] = ()


class Polled(msgspec.Struct, frozen=True):
    """The members have voted on whether the chat ends; who speaks next is chosen once that is on record."""

    tallies: tuple[Tally, ...]


def rotation(names: Sequence[str], last_speaker: str, candidates: Sequence[str]) -> str:
    """The candidate that comes next after `last_speaker` in the order of `names`; after a stranger, the first."""
    start = names.index(last_speaker) + 1 if last_speaker in names else 0
    for name in (*names[start:], *names[:start]):
        if name in candidates:
            return name
    raise ValueError("there are no candidates")


def drawn(seed: int | str, sequence: int, candidates: Sequence[str]) -> str:
    """A uniform draw that depends on the seed and the place in the transcript only, so that it can be repeated."""
    return random.Random(f"{seed}/{sequence}").choice(candidates)


def manual_question(chat: str, members: Sequence[Member], candidates: Sequence[str], complaint: str = "") -> Question:
    """What a person is asked who chooses the next speaker."""
    described = {member.name: member.description for member in members}
    lines = [f"{number}. {name}: {described.get(name, '')}".rstrip(": ") for number, name in enumerate(candidates, 1)]
    text = "\n".join(["Who speaks next? Give a number or a name; leave it blank, or say q, for an automatic choice.", *lines])
    return Question(text=f"{complaint}\n{text}".lstrip(), chat=chat, options=tuple(candidates))


def manual_choice(answer: str, candidates: Sequence[str]) -> str | None:
    """Whom a person chose; "" for an automatic choice; None when the answer makes no sense."""
    said = answer.strip()
    if said.lower() in ("", "q"):
        return ""
    if said.isdecimal():
        return candidates[int(said) - 1] if 1 <= int(said) <= len(candidates) else None
    if said.lower() in candidates:
        return said.lower()
    found = list(mentioned(said, candidates))
    return found[0] if len(found) == 1 else None
