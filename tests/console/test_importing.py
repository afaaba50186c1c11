"""`import`: what AutoGen has stored becomes a chat that goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from rostra.console.foreign import BadHistory, read
from rostra.console.importing import BadImport, load

from .conftest import Cli

TEAM = """
[team]
name = "guild"
[chat]
selection = "round_robin"
max_rounds = 2
stop = 'text("TERMINATE")'
[models.default]
api = "scripted"
script = "script.toml"
[agents.planner]
[agents.coder]
"""
SCRIPT = """
planner = ["(said there)", "Then we test it."]
coder = ["(said there)", "(said there)", "Tested. TERMINATE"]
"""
CALL = {"id": "1", "function": {"name": "add", "arguments": '{"a": 1}'}, "type": "function"}
OLD = [
    {"role": "system", "content": "You plan."},
    {"role": "user", "name": "User", "content": "Write a parser."},
    {"role": "user", "name": "Planner", "content": "First a grammar."},
    {"role": "assistant", "name": "Coder", "content": None, "tool_calls": [CALL]},
    {
        "role": "tool",
        "name": "Planner",
        "content": "3",
        "tool_responses": [{"tool_call_id": "1", "role": "tool", "content": "3"}],
    },
    {"role": "assistant", "name": "Coder", "content": "Here it is. TERMINATE"},
]
USED = {"prompt_tokens": 10, "completion_tokens": 4}
THREAD = [
    {"source": "user", "type": "TextMessage", "content": "Write a parser.", "models_usage": None, "metadata": {}},
    {"source": "planner", "type": "ThoughtEvent", "content": "hm"},
    {"source": "planner", "type": "TextMessage", "content": "First a grammar.", "models_usage": USED, "metadata": {}},
    {
        "source": "coder",
        "type": "ToolCallRequestEvent",
        "content": [{"id": "1", "name": "add", "arguments": '{"a": 1}'}],
        "models_usage": USED,
    },
    {"source": "coder", "type": "ToolCallExecutionEvent", "content": [{"call_id": "1", "name": "add", "content": "3"}]},
    {"source": "coder", "type": "ToolCallSummaryMessage", "content": "3", "models_usage": None},
    {"source": "coder", "type": "MultiModalMessage", "content": ["See:", {"data": "aGk="}], "models_usage": None},
    {"source": "planner", "type": "HandoffMessage", "content": "Over to you.", "target": "coder"},
]
MANAGER = {"type": "RoundRobinManagerState", "version": "1.0.0", "message_thread": THREAD, "current_turn": 1}
NEW = {
    "type": "TeamState",
    "version": "1.0.0",
    "agent_states": {
        "planner": {"type": "ChatAgentContainerState", "version": "1.0.0", "agent_state": {}, "message_buffer": []},
        "RoundRobinGroupChatManager": MANAGER,
    },
}


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "team.toml").write_text(TEAM)
    (tmp_path / "script.toml").write_text(SCRIPT)
    return tmp_path / "team.toml"


def put(team: Path, data: Any) -> Path:
    file = team.with_name("history.json")
    file.write_text(json.dumps(data))
    return file


def test_a_conversation_of_autogen_0_2_is_imported_and_goes_on(rostra: Cli, team: Path, tmp_path: Path) -> None:
    done = rostra("import", str(team), str(put(team, OLD)), "--chat", "old", "--without", "TERMINATE")
    assert "5 messages; they go on with: rostra run" in done.err
    shown = rostra("chat", "show", "old", "--json").out
    assert "First a grammar." in shown
    assert "intact" in rostra("chat", "verify", "old").out + rostra("chat", "verify", "old").err
    recording = tmp_path / "recording.jsonl"
    lines = rostra("run", str(team), "--resume", "old", "--json", "--record", str(recording)).lines
    said = [(line["speaker"], line["content"]) for line in lines if line["type"] == "message"]
    assert said[-2:] == [("planner", "Then we test it."), ("coder", "Tested. TERMINATE")]
    asked = json.loads(recording.read_text().splitlines()[-1])["request"]["messages"]
    own = [message for message in asked if message["role"] == "assistant"]
    assert [each.get("content", "") for each in own] == ["", "Here it is."]
    assert own[0]["tool_calls"][0]["name"] == "add"


def test_the_state_of_a_team_of_autogen_0_7_is_imported_and_goes_on(rostra: Cli, team: Path) -> None:
    chat = rostra("import", str(team), str(put(team, NEW))).out.strip()
    lines = rostra("run", str(team), "--resume", chat, "--json").lines
    assert [line["speaker"] for line in lines if line["type"] == "message"][-1] == "coder"
    info = json.loads(rostra("chat", "show", chat, "--json").out.splitlines()[0])
    assert info
    assert lines[-1]["usage"]["prompt_tokens"] >= 10


def test_what_is_in_a_state_becomes_messages_with_their_tools_and_usage() -> None:
    heard = read(NEW)
    assert [(each.message.name, each.message.text) for each in heard] == [
        ("user", "Write a parser."),
        ("planner", "First a grammar."),
        ("coder", "3"),
        ("coder", "See:"),
        ("planner", "Over to you."),
    ]
    assert heard[1].usage[0].prompt_tokens == 10
    (round_,) = heard[2].message.metadata["tool_log"]
    assert (round_["calls"][0]["name"], round_["responses"][0]["content"]) == ("add", "3")
    assert heard[3].message.content[1]["image_url"]["url"] == "data:image/png;base64,aGk="  # type: ignore[index]


def test_conversations_are_found_by_name_and_nameless_messages_by_their_role(team: Path) -> None:
    nameless = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "Done."}]
    both = {"chat_messages": {"Planner": nameless, "Coder": OLD}}
    with pytest.raises(BadHistory, match="--conversation"):
        read(both)
    assert len(read(both, "Coder")) == 5
    heard = load(put(team, both), ("planner", "coder"), {"assistant": "coder"}, "Planner")
    assert [(each.message.name, each.message.role) for each in heard] == [("user", "user"), ("coder", "assistant")]


@pytest.mark.parametrize(
    ("data", "key", "problem"),
    [
        ([], "", "nothing was said"),
        (3, "", "expected a list of messages"),
        ([{"role": "user", "content": "x"}, 3], "[1]", "is no message"),
        ([{"role": "user"}], "[0]", "neither `content` nor calls"),
        ([{"role": "nobody", "content": "x"}], "[0]", "role"),
        ([{"role": "user", "name": "Stranger", "content": "x"}], "[0]", "'Stranger' is no member of the team"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0]", "content"),
        ({"agent_states": {}}, "agent_states", "no group chat manager"),
        ({"agent_states": {"m": {"message_thread": [{}]}}}, "agent_states.m.message_thread[0]", "is no message"),
        (
            {"agent_states": {"m": {"message_thread": [{"source": "user", "type": "New", "content": ""}]}}},
            "agent_states.m.message_thread[0].type",
            "'New' is not known",
        ),
    ],
)
def test_what_is_no_conversation_is_refused_with_file_and_key(team: Path, data: Any, key: str, problem: str) -> None:
    file = put(team, data)
    with pytest.raises(BadImport) as refused:
        load(file, ("planner", "coder"), {})
    assert refused.value.key == key
    assert str(refused.value).startswith(f"{file}: ")
    assert problem in str(refused.value)


def test_a_file_that_is_no_json_and_an_id_that_is_taken_are_refused(rostra: Cli, team: Path) -> None:
    broken = team.with_name("broken.json")
    broken.write_text("[")
    assert f"{broken}: cannot be read as JSON" in rostra("import", str(team), str(broken), code=3).err
    old = str(put(team, OLD))
    rostra("import", str(team), old, "--chat", "one")
    assert "there is a chat 'one' already" in rostra("import", str(team), old, "--chat", "one", code=1).err
    assert "no id of a chat" in rostra("import", str(team), old, "--chat", "a.b", code=2).err
