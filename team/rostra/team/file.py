"""A team file that was read and found to be right, and what the processes need of it."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rostra.protocol import Member
from rostra.protocol.people import Asking

from .tables import AgentTable, ChatTable, TeamTables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rostra.agents.config import AgentConfig
    from rostra.agents.models.config import ModelConfig
    from rostra.agents.tools.config import ToolConfig
    from rostra.groupchat.options import ChatOptions

HUMAN_INPUT = {"assistant": "never", "teachable": "never", "user_proxy": "always", "conversable": "terminate"}
"""When a person is asked, per kind of agent, unless the file says otherwise; a handler asks whenever it likes."""
MODEL = {"assistant": "default", "teachable": "default"}


class TeamFile(msgspec.Struct, frozen=True):
    """A team file: where it stands (absolute), what the team is called, and its tables."""

    path: Path
    name: str
    tables: TeamTables

    @classmethod
    def load(cls, path: str | Path) -> "TeamFile":
        """Read and check a team file; raises `BadTeam` with everything that is wrong with it. Runs nothing of the user's."""
        from .check import read  # the checks know every room; a process that was given its tables needs none of them

        file = Path(path)
        return cls._of(file, read(file))

    @classmethod
    def loads(cls, text: str, path: str | Path) -> "TeamFile":
        """As `load`, of a text; what it refers to is looked for beside `path`, which need not exist."""
        from .check import parse

        file = Path(path)
        return cls._of(file, parse(text, file))

    @classmethod
    def _of(cls, file: Path, tables: TeamTables) -> "TeamFile":
        return cls(file.absolute(), tables.team.name or file.stem, tables)

    @property
    def base(self) -> Path:
        """The directory beside which modules, scripts and recordings are looked for."""
        return self.path.parent

    @property
    def agents(self) -> tuple[str, ...]:
        """The names of the agents, in the order of the file."""
        return tuple(self.tables.agents)

    def replicas(self, agent: str) -> int:
        """How many processes share the name of `agent`."""
        return self.tables.agents[agent].replicas

    def executes(self, agent: str) -> tuple[str, ...]:
        """The `module:name` of the tools that `agent` runs: those it lists, and those it offers that nobody lists."""
        table = self.tables.agents[agent]
        listed = {tool for other in self.tables.agents.values() for tool in other.executes}
        own = [tool for tool in table.tools if tool not in listed]
        return tuple(dict.fromkeys([*table.executes, *own]))

    def callers(self) -> dict[str, tuple[str, ...]]:
        """Per tool, as `executes` spells it, the agents that offer it to their models: nobody else's calls are run."""
        found: dict[str, tuple[str, ...]] = {}
        for name, table in self.tables.agents.items():
            for tool in dict.fromkeys(table.tools):
                found[tool] = (*found.get(tool, ()), name)
        return found

    def members(self) -> tuple[Member, ...]:
        """Who takes part, in the order of the file."""
        return tuple(
            Member(
                name=name,
                description=table.description or table.system_message or "",
                tools=tuple(function for tool in self.executes(name) for function in function_names(tool, self.tables.tools)),
                kind=table.kind,
            )
            for name, table in self.tables.agents.items()
        )

    def people(self) -> frozenset[str]:
        """The members whose turn may wait for a person."""
        return frozenset(name for name, table in self.tables.agents.items() if human_input(table) in ("always", "terminate"))

    def inner(self) -> dict[str, AgentTable]:
        """The agents that are a group chat themselves."""
        return {name: table for name, table in self.tables.agents.items() if table.kind == "group_chat"}

    def chat_options(self, *, load: bool = False) -> "ChatOptions":
        """What the coordinator must know. `load`: import selection functions (raises `LoadError`), else they stay text.

        Who takes part in the inner chat of another agent takes no part in the team's own.
        """
        from rostra.groupchat.options import Budget

        inner = self.inner()
        inside = {name for table in inner.values() for name in table.members}
        own = [name for name in self.agents if name not in inside]
        known = {name: self._options(table.chat or ChatTable(), table.members, load) for name, table in inner.items()}
        options, budget = self._options(self.tables.chat, own, load), self.tables.budget
        return msgspec.structs.replace(
            options,
            inner=known,
            budget=Budget(tokens=budget.tokens, cost=budget.cost, seconds=budget.seconds),
            extending=budget.person,
        )

    def _options(self, chat: ChatTable, names: Collection[str], load: bool) -> "ChatOptions":
        """How one chat is held, between these agents."""
        from rostra.groupchat.flow import Flow, loaded
        from rostra.groupchat.options import ChatOptions, SelectorOptions, Transitions

        selection: Any = chat.selection
        stop_function: Any = None
        flow = None if chat.flow is None else msgspec.convert(msgspec.to_builtins(chat.flow), Flow)
        if load:
            from rostra.agents.loading import load as load_object

            if ":" in selection:
                selection = load_object(selection, self.base)
            if chat.stop_function:
                stop_function = load_object(chat.stop_function, self.base)
            if flow is not None:
                flow = loaded(flow, lambda reference: load_object(reference, self.base))
        given = chat.transitions
        members = {member.name: member for member in self.members()}
        return ChatOptions(
            members=tuple(members[name] for name in names),
            selection=selection,
            max_rounds=chat.max_rounds,
            repeat=chat.repeat,
            transitions=Transitions(allowed=given.allowed, disallowed=given.disallowed) if given else None,
            stop=chat.stop,
            admin=chat.admin,
            introductions=chat.introductions,
            on_absent=chat.on_absent,
            turn_seconds=chat.turn_seconds,
            turn_retries=chat.turn_retries,
            seed=chat.seed,
            selector_model=next((name for name in ("selector", "default") if name in self.tables.models), ""),
            people=self.people() & set(names),
            flow=flow,
            stop_function=stop_function,
            clear_history=chat.clear_history,
            selector=msgspec.convert(msgspec.to_builtins(chat.selector), SelectorOptions),
            passes=chat.passes,
            asking=chat.person or Asking(),
            remind_seconds=chat.remind_seconds,
        )

    def agent_config(self, agent: str) -> "AgentConfig":
        """One agent, as it is built in its own process."""
        from rostra.agents.config import AgentConfig

        return msgspec.convert(msgspec.to_builtins(self.tables.agents[agent]), AgentConfig)

    def agent_configs(self) -> "dict[str, AgentConfig]":
        """The agents by name."""
        return {name: self.agent_config(name) for name in self.agents}

    def model_configs(self) -> "dict[str, ModelConfig]":
        """The models by name, as the gateway takes them; relative paths in them are relative to `base`."""
        from rostra.agents.models.config import ModelConfig

        return {name: msgspec.convert(msgspec.to_builtins(table), ModelConfig) for name, table in self.tables.models.items()}


def human_input(table: AgentTable) -> str:
    """When a person is asked by this agent: always, terminate, never; empty for a handler."""
    return table.human_input or HUMAN_INPUT.get(table.kind, "")


def model_of(table: AgentTable) -> str:
    """The name of the model that this agent uses; empty: none."""
    return table.model or MODEL.get(table.kind, "")


def function_names(tool: str, toolkit: "Mapping[str, ToolConfig]") -> tuple[str, ...]:
    """What models call a tool by: `module:name` by its last name; a table of `toolkit` may have several."""
    return toolkit[tool].names(tool) if tool in toolkit else (tool.rpartition(":")[2].rpartition(".")[2],)
