"""From a table of a team file to a responder; `module:name`; functions as agents; what a process imports."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import rostra.agents
from rostra.agents import (
    AgentConfig,
    AssistantAgent,
    BadAgent,
    Context,
    ConversableAgent,
    LoadError,
    UserProxyAgent,
    agent,
    as_responder,
    build,
    load,
)
from rostra.protocol import ChatMessage, Client

CONTEXT = Context(agent="ann")
MESSAGE = ChatMessage(content="one two")


def make(table: dict[str, Any], base: Path = Path(), **options: Any) -> Any:
    client = Client.connect("ipc:///nowhere", name="ann")
    return build(msgspec.convert(table, AgentConfig), "ann", base, client, **options)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(
        "from rostra.agents import tool, agent\n"
        "import helper\n"
        "@tool(description='Adds.')\ndef add(a: int, b: int) -> int: return a + b\n"
        "@tool(description='Doubles.')\ndef double(a: int) -> int: return 2 * a\n"
        "def shout(message): return message.text.upper() + helper.MARK\n"
        "class Loud:\n    async def respond(self, message, context): return 'LOUD'\n"
        "number = 3\n"
    )
    (tmp_path / "helper.py").write_text("MARK = '!'\n")
    (tmp_path / "broken.py").write_text("x = \n")
    (tmp_path / "raises.py").write_text("\n1 / 0\n")
    (tmp_path / "needs.py").write_text("import no_such_module_at_all\n")
    return tmp_path


# ---- the table


def test_a_kind_has_its_own_defaults() -> None:
    assistant, proxy, conversable = (make({"kind": kind}) for kind in ("assistant", "user_proxy", "conversable"))
    assert isinstance(assistant, AssistantAgent)
    assert isinstance(proxy, UserProxyAgent)
    assert type(conversable) is ConversableAgent
    assert [each.human_input_mode for each in (assistant, proxy, conversable)] == ["NEVER", "ALWAYS", "TERMINATE"]
    assert [each.model is not None for each in (assistant, proxy, conversable)] == [True, False, False]


def test_a_table_sets_everything(base: Path) -> None:
    table = {
        "kind": "conversable",
        "model": "small",
        "description": "Plans.",
        "system_message": "You plan.",
        "human_input": "never",
        "tools": ["mine:add"],
        "executes": ["mine:double"],
        "max_replies": 3,
        "default_reply": "well",
        "code_execution": {"seconds": 5, "last_messages": 2},
        "replicas": 2,
    }
    made = make(table, base)
    assert (made.description, made.system_message, made.human_input_mode) == ("Plans.", "You plan.", "NEVER")
    assert (made.max_consecutive_auto_reply, made.default_auto_reply, made.model_name) == (3, "well", "small")
    assert (made.offered.names, made.functions) == (("add",), ("add", "double"))
    assert (made.code.config.seconds, made.code.config.last_messages) == (5, 2)


def test_a_tool_that_another_member_executes_is_only_offered(base: Path) -> None:
    made = make({"tools": ["mine:add", "mine:double"]}, base, executes=["mine:double"])
    assert (made.offered.names, made.functions) == (("double", "add"), ("double",))


def test_a_tool_is_run_for_those_to_whom_the_team_file_grants_it(base: Path) -> None:
    made = make({"kind": "conversable", "executes": ["mine:add"]}, base, callers={"mine:add": ("bob",)})
    assert (made.grants("add", "bob"), made.grants("add", "eve"), made.grants("else", "bob")) == (True, False, False)
    assert make({"kind": "conversable", "executes": ["mine:add"]}, base).grants("add", "eve")


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"kind": "teachable"}, "needs a place for its memos"),
        ({"kind": "handler"}, "needs `handler`"),
        ({"kind": "handler", "handler": "mine:shout", "tools": ["mine:add"]}, "has no 'tools'"),
        ({"kind": "assistant", "handler": "mine:shout"}, "has no 'handler'"),
        ({"kind": "handler", "handler": "mine:number"}, "neither a function nor"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_with_the_reason(base: Path, table: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadAgent, match=reason):
        make(table, base)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `modell`"):
        make({"modell": "x"})


async def test_handlers_are_functions_and_classes(base: Path) -> None:
    shout = make({"kind": "handler", "handler": "mine:shout"}, base)
    assert await shout.respond(MESSAGE, CONTEXT) == "ONE TWO!"
    assert await make({"kind": "handler", "handler": "mine:Loud"}, base).respond(MESSAGE, CONTEXT) == "LOUD"


# ---- module:name


def test_the_team_files_folder_comes_first_and_two_folders_do_not_mix(tmp_path: Path) -> None:
    for name in ("one", "two", "one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "handlers.py").write_text(f"who = {name!r}\n")
        assert load("handlers:who", folder) == name
    assert load("json:dumps", tmp_path)([1]) == "[1]"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("mine", "expected module:name"),
        ("mine:a b", "expected module:name"),
        ("../mine:x", "expected module:name"),
        ("nowhere_at_all:x", "there is no module 'nowhere_at_all' in "),
        ("mine:ad", "has no 'ad'; did you mean 'add'"),
        ("broken:x", "broken.py, line 1: "),
        ("raises:x", r"importing raises raised ZeroDivisionError: division by zero \(.*raises.py, line 2\)"),
        ("needs:x", "needs the module 'no_such_module_at_all', which is not installed"),
    ],
)
def test_what_cannot_be_loaded_is_told_precisely(base: Path, spec: str, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load(spec, base)


def test_a_file_with_the_name_of_a_loaded_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("x = 1\n")
    with pytest.raises(LoadError, match="rename it"):
        load("json:x", tmp_path)


# ---- functions as agents


async def test_functions_of_every_shape_respond() -> None:
    class Callable_:  # noqa: N801
        async def __call__(self, message: ChatMessage, context: Context) -> str:
            return context.agent

    class Plain:
        def respond(self, message: ChatMessage) -> str:
            return "plain"

    async def coroutine(message: ChatMessage) -> str:
        return "async"

    shapes: list[tuple[Any, str]] = [
        (lambda message: "lambda", "lambda"),
        (lambda message, context: context.agent, "ann"),
        (lambda *given: str(len(given)), "2"),
        (lambda message, limit=3: coroutine(message), "async"),
        (coroutine, "async"),
        (Callable_(), "ann"),
        (Plain(), "plain"),
        (Plain, "plain"),
    ]
    for shape, answer in shapes:
        assert await as_responder(shape).respond(MESSAGE, CONTEXT) == answer


def test_what_can_be_no_agent_is_refused() -> None:
    for shape, reason in (
        (3, "neither"),
        (lambda: "x", "takes 0"),
        (lambda a, b, c: "x", "takes 3"),
        (lambda a, *, key: "x", "'key'"),
        (int, "has no method"),
    ):
        with pytest.raises(TypeError, match=reason):
            as_responder(shape)  # type: ignore[arg-type]


def test_the_decorator_keeps_the_function_and_describes_it() -> None:
    @agent(description="Counts words.")
    def counter(message: ChatMessage) -> str:
        return str(len(message.text.split()))

    @agent
    def other(message: ChatMessage) -> str:
        """Does something else."""
        return ""

    assert (counter.name, counter.description, counter(MESSAGE)) == ("counter", "Counts words.", "2")
    assert (other.name, other.description) == ("other", "Does something else.")


# ---- the public surface, and what a process imports


def test_the_public_names_are_sorted_and_all_there() -> None:
    assert rostra.agents.__all__ == sorted(rostra.agents.__all__)
    for name in rostra.agents.__all__:
        assert getattr(rostra.agents, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        rostra.agents.nonsense  # noqa: B018


BUDGET = """
import sys
from rostra.agents.actor import Actor, serve
from rostra.agents.config import AgentConfig, build
from rostra.agents import agent, Context
from pathlib import Path
build(AgentConfig(kind="handler", handler="handlers:shout"), "ann", Path(sys.argv[1]), None)
heavy = {"openai", "pydantic", "rich", "typer", "sqlite3", "httpx", "httpx2", "hypothesis", "starlette", "prometheus_client"}
print(sorted(heavy & sys.modules.keys()))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024)
"""


def test_a_handlers_process_imports_little_and_stays_small(tmp_path: Path) -> None:
    (tmp_path / "handlers.py").write_text("def shout(message): return message.text.upper()\n")
    done = subprocess.run([sys.executable, "-c", BUDGET, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True)
    imported, megabytes = done.stdout.splitlines()
    assert imported == "[]"
    assert int(megabytes) < 35


def test_an_assistants_process_does_not_load_openai() -> None:
    code = (
        "import sys; from rostra.agents import AssistantAgent, GatewayModel, UserProxyAgent, ScriptedModel, CodeExecution\n"
        "UserProxyAgent('ann', code_execution_config=CodeExecution())\n"
        "print(sorted({'openai', 'pydantic', 'rich', 'typer', 'sqlite3'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
