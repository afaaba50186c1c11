"""Who may speak next: the rules that narrow the members before anybody is chosen. Pure.

The order is that of AutoGen's group chat: function-call filter, repeat rule, transition graph. Members that are muted,
have passed, or failed just now are taken out last. Every removal is recorded with the rule that made it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec

from rostra.protocol import ChatMessage, Member

from .facts import SECOND_CHANCE
from .options import ChatOptions, Transitions


class Candidates(msgspec.Struct, frozen=True):
    """Who may speak next, in the order of the members; never empty."""

    names: tuple[str, ...]
    removed: dict[str, str] = {}
    reason: str = ""
    """Why there is only this one; empty when no rule decided alone."""


class Nobody(msgspec.Struct, frozen=True):
    """No one may speak next: how the chat ends, and why, in a sentence."""

    outcome: Literal["ended", "failed", "member_failed", "muted"]
    reason: str
    removed: dict[str, str] = {}


class Graph(msgspec.Struct, frozen=True):
    """Who may follow whom. A member without an entry, or with an empty one, is a sink."""

    followers: dict[str, tuple[str, ...]]
    loops: frozenset[str] = frozenset()
    """Members whose edge to themselves is written out; the repeat rule does not touch them."""

    @classmethod
    def of(cls, transitions: Transitions | None, names: Sequence[str]) -> "Graph | None":
        """The graph over the members `names`; None when there is none. Edges to others are left out."""
        if transitions is None or (transitions.allowed is None and transitions.disallowed is None):
            return None
        if transitions.allowed is not None:
            allowed = transitions.allowed
            followers = {name: tuple(one for one in names if one in allowed.get(name, ())) for name in names}
            return cls(followers, frozenset(name for name in names if name in allowed.get(name, ())))
        disallowed = transitions.disallowed or {}
        return cls({name: tuple(one for one in names if one not in disallowed.get(name, ())) for name in names})


def narrow(
    options: ChatOptions,
    members: Sequence[Member],
    last_speaker: str,
    last: ChatMessage | None,
    failures: Mapping[str, int] = {},
    muted: Collection[str] = (),
    passed: Collection[str] = (),
) -> Candidates | Nobody:
    """Who may speak after `last`.

    `last_speaker` is the member who had the last turn ("" or a stranger: nobody had one yet); `failures` counts the failed turns
    of each member since the last message; `muted` members get no turn, nor do those that have `passed` since then.
    """
    allowed = _narrow(options, members, last_speaker, last)
    if isinstance(allowed, Nobody) or not set(muted) & set(allowed.names):
        narrowed = allowed
    else:
        names = [name for name in allowed.names if name not in muted]
        removed = {**allowed.removed, **{name: "is muted" for name in allowed.names if name in muted}}
        if not names:
            return Nobody("muted", f"only members that are muted could speak: {', '.join(allowed.names)}", removed)
        narrowed = Candidates(tuple(names), removed, allowed.reason or "the only candidate that is not muted")
    if not isinstance(narrowed, Nobody):
        narrowed = _without_passed(narrowed, passed)
    if isinstance(narrowed, Nobody):
        return narrowed
    return _without_failed(narrowed.names, failures, narrowed.removed, narrowed.reason or "the only candidate")


def _narrow(options: ChatOptions, members: Sequence[Member], last_speaker: str, last: ChatMessage | None) -> Candidates | Nobody:
    """Who the rules allow."""
    names = [member.name for member in members]
    removed: dict[str, str] = {}
    called = list(dict.fromkeys(call.name for call in last.tool_calls)) if last is not None else []
    reason = ""
    if called:
        able = _executors(members, called)
        if not able:
            return Nobody("failed", f"no member can execute the function {', '.join(called)}")
        _remove(names, able, f"does not execute {', '.join(called)}", removed)
        names = able
        if len(able) == 1:
            return Candidates(tuple(able), removed, f"the only one who executes {', '.join(called)}")
    graph = Graph.of(options.transitions, [member.name for member in members])
    if last_speaker in names and not _may_repeat(options.repeat, last_speaker, graph):
        names = [name for name in names if name != last_speaker]
        removed[last_speaker] = "spoke last"
    if graph is not None and last_speaker in graph.followers:
        following = graph.followers[last_speaker]
        if not following:
            return Nobody("ended", f"nobody may speak after {last_speaker}", removed)
        _remove(names, following, f"may not follow {last_speaker}", removed)
        names = [name for name in names if name in following]
        reason = f"the only one who may follow {last_speaker}"
    if not names:
        return Nobody("ended", f"the rules leave nobody to speak after {last_speaker or 'the opening'}", removed)
    return Candidates(tuple(names), removed, reason)


def _executors(members: Sequence[Member], called: Sequence[str]) -> list[str]:
    """Members that execute all of `called`; failing these, members that execute anything."""
    able = [member.name for member in members if set(called) <= set(member.tools)]
    return able or [member.name for member in members if member.tools]


def _may_repeat(repeat: bool | Collection[str], name: str, graph: Graph | None) -> bool:
    if graph is not None and name in graph.loops:
        return True
    return repeat if isinstance(repeat, bool) else name in repeat


def _remove(names: Sequence[str], kept: Collection[str], rule: str, removed: dict[str, str]) -> None:
    for name in names:
        if name not in kept:
            removed.setdefault(name, rule)


def _without_passed(narrowed: Candidates, passed: Collection[str]) -> Candidates | Nobody:
    """Take out who has left the word to the others."""
    names = tuple(name for name in narrowed.names if name not in passed)
    if not names:
        return Nobody("ended", f"everyone who could speak passed: {', '.join(narrowed.names)}", narrowed.removed)
    removed = dict(narrowed.removed)
    _remove(narrowed.names, names, "has passed", removed)
    return Candidates(names, removed, narrowed.reason)


def _without_failed(
    names: Sequence[str], failures: Mapping[str, int], removed: dict[str, str], reason: str
) -> Candidates | Nobody:
    """Take out who failed since the last message; one without alternative gets a second turn."""
    fresh = [name for name in names if name not in failures]
    if not fresh:
        if len(names) == 1 and failures[names[0]] < SECOND_CHANCE:
            return Candidates(tuple(names), removed, f"{reason}, although its last turn failed")
        return Nobody("member_failed", f"everyone who could speak failed: {', '.join(names)}", removed)
    _remove(names, fresh, "its last turn failed", removed)
    return Candidates(tuple(fresh), removed, reason if len(fresh) == 1 else "")
