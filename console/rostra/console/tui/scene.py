"""What there is to see of a chat: everything that the live view draws, as plain data."""

from typing import Literal

import msgspec

from rostra.console.terminal import clean
from rostra.protocol.chat import ChatInfo, InboxItem, Member, Result, Why
from rostra.protocol.payload import Usage


class Fold(msgspec.Struct, frozen=True):
    """Something of which a line is shown, `head`, until it is unfolded. `good`: whether it went well, where that is known."""

    head: str
    body: str
    good: bool | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in the conversation: what somebody said at the place `sequence`, or (no speaker) a note of what happened."""

    number: int
    text: str = ""
    speaker: str = ""
    sequence: int = 0
    folds: tuple[Fold, ...] = ()
    bad: bool = False


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is just writing."""

    speaker: str
    sequence: int
    text: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The budget of a chat; 0: no limit."""

    tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0


State = Literal["running", "pausing", "paused", "resting", "ended"]
"""pausing: once the open turn is over; resting: it waits for a person, whom nobody could ask."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One chat as it stands."""

    chat: str
    task: str = ""
    state: State = "running"
    members: tuple[Member, ...] = ()
    muted: tuple[str, ...] = ()
    away: frozenset[str] = frozenset()
    """Members whose process is not there."""
    admin: str = ""
    entries: tuple[Entry, ...] = ()
    last: int = 0
    """The place of the last message."""
    writing: tuple[Piece, ...] = ()
    """What is just being written; by several at once in a round."""
    hushed: frozenset[int] = frozenset()
    """The places whose pieces are not shown: some of them are missing."""
    joined: frozenset[int] = frozenset()
    """The places whose first pieces were written before anybody looked."""
    turn: int = 0
    """The place that is being spoken for; 0: none."""
    floor: tuple[str, ...] = ()
    """Who has the floor: one, or in a round several."""
    why: str = ""
    """Why they do, a sentence."""
    wanted: str = ""
    """Whom an operator has chosen to speak next."""
    inbox: tuple[InboxItem, ...] = ()
    """The questions of this chat that wait for a person."""
    usage: Usage = Usage()
    max_rounds: int = 0
    limits: Limits = Limits()
    seconds: float = 0.0
    """How long the chat had taken, pauses not counted,"""
    seen_ms: int = 0
    """at this time, milliseconds since 1970."""
    result: Result | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names."""
        return tuple(member.name for member in self.members)

    @property
    def over(self) -> bool:
        """Whether the chat has ended."""
        return self.state == "ended"

    def taken(self, now_ms: int) -> float:
        """How many seconds the chat has taken; `now_ms`: the time, milliseconds since 1970."""
        if self.result is not None:
            return self.result.seconds
        runs = self.seen_ms and self.state in ("running", "pausing")
        return self.seconds + (max(0, now_ms - self.seen_ms) / 1000 if runs else 0.0)


def with_info(scene: Scene, info: ChatInfo, now_ms: int) -> Scene:
    """The scene, brought up to date with the chat at a glance; `now_ms`: the time, milliseconds since 1970."""
    floor = tuple(filter(None, info.speaker.split(", ")))
    same = floor == scene.floor
    resting = info.state == "paused" and info.result is not None and info.result.outcome == "waits"
    state: State = "resting" if resting else info.state
    if state == "running" and scene.state == "pausing":
        state = "pausing"
    return msgspec.structs.replace(
        scene,
        task=info.task,
        state=state,
        members=info.members,
        muted=info.muted,
        admin=info.admin,
        floor=floor,
        turn=(scene.turn if same else info.messages + 1) if floor else 0,
        why=scene.why if same else "",
        usage=info.usage,
        max_rounds=info.max_rounds,
        limits=Limits(tokens=info.max_tokens, cost=info.max_cost, seconds=info.max_seconds),
        seconds=info.seconds,
        seen_ms=now_ms,
        result=info.result,
    )


def with_inbox(scene: Scene, items: tuple[InboxItem, ...], *, new: bool) -> Scene:
    """The scene with these questions open. `new`: those that were not known yet have just been asked, and are noted."""
    known = {item.number for item in scene.inbox}
    for item in items:
        if new and item.number not in known:
            who = item.question.agent or "the chat"
            detail = clean(item.question.detail).strip("\n")
            folds = (Fold(head="what exactly it is about", body=detail),) if detail else ()
            words = clean(f"{who} asks (question {item.number}): {item.question.text}")
            scene = entered(scene, Entry(number=0, text=words, folds=folds))
    return msgspec.structs.replace(scene, inbox=items)


def with_present(scene: Scene, present: frozenset[str]) -> Scene:
    """The scene when of all processes only these are there."""
    return msgspec.structs.replace(scene, away=frozenset(scene.names) - present)


def with_beginnings_missed(scene: Scene) -> Scene:
    """The scene of somebody who came when the open turns had begun."""
    return msgspec.structs.replace(scene, joined=frozenset(range(scene.turn, scene.turn + len(scene.floor))))


def with_why(scene: Scene, why: Why) -> Scene:
    """The scene with the reason why they have the floor who have it."""
    if why.sequence != scene.turn or why.speaker not in scene.floor:
        return scene
    return msgspec.structs.replace(scene, why=" ".join(clean(why.reason).split()))


def noted(scene: Scene, text: str, *, bad: bool = False) -> Scene:
    """The scene with one more note in the conversation."""
    return entered(scene, Entry(number=0, text=clean(text), bad=bad))


def entered(scene: Scene, entry: Entry) -> Scene:
    """The scene with one more entry, which gets its number."""
    number = scene.entries[-1].number + 1 if scene.entries else 1
    return msgspec.structs.replace(scene, entries=(*scene.entries, msgspec.structs.replace(entry, number=number)))
