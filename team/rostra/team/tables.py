"""The team file's schema: one frozen struct per table. What a file says beyond its types is checked in `check`."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from rostra.agents.tools.config import ToolConfig
from rostra.groupchat.methods import METHODS
from rostra.protocol.people import Asking

AgentKind = Literal["assistant", "user_proxy", "conversable", "handler", "teachable", "group_chat"]

Name = Annotated[str, Meta(description="A lower-case letter, then at most 62 of a-z 0-9 _ -.")]
Reference = Annotated[
    str,
    Meta(
        description="`module:name`; looked for beside the team file first, then on the Python path.",
        extra_json_schema={"examples": ["examples.tools:word_count"]},
    ),
]
Replicas = Annotated[int, Meta(ge=1, le=100, description="Competing processes of this one name.")]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base of every table."""


class TeamTable(Table, frozen=True):
    """The team as a whole."""

    name: Annotated[str, Meta(description="State, sockets and chats are kept under this name; default: the file's.")] = ""
    broker: Annotated[
        str, Meta(description="`ipc`: this machine, this user; or `tcp://host:port`.", examples=["ipc", "tcp://127.0.0.1:5555"])
    ] = "ipc"
    messages_per_second: Annotated[
        float, Meta(ge=0, description="What each agent may send; 0: as much as it can. More is refused as `rate_limited`.")
    ] = 0.0
    bytes_per_second: Annotated[float, Meta(ge=0, description="As `messages_per_second`, in bytes.")] = 0.0


class TransitionsTable(Table, frozen=True):
    """Who may follow whom. A speaker without an entry, or with `[]`, ends the chat."""

    allowed: Annotated[dict[str, tuple[str, ...]] | None, Meta(description="Speaker → who may speak next.")] = None
    disallowed: Annotated[dict[str, tuple[str, ...]] | None, Meta(description="Speaker → who may not speak next.")] = None


class EdgeTable(Table, frozen=True, rename={"source": "from", "target": "to"}):
    """One edge of a flow, or one to each of several members."""

    source: Annotated[str, Meta(description="Who has spoken.")]
    target: Annotated[str | tuple[str, ...], Meta(description="Who speaks after that; several: all of them at once.")]
    when: Annotated[
        str,
        Meta(
            description="Only if this holds for what was said: an expression as for `stop`, or `module:function`.",
            examples=['text("REJECT")'],
        ),
    ] = ""
    otherwise: Annotated[bool, Meta(description="Only if no edge of the same speaker with `when` leads on.")] = False
    times: Annotated[int, Meta(ge=0, description="This often at most: the end of a loop; 0: always.")] = 0


class FlowTable(Table, frozen=True):
    """Who follows whom, where the selection is `flow`."""

    edges: Annotated[tuple[EdgeTable, ...], Meta(description="The edges.")] = ()
    start: Annotated[tuple[str, ...], Meta(description="Who speaks first; default: to whom no edge leads.")] = ()
    join: Annotated[
        dict[str, Annotated[int, Meta(ge=1)] | Literal["all", "any"]],
        Meta(description="How many of the edges that lead to a member must have come before it speaks; default: all."),
    ] = {}


class SelectorTable(Table, frozen=True):
    """What the selecting model of `auto` is told; texts may hold {roles}, {names}, {found}."""

    roles: Annotated[str, Meta(description="Before the conversation: who the members are.")] = ""
    prompt: Annotated[str, Meta(description="After the conversation: the question.")] = ""
    several: Annotated[str, Meta(description="When an answer named several members.")] = ""
    none: Annotated[str, Meta(description="When an answer named none of the candidates.")] = ""
    role: Annotated[
        Literal["system", "user", "assistant"], Meta(description="The role of the question, and of what is asked again.")
    ] = "system"
    retries: Annotated[int, Meta(ge=0, le=10, description="Questions after the first one.")] = 2
    last: Annotated[int, Meta(ge=0, description="Messages shown at most, the last ones; 0: as many as fit.")] = 0


class ChatTable(Table, frozen=True):
    """How a group chat of this team is held."""

    selection: Annotated[
        str,
        Meta(
            description="How the next speaker is chosen: a method, or `module:function`.",
            extra_json_schema={"anyOf": [{"enum": list(METHODS)}, {"pattern": ".+:.+"}]},
        ),
    ] = "auto"
    max_rounds: Annotated[int, Meta(ge=1, description="Messages of a chat at most, the opening one included.")] = 10
    repeat: Annotated[
        bool | tuple[str, ...], Meta(description="Who may speak twice in a row: all, nobody, or these members.")
    ] = True
    transitions: Annotated[TransitionsTable | None, Meta(description="Who may follow whom; default: anybody anyone.")] = None
    stop: Annotated[
        str,
        Meta(
            description="When the chat ends: conditions composed with `|` and `&`.", examples=['text("TERMINATE") | seconds(600)']
        ),
    ] = ""
    stop_function: Annotated[
        str, Meta(description="`module:function`: the messages → the reason to end the chat, or True; beside `stop`.")
    ] = ""
    admin: Annotated[str, Meta(description="The member that opens the chat and gets the floor on SIGINT and SIGTERM.")] = ""
    introductions: Annotated[bool, Meta(description="Whether members are told who the others are.")] = False
    on_absent: Annotated[Literal["wait", "skip"], Meta(description="What is done when a member is offline.")] = "wait"
    turn_seconds: Annotated[float, Meta(gt=0, description="Hard deadline of one turn, seconds.")] = 300.0
    turn_retries: Annotated[
        int, Meta(ge=0, le=100, description="How often a failed turn is tried again before it is skipped.")
    ] = 2
    seed: Annotated[int | None, Meta(description="For `random`, so that a run can be repeated.")] = None
    flow: Annotated[FlowTable | None, Meta(description="Who follows whom, for the selection `flow`.")] = None
    selector: Annotated[SelectorTable, Meta(description="What the model is told that selects speakers.")] = SelectorTable()
    clear_history: Annotated[
        bool, Meta(description="Whether `clear history [member] [n]`, said by a person, clears what members are shown.")
    ] = False
    passes: Annotated[bool, Meta(description="Whether the one word PASS leaves the word to the others.")] = False
    person: Annotated[Asking | None, Meta(description="manual: how the person is asked who speaks next.")] = None
    remind_seconds: Annotated[
        float, Meta(ge=0, description="How often consoles are reminded of a question that waits for a person; 0: never.")
    ] = 3600.0


class PriceTable(Table, frozen=True):
    """US dollars per million tokens, instead of the published price."""

    prompt: Annotated[float, Meta(ge=0)]
    completion: Annotated[float, Meta(ge=0)]


class ModelTable(Table, frozen=True):
    """A model, served by the gateway process. Files are looked for beside the team file."""

    api: Annotated[
        Literal["openai", "scripted", "recorded"], Meta(description="What answers.", extra={"noun": "kind of model"})
    ] = "openai"
    model: Annotated[str, Meta(description="openai: the model's name at its server.", examples=["gpt-5-mini"])] = ""
    base_url: Annotated[str, Meta(description="Any OpenAI-compatible server; empty: the SDK's default and environment.")] = ""
    api_key_env: Annotated[
        str, Meta(description="The variable that holds the key; empty: OPENAI_API_KEY. Never the key itself.")
    ] = ""
    api_key_file: Annotated[str, Meta(description="A file that holds the key, instead.")] = ""
    fallback: Annotated[tuple[str, ...], Meta(description="Other models, asked in order when this one fails.")] = ()
    requests_per_minute: Annotated[float, Meta(ge=0, description="Rate limit, retries included; 0: none.")] = 0.0
    cache: Annotated[bool, Meta(description="Whether an equal request is answered from memory.")] = False
    script: Annotated[str, Meta(description="scripted: the file that holds the replies per agent.")] = ""
    recording: Annotated[str, Meta(description="recorded: a file made with `rostra run --record`.")] = ""
    speed: Annotated[float, Meta(ge=0, description="recorded: how much faster than recorded; 0: at once.")] = 1.0
    profile: Annotated[str, Meta(description="What the server is capable of; empty: guessed from `base_url`.")] = ""
    options: Annotated[dict[str, Any], Meta(description="Sent with each request: temperature, max_tokens, seed, …")] = {}
    timeout: Annotated[float, Meta(gt=0, description="Seconds that one attempt may take.")] = 600.0
    begin: Annotated[float, Meta(gt=0, description="Seconds until an answer begins.")] = 180.0
    stall: Annotated[float, Meta(gt=0, description="Seconds of silence after which an attempt is given up.")] = 60.0
    retries: Annotated[int, Meta(ge=0, le=100, description="How often a failed attempt is repeated.")] = 5
    price: Annotated[PriceTable | None, Meta(description="Instead of the published price.")] = None


class CodeTable(Table, frozen=True):
    """How an agent runs the code blocks it receives. Without this table it runs none."""

    sandbox: Annotated[
        Literal["bubblewrap", "docker", "jupyter"], Meta(description="What keeps the code in.", extra={"noun": "sandbox"})
    ] = "bubblewrap"
    seconds: Annotated[float, Meta(gt=0, le=86_400, description="Longest run of one block, seconds.")] = 30.0
    memory_mb: Annotated[int, Meta(ge=16, description="Memory of one block at most, MiB.")] = 512
    network: Annotated[bool, Meta(description="Whether the code reaches the network.")] = False
    last_messages: Annotated[
        Annotated[int, Meta(ge=1)] | Literal["auto"],
        Meta(description="How many messages are searched for code; auto: back to the agent's own last one."),
    ] = "auto"
    scratch_mb: Annotated[int, Meta(ge=1, le=4096, description="The work directory at most, MiB.")] = 64
    output_kb: Annotated[int, Meta(ge=1, le=512, description="Output that is reported at most, KiB.")] = 64
    processes: Annotated[int, Meta(ge=8, le=4096, description="Processes and threads of one block at once.")] = 64
    image: Annotated[str, Meta(description="docker: what the container is made of.")] = "python:3.12-slim"
    approval: Annotated[bool, Meta(description="Whether a person must say yes to the code before it runs.")] = False


class AgentTable(Table, frozen=True):
    """One agent: a process (or several, see `replicas`) with a mailbox. Which keys it may have depends on its kind."""

    kind: Annotated[AgentKind, Meta(description="What it is.", extra={"noun": "kind of agent"})] = "assistant"
    description: Annotated[str, Meta(description="Read by the selector; default: the system message.")] = ""
    replicas: Replicas = 1
    model: Annotated[str, Meta(description="Of [models]; default for an assistant: `default`.")] = ""
    system_message: Annotated[str | None, Meta(description="What the model is told first; default: that of the kind.")] = None
    tools: Annotated[
        tuple[Reference, ...],
        Meta(description="Offered to the model; executed where `executes` says, else here. `module:name`, or a name of [tools]."),
    ] = ()
    executes: Annotated[
        tuple[Reference, ...], Meta(description="Tools that this agent runs for others. `module:name`, or a name of [tools].")
    ] = ()
    human_input: Annotated[
        Literal["always", "terminate", "never"] | None,
        Meta(description="When a person is asked; default: never (assistant), always (user_proxy), terminate (conversable)."),
    ] = None
    max_replies: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Automatic replies in a row to one sender; default: 100.")
    ] = None
    default_reply: Annotated[str, Meta(description="Said when nothing else gives an answer.")] = ""
    code_execution: Annotated[CodeTable | None, Meta(description="Runs the code it receives, in a sandbox.")] = None
    max_tool_rounds: Annotated[int, Meta(ge=0, le=1000, description="Rounds of tool calls within one turn.")] = 10
    model_options: Annotated[dict[str, Any], Meta(description="Sent with its requests: temperature, max_tokens, …")] = {}
    embeddings: Annotated[
        str, Meta(description="teachable: of [models]; memos are found by its embeddings; default: by their words.")
    ] = ""
    state: Annotated[
        Literal["memory", "sqlite"],
        Meta(
            description="Keeps what it has seen and answered until it ends, or on disk.",
            extra={"noun": "kind of state"},
        ),
    ] = "memory"
    members: Annotated[
        tuple[str, ...], Meta(description="kind group_chat: who takes part in its inner chat, and in no other.")
    ] = ()
    chat: Annotated[ChatTable | None, Meta(description="kind group_chat: how its inner chat is held; keys as in [chat].")] = None
    handoffs: Annotated[
        tuple[str, ...],
        Meta(description="Members to whom its model may give the floor by a tool; also `user`."),
    ] = ()
    approval: Annotated[
        tuple[str, ...],
        Meta(
            description="Tools of its own that a person must approve each call of, as `tools` or `executes` names them; `*`: all."
        ),
    ] = ()
    person: Annotated[Asking | None, Meta(description="How its person is asked.")] = None
    handler: Annotated[Reference, Meta(description="kind handler: a function, or an object with `respond`.")] = ""


class BudgetTable(Table, frozen=True):
    """Limits per chat, counted in the transcript; 0: none."""

    tokens: Annotated[int, Meta(ge=0, description="Prompt and completion tokens together.")] = 0
    cost: Annotated[float, Meta(ge=0, description="US dollars.")] = 0.0
    seconds: Annotated[float, Meta(ge=0, description="Wall-clock seconds.")] = 0.0
    person: Annotated[
        Asking | None, Meta(description="A person is asked to extend a budget that is used up; without it, the chat ends.")
    ] = None


class CoordinatorTable(Table, frozen=True):
    """The processes that hold the chats."""

    standby: Annotated[
        int, Meta(ge=0, le=8, description="How many more stand by, and take over within seconds when the first dies or hangs.")
    ] = 0


class TeamTables(Table, frozen=True):
    """A rostra team file."""

    team: TeamTable = TeamTable()
    chat: ChatTable = ChatTable()
    models: Annotated[dict[str, ModelTable], Meta(description="Name → model.")] = {}
    agents: Annotated[dict[str, AgentTable], Meta(description="Name → agent; the order is that of `round_robin`.")] = {}
    tools: Annotated[dict[str, ToolConfig], Meta(description="Name → a tool that comes with rostra.")] = {}
    budget: BudgetTable = BudgetTable()
    coordinator: CoordinatorTable = CoordinatorTable()


_MODELLED = frozenset({"model", "model_options", "system_message", "tools", "max_tool_rounds", "handoffs"})
_ANSWERING = frozenset({"executes", "human_input", "max_replies", "default_reply", "approval", "person"})

KEYS_OF_KIND: dict[str, frozenset[str]] = {
    "assistant": _MODELLED | _ANSWERING,
    "teachable": _MODELLED | _ANSWERING | {"embeddings"},
    "conversable": _MODELLED | _ANSWERING | {"code_execution"},
    "user_proxy": _ANSWERING | {"code_execution"},
    "handler": frozenset({"handler"}),
    "group_chat": frozenset({"members", "chat"}),
}
"""The keys that each kind of agent may have, beside `COMMON_KEYS`."""

COMMON_KEYS = frozenset({"kind", "description", "replicas", "state"})


def json_schema() -> dict[str, Any]:
    """The team file's JSON Schema (draft 2020-12), titled and described."""
    (_,), components = msgspec.json.schema_components([TeamTables], ref_template="#/$defs/{name}")
    top = components.pop("TeamTables")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **top,
        "title": "rostra team file",
        "$defs": components,
    }
