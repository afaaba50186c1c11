"""Reads a team file and finds everything that is wrong with it, at once, with line and key."""

import re
import tomllib
from pathlib import Path as File
from typing import Any
from urllib.parse import urlsplit

import msgspec

from rostra.agents.models.config import ModelConfig
from rostra.agents.tools.config import COMMON, KEYS_OF_USE, NEEDED, ToolConfig
from rostra.groupchat import stop
from rostra.groupchat.errors import StopError
from rostra.groupchat.flow import Flow
from rostra.groupchat.flow import problem as flow_problem
from rostra.groupchat.methods import METHODS
from rostra.protocol import COORDINATOR, GATEWAY, BadName, events_address
from rostra.protocol.names import check_name

from . import graph, inner, references, secrets, shapes
from .file import function_names
from .lines import Path, key_lines, line_of
from .problems import BadTeam, TeamError
from .tables import COMMON_KEYS, KEYS_OF_KIND, AgentTable, TeamTables

RESERVED = {
    "user": "it is who gives the task",
    COORDINATOR: "it is the coordinator's own",
    GATEWAY: "it is the model gateway's own",
}
_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")


def read(file: File) -> TeamTables:
    """The tables of a team file. Raises `BadTeam` with all that is wrong with it."""
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise BadTeam([TeamError(file, 1, "", f"the file cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise BadTeam([TeamError(file, 1, "", "the file is no UTF-8 text")]) from None
    return parse(text, file)


def parse(text: str, file: File) -> TeamTables:
    """The tables of the team file `file` whose text is `text`; as `read`. What the text refers to is looked for beside `file`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at and at[1] else text.count("\n") + 1
        said = _AT.sub("", str(error))
        where = f" (column {at[2]})" if at and at[2] else ""
        raise BadTeam([TeamError(file, line, "", f"no valid TOML: {said[0].lower()}{said[1:]}{where}")]) from None
    except RecursionError:
        raise BadTeam([TeamError(file, 1, "", "no valid TOML: nested too deeply")]) from None
    checks = _Checks(data, file)
    if checks.found:
        lines = key_lines(text)
        raise BadTeam(TeamError(file, line_of(lines, path), _dotted(path), message) for path, message in checks.found)
    return checks.tables


def _dotted(path: Path) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else shapes.shown(part))
    return text


class _Checks:
    """The checks of one file, in the order of its tables. `found` holds what is wrong."""

    def __init__(self, data: dict[str, Any], file: File) -> None:
        self.base = file.parent
        self.found: shapes.Found = [
            (path, "a key is never part of the team file: use `api_key_env` or `api_key_file`")
            for path in secrets.inline_keys(data)
        ]
        hidden = {path for path, _ in self.found}
        clean, misfits = shapes.fit(data, TeamTables)
        self.found += [(path, message) for path, message in misfits if path not in hidden]
        self._bad = {path for path, _ in self.found}
        for path in hidden:
            _remove(clean, path)
        self.data = data
        self.tables = msgspec.convert(clean, TeamTables)
        self._team(file)
        self._models()
        self._agents()
        self._toolkit()
        self._tools()
        self._chat()
        for path, message in inner.problems(self.tables, self.base, self.found):
            self._say(path, message)

    def _say(self, path: Path, message: str) -> None:
        """Note a problem, unless that very place has one already."""
        if not any(path[: len(bad)] == bad for bad in self._bad):
            self.found.append((path, message))

    # ---- [team]

    def _team(self, file: File) -> None:
        team = self.tables.team
        try:
            check_name(team.name or file.stem)
        except BadName as error:
            if team.name:
                self._say(("team", "name"), f"{shapes.shown(team.name)}: {error.rule}")
            else:
                self._say(("team",), "the team needs a name: the file's own cannot be one")
        if team.broker != "ipc":
            try:
                events_address(team.broker)
                if not team.broker.startswith("tcp://"):
                    raise BadName(team.broker, "")
            except BadName:
                self._say(("team", "broker"), f'{shapes.shown(team.broker)} is neither "ipc" nor tcp://host:port')

    # ---- [models]

    def _models(self) -> None:
        models = self.tables.models
        for name, model in models.items():
            path: Path = ("models", name)
            self._name(path)
            try:
                msgspec.convert(msgspec.to_builtins(model), ModelConfig)
            except msgspec.ValidationError as error:
                if not any(bad[:2] == path for bad in self._bad):
                    self._say(path, str(error))
            for number, other in enumerate(model.fallback):
                if other not in models:
                    there_is = shapes.suggestion(other, [one for one in models if one != name])
                    self._say((*path, "fallback", number), f"there is no [models.{other}]{there_is}")
            for key, needed in (("script", "scripted"), ("recording", "recorded")):
                value = getattr(model, key)
                if value and model.api != needed:
                    self._say((*path, key), f'only a model with api = "{needed}" has one')
                elif value and not (self.base / value).is_file():
                    self._say((*path, key), f"there is no file {shapes.shown(value)} beside the team file")
        circle = graph.circle({name: model.fallback for name, model in models.items()})
        if circle:
            self._say(("models", circle[0], "fallback"), f"the fallbacks go in a circle: {' → '.join(circle)}")

    # ---- [agents]

    def _name(self, path: Path, reserved: bool = False) -> None:
        name = str(path[-1])
        try:
            check_name(name)
        except BadName as error:
            self._say(path, f"{shapes.shown(name)}: {error.rule}")
        else:
            if reserved and name in RESERVED:
                self._say(path, f'no agent can be called "{name}": {RESERVED[name]}')

    def _agents(self) -> None:
        agents = self.tables.agents
        if len(agents) < 2:
            self._say(("agents",), f"a group chat needs at least two agents, and there {'is one' if agents else 'are none'}")
        for name, agent in agents.items():
            path: Path = ("agents", name)
            self._name(path, reserved=True)
            if (*path, "kind") in self._bad:
                continue
            self._keys_of_kind(path, agent)
            self._model_of(path, agent)
            if agent.kind == "handler" and not agent.handler:
                self._say(path, "an agent of the kind handler needs `handler`")
            if agent.handler:
                self._reference((*path, "handler"), agent.handler)
            for number, target in enumerate(agent.handoffs):
                if target == name:
                    self._say((*path, "handoffs", number), "nobody hands over to itself")
                elif target != "user":
                    self._member((*path, "handoffs", number), target)
            for key, tools in (("tools", agent.tools), ("executes", agent.executes)):
                for number, tool in enumerate(tools):
                    self._tool((*path, key, number), tool)
            for number, tool in enumerate(agent.approval):
                if tool != "*" and tool not in (*agent.tools, *agent.executes):
                    there_is = shapes.suggestion(tool, [*agent.tools, *agent.executes])
                    self._say((*path, "approval", number), f"{shapes.shown(tool)} is no tool of this agent{there_is}")

    def _keys_of_kind(self, path: Path, agent: AgentTable) -> None:
        for key in self.data["agents"][path[1]]:
            if key in AgentTable.__struct_fields__ and key not in COMMON_KEYS | KEYS_OF_KIND[agent.kind]:
                article = "an" if agent.kind == "assistant" else "a"
                self._say((*path, key), f"{article} {agent.kind} has no such key")

    def _model_of(self, path: Path, agent: AgentTable) -> None:
        if "model" not in KEYS_OF_KIND[agent.kind]:
            return
        if agent.embeddings and agent.embeddings not in self.tables.models:
            there_is = shapes.suggestion(agent.embeddings, self.tables.models)
            self._say((*path, "embeddings"), f"there is no [models.{agent.embeddings}]{there_is}")
        elif agent.embeddings and self.tables.models[agent.embeddings].api != "openai":
            self._say((*path, "embeddings"), 'only a model with api = "openai" makes embeddings')
        if agent.model and agent.model not in self.tables.models:
            there_is = shapes.suggestion(agent.model, self.tables.models)
            self._say((*path, "model"), f"there is no [models.{agent.model}]{there_is}")
        elif not agent.model and agent.kind in ("assistant", "teachable") and "default" not in self.tables.models:
            self._say(path, f"the {agent.kind} names no model, and there is no [models.default]")

    def _reference(self, path: Path, reference: str) -> None:
        try:
            references.check(reference, self.base)
        except references.BadReference as error:
            self._say(path, str(error))

    def _tool(self, path: Path, tool: str) -> None:
        if not tool.isidentifier():
            self._reference(path, tool)
        elif tool not in self.tables.tools:
            there_is = shapes.suggestion(tool, self.tables.tools) if self.tables.tools else ""
            self._say(path, f"there is no [tools.{tool}]{there_is}, and it is no module:name")

    def _toolkit(self) -> None:
        """The tools that come with rostra."""
        for name, tool in self.tables.tools.items():
            path: Path = ("tools", name)
            if not name.isidentifier() or len(name) > 64:
                self._say(path, f"{shapes.shown(name)}: a tool is called by letters, digits and _, 64 at most")
            for key in self.data["tools"][name]:
                if key in ToolConfig.__struct_fields__ and key not in COMMON | KEYS_OF_USE[tool.use]:
                    self._say((*path, key), f"a tool that uses {tool.use} has no such key")
            needed = NEEDED.get(tool.use, "")
            if needed and not getattr(tool, needed):
                self._say(path, f"a tool that uses {tool.use} needs `{needed}`")
            if tool.use == "sql":
                self._sql(path, tool)
            if tool.use == "mcp":
                self._mcp(path, tool)
            if tool.root and not (self.base / tool.root).is_dir():
                self._say((*path, "root"), f"there is no directory {shapes.shown(tool.root)} beside the team file")

    def _sql(self, path: Path, tool: ToolConfig) -> None:
        given = self.data["tools"][path[-1]]
        if ("database" in given) == ("database_env" in given):
            self._say(path, "a tool that uses sql needs either `database` or `database_env`")
        elif tool.database and not (self.base / tool.database).is_file():
            self._say((*path, "database"), f"there is no file {shapes.shown(tool.database)} beside the team file")
        elif "database_env" in given and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", tool.database_env):
            self._say(
                (*path, "database_env"), "the URL is never part of the team file: name the environment variable that holds it"
            )

    def _mcp(self, path: Path, tool: ToolConfig) -> None:
        given = self.data["tools"][path[-1]]
        if ("command" in given) == ("url" in given):
            self._say(path, "a tool that uses mcp needs either `command` or `url`")
        for key in ("env",) if tool.url else ("token_env",):
            if getattr(tool, key):
                self._say((*path, key), f"goes with `{'command' if tool.url else 'url'}`")
        url = urlsplit(tool.url)
        if tool.url and (url.scheme not in ("http", "https") or not url.hostname):
            self._say((*path, "url"), f"{shapes.shown(tool.url)} is no http or https address")
        for number, (function, told) in enumerate(zip(tool.functions, tool.names(str(path[-1])), strict=True)):
            if not re.fullmatch(r"[A-Za-z0-9_-]+", function) or len(told) > 64:
                said = f"{shapes.shown(told)}: a tool is called by letters, digits, _ and -, 64 at most"
                self._say((*path, "functions", number), said)
            elif function in tool.functions[:number]:
                self._say((*path, "functions", number), f"{shapes.shown(function)} is named twice")

    def _tools(self) -> None:
        """A function's name must mean one tool: it is all that a model can call it by."""
        known: dict[str, str] = {}
        for name, agent in self.tables.agents.items():
            for key, tools in (("tools", agent.tools), ("executes", agent.executes)):
                for number, tool in enumerate(tools):
                    path: Path = ("agents", name, key, number)
                    if any(bad == path for bad, _ in self.found):
                        continue
                    for function in function_names(tool, self.tables.tools):
                        if known.setdefault(function, tool) != tool:
                            already = shapes.shown(known[function])
                            self._say(path, f'the tool "{function}" is already {already}: names of tools are unique')

    # ---- [chat]

    def _chat(self) -> None:
        chat, agents = self.tables.chat, self.tables.agents
        if ":" in chat.selection:
            self._reference(("chat", "selection"), chat.selection)
        elif chat.selection.lower() not in METHODS:
            there_is = shapes.suggestion(chat.selection, METHODS)
            self._say(("chat", "selection"), f"{shapes.shown(chat.selection)} is no way to select a speaker{there_is}")
        if chat.admin and chat.admin not in agents:
            self._member(("chat", "admin"), chat.admin)
        if not isinstance(chat.repeat, bool):
            for number, name in enumerate(chat.repeat):
                self._member(("chat", "repeat", number), name)
        if chat.stop.strip():
            self._stop(chat.stop)
        if chat.stop_function:
            self._reference(("chat", "stop_function"), chat.stop_function)
        self._transitions()
        self._flow()

    def _flow(self) -> None:
        flow, path = self.tables.chat.flow, ("chat", "flow")
        if flow is None:
            if self.tables.chat.selection.lower() == "flow":
                self._say(("chat", "selection"), "a flow needs [chat.flow]")
            return
        made = msgspec.convert(msgspec.to_builtins(flow), Flow)
        for number, edge in enumerate(made.edges):
            if isinstance(edge.function, str) and edge.function:
                self._reference((*path, "edges", number, "when"), edge.function)
        if not any(found[: len(path)] == path for found, _ in self.found):
            wrong = flow_problem(made, inner.outside(self.tables))
            if wrong:
                self._say(path, wrong)

    def _stop(self, expression: str) -> None:
        try:
            stop.parse(expression)
        except StopError as error:
            self._say(("chat", "stop"), f"column {error.column} of the expression: {error.problem}")

    def _member(self, path: Path, name: str) -> None:
        if name not in self.tables.agents:
            self._say(path, f"there is no [agents.{name}]{shapes.suggestion(name, self.tables.agents)}")

    def _transitions(self) -> None:
        chat, members = self.tables.chat, inner.outside(self.tables)
        given = chat.transitions
        if given is None:
            return
        path: Path = ("chat", "transitions")
        if given.allowed is not None and given.disallowed is not None:
            self._say(path, "give either `allowed` or `disallowed`, not both")
            return
        if given.allowed is None and given.disallowed is None:
            self._say(path, "give `allowed` or `disallowed`")
            return
        key, edges = ("allowed", given.allowed) if given.allowed is not None else ("disallowed", given.disallowed or {})
        for speaker, following in edges.items():
            self._member((*path, key, speaker), speaker)
            for number, name in enumerate(following):
                self._member((*path, key, speaker, number), name)
        if any(found[: len(path)] == path for found, _ in self.found):
            return  # who is unreachable may follow from that
        if given.allowed is not None:
            self._reachable((*path, key), given.allowed)
        else:
            for name in members:
                if all(name in edges.get(other, ()) for other in members):
                    self._say((*path, key), f'"{name}" can never speak: nobody may hand over to it')

    def _reachable(self, path: Path, allowed: dict[str, tuple[str, ...]]) -> None:
        chat, agents = self.tables.chat, self.tables.agents
        named = {name for speaker, following in allowed.items() for name in (speaker, *following)}
        own = inner.outside(self.tables)
        for name, agent in agents.items():
            if name in own and name not in named and name != chat.admin and agent.kind != "handler":
                self._say(path, f'"{name}" can never speak: no transition names it')
        for name in graph.unreachable(own, allowed, chat.admin):
            self._say(path, f'"{name}" can never speak: nobody who can speak may hand over to it')


def _remove(data: Any, path: Path) -> None:
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(data, dict):
        data.pop(path[-1], None)
