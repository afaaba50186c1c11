"""What a transition graph says about its members: who can never speak."""

from collections.abc import Iterable, Mapping, Sequence


def successors(
    members: Sequence[str], allowed: Mapping[str, Sequence[str]] | None, disallowed: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    """Who may follow each member; a member without followers ends the chat.

    `disallowed` is read as AutoGen does: the full graph, self-loops included, less the given edges.
    """
    if allowed is not None:
        return {member: tuple(allowed.get(member, ())) for member in members}
    barred = disallowed or {}
    return {member: tuple(one for one in members if one not in barred.get(member, ())) for member in members}


def unreachable(members: Sequence[str], allowed: Mapping[str, Sequence[str]], opener: str = "") -> tuple[str, ...]:
    """The members that the graph names and that nobody can ever hand over to.

    Anybody whom no one precedes is taken for a start (a graph that only has circles starts with its first key); with an
    `opener` that has an entry of its own, the chat starts there.
    """
    named = [one for one in members if one in allowed or any(one in following for following in allowed.values())]
    if opener in allowed:
        starts = [opener]
    else:
        followed = {one for speaker, following in allowed.items() for one in following if one != speaker}
        starts = [one for one in named if one not in followed] or list(allowed)[:1]
    reached = _closure(starts, allowed)
    return tuple(one for one in named if one not in reached)


def _closure(starts: Iterable[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
    reached: set[str] = set()
    ahead = list(starts)
    while ahead:
        one = ahead.pop()
        if one not in reached:
            reached.add(one)
            ahead += edges.get(one, ())
    return reached


def circle(edges: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The first circle among the edges, its first member repeated at the end; empty when there is none."""
    done: set[str] = set()

    def visit(one: str, way: tuple[str, ...]) -> tuple[str, ...]:
        if one in way:
            return (*way[way.index(one) :], one)
        if one in done:
            return ()
        done.add(one)
        for following in edges.get(one, ()):
            found = visit(following, (*way, one))
            if found:
                return found
        return ()

    for one in edges:
        found = visit(one, ())
        if found:
            return found
    return ()
