"""What is wrong with the inner chats of a team file: those of agents that are a group chat themselves."""

from collections.abc import Iterator
from pathlib import Path as File

import msgspec

from rostra.groupchat.check import check_options
from rostra.groupchat.errors import BadOptions
from rostra.groupchat.flow import function_of, loaded
from rostra.groupchat.options import ChatOptions

from . import references, shapes
from .lines import Path
from .tables import TeamTables


def holders(tables: TeamTables) -> dict[str, str]:
    """Who takes part in an inner chat, and whose that is."""
    groups = {name: agent.members for name, agent in tables.agents.items() if agent.kind == "group_chat"}
    return {member: name for name, members in reversed(groups.items()) for member in members}


def outside(tables: TeamTables) -> list[str]:
    """Who takes part in the team's own chat, in the order of the file."""
    held = holders(tables)
    return [name for name in tables.agents if name not in held]


def problems(tables: TeamTables, base: File, found: shapes.Found) -> Iterator[tuple[Path, str]]:
    """What is wrong, with its place; the rules themselves are looked at where nothing else was `found`."""
    held, agents = holders(tables), tables.agents
    if not held and not any(agent.kind == "group_chat" for agent in agents.values()):
        return
    wrong = [*_members(tables), *_selections(tables, base)]
    for name in agents:
        if _around(name, held):
            wrong.append((("agents", name), "takes part in a chat that is its own"))
    if len(outside(tables)) < 2:
        wrong.append((("agents",), "the team's own chat needs at least two agents that are in no inner chat"))
    yield from wrong
    if not wrong and not found:
        yield from _rules(tables, base)


def _members(tables: TeamTables) -> Iterator[tuple[Path, str]]:
    held = holders(tables)
    for name, agent in tables.agents.items():
        path: Path = ("agents", name)
        if agent.kind != "group_chat":
            continue
        if len(agent.members) < 2:
            yield path, "a group_chat needs at least two `members`"
        for number, member in enumerate(agent.members):
            here: Path = (*path, "members", number)
            if member not in tables.agents:
                yield here, f"there is no [agents.{member}]{shapes.suggestion(member, tables.agents)}"
            elif held[member] != name:
                yield here, f'"{member}" takes part in the inner chat of "{held[member]}" already'


def _selections(tables: TeamTables, base: File) -> Iterator[tuple[Path, str]]:
    for name, agent in tables.agents.items():
        if agent.kind != "group_chat" or agent.chat is None:
            continue
        here: Path = ("agents", name, "chat")
        named: dict[Path, str] = {(*here, "stop_function"): agent.chat.stop_function}
        if ":" in agent.chat.selection:
            named[(*here, "selection")] = agent.chat.selection
        for number, edge in enumerate(agent.chat.flow.edges if agent.chat.flow else ()):
            named[(*here, "flow", "edges", number, "when")] = function_of(edge.when)
        for path, reference in named.items():
            try:
                references.check(reference, base) if reference else None
            except references.BadReference as error:
                yield path, str(error)


def _rules(tables: TeamTables, base: File) -> Iterator[tuple[Path, str]]:
    """The inner chats, and the outer one, as the coordinator will look at them."""
    from .file import TeamFile

    options = TeamFile(base / "team.toml", "team", tables).chat_options()
    places: dict[Path, ChatOptions] = {("agents", name, "chat"): inner for name, inner in options.inner.items()}
    places[("chat",)] = msgspec.structs.replace(options, inner={})
    for path, chat in places.items():
        # The functions are not imported here.
        selection = "round_robin" if isinstance(chat.selection, str) and ":" in chat.selection else chat.selection
        flow = loaded(chat.flow, lambda _: bool) if chat.flow is not None else None
        try:
            check_options(msgspec.structs.replace(chat, selection=selection, flow=flow))
        except BadOptions as error:
            yield path, str(error)


def _around(name: str, held: dict[str, str]) -> bool:
    """Whether an agent takes part in its own inner chat, or in one that it is around."""
    outer, seen = held.get(name), set[str]()
    while outer is not None and outer not in seen:
        if outer == name:
            return True
        seen.add(outer)
        outer = held.get(outer)
    return False
