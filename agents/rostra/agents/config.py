"""One agent as a team file describes it, and how its responder is made in the agent's own process."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, assert_never

import msgspec
from msgspec import Meta

from rostra.protocol import Client, RostraError
from rostra.protocol.people import Asking

from .code.config import CodeExecution
from .responder import Responder
from .tools.config import ToolConfig

if TYPE_CHECKING:
    from .tools import FunctionTool

AgentKind = Literal["assistant", "user_proxy", "conversable", "handler", "teachable", "group_chat"]
HumanInputWord = Literal["always", "terminate", "never"]

MODELLED = (
    "model",
    "system_message",
    "tools",
    "handoffs",
    "executes",
    "human_input",
    "max_replies",
    "default_reply",
    "code_execution",
    "approval",
    "person",
)


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table `[agents.NAME]`; empty or None: the default of its kind."""

    kind: AgentKind = "assistant"
    description: str = ""
    replicas: Annotated[int, Meta(ge=1)] = 1
    model: str = ""
    system_message: str | None = None
    tools: tuple[str, ...] = ()
    """`module:name`, offered to the model."""
    executes: tuple[str, ...] = ()
    """`module:name`, run here for others' models."""
    human_input: HumanInputWord | None = None
    max_replies: Annotated[int, Meta(ge=0)] | None = None
    default_reply: str = ""
    code_execution: CodeExecution | None = None
    members: tuple[str, ...] = ()
    """kind group_chat: who takes part in the inner chat; that and its rules are the coordinator's business."""
    chat: dict[str, Any] | None = None
    handoffs: tuple[str, ...] = ()
    """Members to whom its model may give the floor."""
    handler: str = ""
    max_tool_rounds: Annotated[int, Meta(ge=0, le=1000)] = 10
    model_options: dict[str, Any] = {}
    state: Literal["memory", "sqlite"] = "memory"
    embeddings: str = ""
    """teachable: the model by whose embeddings memos are found; empty: by their words."""
    approval: tuple[str, ...] = ()
    """Of the tools that run here, those each call of which a person must approve; `*`: all."""
    person: Asking | None = None
    """How its person is asked."""


class BadAgent(RostraError):
    """An agent cannot be made of its table; `name` is the agent."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"agent {name}: {reason}")
        self.name, self.reason = name, reason


def build(
    config: AgentConfig,
    name: str,
    base: Path,
    client: Client | None,
    *,
    executes: Collection[str] | None = None,
    callers: Mapping[str, Collection[str]] | None = None,
    memory: Path | None = None,
    toolkit: Mapping[str, ToolConfig] | None = None,
) -> Responder:
    """The responder of the agent `name`; `base` is the team file's folder.

    `executes`: the `module:name` of all tools that run in this agent, as far as the whole team file tells; without it, those that
    the table names. A tool that is offered but not among them runs in another member. `callers`: per tool that runs here, for
    whom; without it, for anybody. `memory`: where a teachable agent keeps its
    memos. `toolkit`: the tables of tools that are named without a module. Loads the user's modules. Raises
    `LoadError`, `BadAgent`, or `BadTool`.
    """
    match config.kind:
        case "handler":
            return _handler(config, name, base)
        case "group_chat":
            from .group_chat import GroupChatAgent

            if client is None:
                raise BadAgent(name, "a group chat is held over the bus, and there is none")
            return GroupChatAgent(name, client, description=config.description)
        case "assistant" | "user_proxy" | "conversable" | "teachable":
            return _conversable(config, name, base, client, executes, callers, memory, toolkit or {})
        case _:
            assert_never(config.kind)


def _handler(config: AgentConfig, name: str, base: Path) -> Responder:
    from .adapt import as_responder
    from .loading import load

    if not config.handler:
        raise BadAgent(name, "the kind handler needs `handler`")
    for key in MODELLED:
        if getattr(config, key) != getattr(AgentConfig(), key):
            raise BadAgent(name, f"the kind handler has no {key!r}")
    try:
        return as_responder(load(config.handler, base))
    except TypeError as error:
        raise BadAgent(name, f"handler {config.handler!r}: {error}") from error


def _conversable(
    config: AgentConfig,
    name: str,
    base: Path,
    client: Client | None,
    executes: Collection[str] | None,
    callers: Mapping[str, Collection[str]] | None,
    memory: Path | None,
    toolkit: Mapping[str, ToolConfig],
) -> Responder:
    from .assistant import AssistantAgent
    from .conversable import ConversableAgent
    from .user_proxy import UserProxyAgent

    if config.handler:
        raise BadAgent(name, f"the kind {config.kind} has no 'handler'")
    run_here = {*config.tools, *config.executes} if executes is None else {*executes, *config.executes}
    asking = config.person or Asking()
    loaded = {spec: _tools(spec, base, toolkit) for spec in dict.fromkeys([*config.tools, *config.executes])}
    for spec, tools in loaded.items():
        if "*" in config.approval or spec in config.approval or (spec in toolkit and toolkit[spec].approval):
            loaded[spec] = [tool.needing(asking) for tool in tools]
    options: dict[str, Any] = {
        "asking": asking,
        "description": config.description or None,
        "max_consecutive_auto_reply": config.max_replies,
        "default_auto_reply": config.default_reply,
        "code_execution_config": config.code_execution or False,
        "max_tool_rounds": config.max_tool_rounds,
        "handoffs": config.handoffs,
        "model_options": config.model_options,
        "tools": [each for spec in config.tools if spec in run_here for each in loaded[spec]],
        "offers": [each for spec in config.tools if spec not in run_here for each in loaded[spec]],
        "executes": [each for spec in config.executes if spec not in config.tools for each in loaded[spec]],
        "callers": None if callers is None else {each.name: callers.get(spec, ()) for spec in loaded for each in loaded[spec]},
    }
    if config.system_message is not None:
        options["system_message"] = config.system_message
    if config.human_input is not None:
        options["human_input_mode"] = config.human_input.upper()
    options["bus"] = client
    if config.model or config.kind in ("assistant", "teachable"):
        options |= _model(config, name, client)
    if config.kind == "teachable":
        from .teachable import TeachableAgent

        if memory is None:
            raise BadAgent(name, "a teachable agent needs a place for its memos")
        if config.embeddings:
            from .models.gateway_model import GatewayModel

            assert client is not None  # its model was made with it
            options |= {"embeddings": GatewayModel(client, config.embeddings), "embeddings_name": config.embeddings}
        return TeachableAgent(name, memory=memory, **options)
    kinds: dict[str, type[ConversableAgent]] = {
        "assistant": AssistantAgent,
        "user_proxy": UserProxyAgent,
        "conversable": ConversableAgent,
    }
    return kinds[config.kind](name, **options)


def _tools(spec: str, base: Path, toolkit: Mapping[str, ToolConfig]) -> "Sequence[FunctionTool]":
    from .tools import FunctionTool

    if spec in toolkit:
        from .tools.kit import make_tools

        return make_tools(spec, toolkit[spec], base)
    from .loading import load

    loaded = load(spec, base)
    return [loaded if isinstance(loaded, FunctionTool) else FunctionTool(loaded)]


def _model(config: AgentConfig, name: str, client: Client | None) -> dict[str, Any]:
    from .models.gateway_model import GatewayModel

    if client is None:
        raise BadAgent(name, "a model is reached over the bus, and there is none")
    model = config.model or "default"
    return {"model": GatewayModel(client, model), "model_name": model}
