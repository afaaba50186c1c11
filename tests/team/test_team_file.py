"""Team files: what is wrong with them is said, all of it, with file, line and key; what is right becomes options."""

import json
from pathlib import Path

import msgspec
import pytest

from rostra.agents.code.config import CodeExecution
from rostra.agents.config import AgentConfig
from rostra.agents.models.config import ModelConfig, Price
from rostra.groupchat.check import check_options
from rostra.protocol import ChatMessage, Member
from rostra.team.file import TeamFile
from rostra.team.problems import BadTeam
from rostra.team.tables import (
    AgentTable,
    BudgetTable,
    ChatTable,
    CodeTable,
    ModelTable,
    PriceTable,
    TeamTable,
    TeamTables,
    TransitionsTable,
    json_schema,
)

from .broken_files import BROKEN, TWO, Broken

FULL = """
[team]
name = "review"

[chat]
selection = "things:work"
max_rounds = 12
repeat = ["planner"]
transitions = { allowed = { planner = ["coder"], coder = ["runner", "critic"], runner = ["coder"], critic = [] } }
stop = 'text("TERMINATE") | tokens(50_000) | cost(0.50) | seconds(600)'
admin = "admin"
seed = 7

[models.default]
model = "gpt-5-mini"
fallback = ["cheap"]
requests_per_minute = 60
cache = true
[models.cheap]
model = "m"
base_url = "http://localhost:11434/v1"
price = { prompt = 1, completion = 2.5 }
[models.selector]
api = "scripted"
script = "script.toml"

[agents.planner]
description = "Plans the work."
system_message = "You plan."
tools = ["things:work", "folder.more:count"]

[agents.coder]
system_message = "You code."

[agents.critic]

[agents.runner]
kind = "user_proxy"
human_input = "never"
executes = ["things:work"]
code_execution = { sandbox = "bubblewrap", seconds = 30, memory_mb = 512, network = false, last_messages = "auto" }

[agents.summarise]
kind = "handler"
handler = "things:work"
replicas = 2

[agents.admin]
kind = "user_proxy"
human_input = "always"

[budget]
tokens = 200_000
cost = 2.0
seconds = 3600
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with what team files point to; the place of a team file."""
    (tmp_path / "things.py").write_text("import no_such_module\n\ndef work(): ...\n")
    (tmp_path / "torn.py").write_text("\ndef work()\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "more.py").write_text("if True:\n    from things import work\nelse:\n    work = None\ncount = len\n")
    (tmp_path / "script.toml").write_text("")
    return tmp_path / "review.toml"


@pytest.mark.parametrize("broken", BROKEN, ids=[broken.what for broken in BROKEN])
def test_a_broken_file_is_told_with_file_line_and_key(broken: Broken, place: Path) -> None:
    with pytest.raises(BadTeam) as raised:
        TeamFile.loads(broken.text, place)
    said = [(problem.line, problem.key, problem.message) for problem in raised.value.problems]
    assert said == broken.problems
    assert {problem.file for problem in raised.value.problems} == {str(place)}
    assert str(raised.value).startswith(f"{place}:{broken.problems[0][0]}: ")


def test_the_functions_of_a_flow_are_found_where_the_file_says_of_inner_chats_too(tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text("def short(message):\n    return len(message.text) < 5\n")
    flow = 'selection = "flow"\n{}flow.edges = [{{ from = "{}", to = "{}", when = "judges:{}" }}]\n'
    text = (
        f"[chat]\n{flow.format('', 'a', 'b', 'short')}"
        '[agents.a]\nkind = "user_proxy"\n[agents.b]\nkind = "group_chat"\nmembers = ["c", "d"]\n'
        '[agents.c]\nkind = "user_proxy"\n[agents.d]\nkind = "user_proxy"\n[agents.b.chat]\n'
    )
    options = TeamFile.loads(text + flow.format("", "c", "d", "short"), tmp_path / "x.toml").chat_options(load=True)
    assert options.flow is not None
    assert options.flow.edges[0].when(ChatMessage(content="yes"))
    assert options.inner["b"].flow is not None
    assert not options.inner["b"].flow.edges[0].when(ChatMessage(content="by no means"))
    with pytest.raises(BadTeam, match='"judges" defines no "long"'):
        TeamFile.loads(text + flow.format("", "c", "d", "long"), tmp_path / "x.toml")


def test_a_key_that_is_found_is_never_repeated(place: Path) -> None:
    secret = "sk-abcdefghijklmnop1234"
    with pytest.raises(BadTeam) as raised:
        TeamFile.loads(TWO + f'[models.x]\nmodel = "m"\nkind = "{secret}"\n', place)
    assert secret not in str(raised.value)


def test_what_only_resembles_a_key_is_let_through(place: Path) -> None:
    TeamFile.loads(
        TWO + '[models.x]\nmodel = "m"\napi_key_env = "MY_API_KEY"\nbase_url = "http://localhost:8000/v1"\n'
        '[models.x.options]\nstop_token = "<end>"\nmax_tokens = 5\n'
        '[agents.c]\nsystem_message = "Ask sk-ilfully, never for a password: it is secret."\n',
        place,
    )


def test_a_file_that_cannot_be_read_is_told_as_a_problem(tmp_path: Path) -> None:
    with pytest.raises(BadTeam, match=r"none\.toml:1: the file cannot be read: No such file or directory"):
        TeamFile.load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(BadTeam, match=r"latin\.toml:1: the file is no UTF-8 text"):
        TeamFile.load(tmp_path / "latin.toml")


def test_a_file_without_a_name_is_called_after_itself(place: Path) -> None:
    assert TeamFile.loads(TWO, place).name == "review"
    with pytest.raises(BadTeam, match="the team needs a name"):
        TeamFile.loads(TWO, place.with_name("My Team.toml"))


def test_checking_runs_nothing_of_the_users(place: Path) -> None:
    TeamFile.loads(TWO + '[agents.c]\ntools = ["things:work"]\n', place)  # importing things.py would raise


def test_the_chat_options_are_those_of_the_file(place: Path) -> None:
    options = TeamFile.loads(FULL, place).chat_options()
    assert options.selection == "things:work"
    assert options.max_rounds == 12
    assert options.repeat == ("planner",)
    assert options.transitions is not None
    assert options.transitions.allowed == {
        "planner": ("coder",),
        "coder": ("runner", "critic"),
        "runner": ("coder",),
        "critic": (),
    }
    assert options.admin == "admin"
    assert options.selector_model == "selector"
    assert options.people == {"admin"}
    assert (options.budget.tokens, options.budget.cost, options.budget.seconds) == (200_000, 2.0, 3600)
    assert [member.name for member in options.members] == ["planner", "coder", "critic", "runner", "summarise", "admin"]
    assert options.members[0] == Member(name="planner", description="Plans the work.", tools=("count",), kind="assistant")
    assert options.members[1].description == "You code."


def test_a_tool_is_executed_where_executes_says_else_where_it_is_offered(place: Path) -> None:
    file = TeamFile.loads(FULL, place)
    assert file.executes("planner") == ("folder.more:count",)
    assert file.executes("runner") == ("things:work",)


def test_the_models_are_those_of_the_file(place: Path) -> None:
    configs = TeamFile.loads(FULL, place).model_configs()
    assert configs["default"] == ModelConfig(model="gpt-5-mini", fallback=("cheap",), requests_per_minute=60, cache=True)
    assert configs["selector"].script == "script.toml"
    assert configs["cheap"].price is not None
    assert configs["cheap"].price.completion == 2.5


def test_a_team_file_of_defaults_has_autogens(place: Path) -> None:
    options = TeamFile.loads(TWO, place).chat_options()
    assert (options.selection, options.max_rounds, options.repeat, options.selector_model) == ("auto", 10, True, "default")


def test_the_schema_describes_every_key() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["title"] == "rostra team file"
    agent = schema["$defs"]["AgentTable"]
    assert set(agent["properties"]) == set(AgentTable.__struct_fields__)
    for name, table in schema["$defs"].items():
        assert table["description"], name
        assert table["additionalProperties"] is False, name
        for key, value in table["properties"].items():
            assert "description" in value or name == "PriceTable", f"{name}.{key}"


@pytest.mark.parametrize(
    ("table", "room"), [(AgentTable, AgentConfig), (ModelTable, ModelConfig), (CodeTable, CodeExecution), (PriceTable, Price)]
)
def test_the_tables_have_the_keys_and_defaults_of_the_rooms_that_use_them(
    table: type[msgspec.Struct], room: type[msgspec.Struct]
) -> None:
    def keys(kind: type[msgspec.Struct]) -> dict[str, object]:
        return {field.name: field.default for field in msgspec.structs.fields(kind)}

    assert keys(table) == keys(room)


def test_the_tables_travel_between_processes_unchanged(place: Path) -> None:
    tables = TeamFile.loads(FULL, place).tables
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(tables), type=TeamTables) == tables


def test_the_page_on_the_team_file_has_every_key_and_its_default() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "team-file.md").read_text()
    for table in (TeamTable, ChatTable, TransitionsTable, ModelTable, AgentTable, CodeTable, BudgetTable):
        for field in msgspec.structs.fields(table):
            rows = [line for line in page.splitlines() if line.startswith("| ") and f"`{field.name}`" in line.split("|")[1]]
            default = field.default if isinstance(field.default, bool | int | float | str) else ""
            said = default if isinstance(default, str) else json.dumps(default)
            assert any(said in row for row in rows), f"{table.__name__}.{field.name}"


def test_what_the_file_allows_a_coordinator_takes(place: Path) -> None:
    options = TeamFile.loads(FULL, place).chat_options()
    check_options(msgspec.structs.replace(options, selection="auto"))
    check_options(TeamFile.loads(TWO + '[chat]\nselection = "Round_Robin"\n', place).chat_options())
