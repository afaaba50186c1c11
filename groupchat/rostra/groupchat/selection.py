"""How one of several candidates is chosen without a model. Pure."""

import random
from collections.abc import Sequence
from typing import Literal

import msgspec

from rostra.protocol import ChatMessage, Member, Question, Tally, Usage
from rostra.protocol.chat import Why
from rostra.protocol.people import Asking

from .candidates import Candidates, Nobody, narrow
from .flow import Flow, Judge, Move, ready
from .mentions import mentioned
from .options import ChatOptions


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
    passed: tuple[str, ...] = ()
    """Who has left the word to the others since the last message."""
    moves: Sequence[Move] = ()
    """What came of each turn so far."""
    room: int = 1_000_000
    """How many messages there may still be."""
    hidden: int = 0
    """So many of the first messages are not shown to the selecting model any more."""
    votes: int = 0
    """How many votes the chat has had."""
    selection: str = ""
    """The method that an operator wants; empty: as the chat's options say."""
    polls: tuple[str, ...] = ()
    """Questions of the stop condition on which the members vote before anybody speaks."""


class Chosen(msgspec.Struct, frozen=True):
    """Who speaks next, why, and what the choice cost."""

    speaker: str
    why: Why
    usage: tuple[Usage, ...] = ()


class Round(msgspec.Struct, frozen=True):
    """Several speak next, all at once; what they say stands in the transcript in this order.

    `need`: after so many messages the others are not waited for any more; 0: all are.
    """

    choices: tuple[Chosen, ...]
    need: int = 0


class Several(msgspec.Struct, frozen=True):
    """What a selection function returns to have several members asked at once; a list of names is the same without `need`.

    `need`: after so many messages the others are not waited for any more; 0: all are.
    """

    names: tuple[str, ...]
    need: int = 0


class Unchosen(msgspec.Struct, frozen=True):
    """Nobody speaks next: the chat ends with this outcome and reason."""

    outcome: Literal["ended", "failed", "member_failed", "muted"]
    """muted: only members that an operator has muted could speak; the chat pauses."""
    reason: str
    usage: tuple[Usage, ...] = ()


class Polled(msgspec.Struct, frozen=True):
    """The members have voted on whether the chat ends; who speaks next is chosen once that is on record."""

    tallies: tuple[Tally, ...]


def candidates_in(situation: Situation, options: ChatOptions, members: Sequence[Member]) -> Candidates | Nobody:
    """Who of `members` may speak next, as the rules of the chat leave them."""
    return narrow(
        options,
        members,
        situation.last_speaker,
        situation.messages[-1] if situation.messages else None,
        situation.failures,
        situation.muted,
        situation.passed,
    )


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


def handed(messages: Sequence[ChatMessage], last_speaker: str, candidates: Sequence[str]) -> tuple[str, str, str]:
    """Who speaks when members hand over to each other: to whom the last handoff went, or who spoke last; else the first.

    Returns the speaker, why, and what had to be done instead (empty: the handoff was followed). A handoff is the metadata
    `handoff` of a message.
    """
    last = next((one for one in reversed(messages) if isinstance(one.metadata.get("handoff"), str)), None)
    target = str(last.metadata["handoff"]) if last is not None else ""
    if last is not None and target in candidates:
        return target, f"{last.name} handed over", ""
    fallback = f"{last.name} handed over to {target}, who may not speak" if last is not None else ""
    if last_speaker in candidates:
        return last_speaker, "has the floor until it hands over", fallback
    return candidates[0], "the first, as nobody has the floor", fallback


def flowing(flow: Flow, situation: Situation, judge: Judge | None = None) -> Round | Nobody:
    """Who speaks next in a flow, all at once; `judge`: see `ready`."""
    found = ready(flow, situation.moves, situation.members, situation.muted, judge)
    if found.failed:
        return Nobody("member_failed", f"everyone whose turn it is in the flow failed: {', '.join(found.failed)}")
    if not found.names:
        waits = ready(flow, situation.moves, situation.members, judge=judge)
        muted = [name for name in waits.names if name in situation.muted]
        if muted:
            return Nobody("muted", f"only members that are muted could speak: {', '.join(muted)}")
        return Nobody("ended", "the flow is complete")
    choices = []
    for name in found.names:
        after = found.after.get(name, ())
        reason = f"follows {' and '.join(after)} in the flow" if after else "begins the flow"
        why = Why(sequence=situation.sequence, speaker=name, reason=reason, method="flow", candidates=found.names)
        choices.append(Chosen(name, why))
    return Round(tuple(choices), found.need)


def manual_question(
    chat: str, members: Sequence[Member], candidates: Sequence[str], complaint: str = "", asking: Asking | None = None
) -> Question:
    """What a person is asked who chooses the next speaker."""
    described = {member.name: member.description for member in members}
    lines = [f"{number}. {name}: {described.get(name, '')}".rstrip(": ") for number, name in enumerate(candidates, 1)]
    text = "\n".join(["Who speaks next? Give a number or a name; leave it blank, or say q, for an automatic choice.", *lines])
    asking = asking or Asking()
    return Question(
        text=f"{complaint}\n{text}".lstrip(),
        chat=chat,
        options=tuple(candidates),
        default="" if asking.seconds and asking.default is None else asking.default,
        seconds=asking.seconds,
        assignee=asking.assignee,
        kind="speaker",
        form="choice",
    )


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
