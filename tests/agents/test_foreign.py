"""Messages as dicts, AutoGen's and OpenAI's included."""

from typing import Any

import pytest

from rostra.agents import from_dict, from_dicts
from rostra.protocol import ChatMessage, ToolCall, ToolResponse

from .doubles import assistant, person, requests

CALLS = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]}  # fmt: skip
RESPONSES = {"role": "tool", "content": "3", "tool_responses": [{"tool_call_id": "c1", "role": "tool", "content": "3"}]}


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"content": "hi", "role": "user", "name": "bob"}, ChatMessage(content="hi", name="bob")),
        ({"content": "hi", "context": {"x": 1}}, ChatMessage(content="hi")),
        (CALLS, ChatMessage(role="assistant", tool_calls=(ToolCall(id="c1", name="add", arguments='{"a": 1}'),))),
        (RESPONSES, ChatMessage(role="tool", content="3", tool_responses=(ToolResponse(id="c1", content="3"),))),
        (
            {"role": "tool", "tool_call_id": "c1", "content": "3"},
            ChatMessage(role="tool", content="3", tool_responses=(ToolResponse(id="c1", content="3"),)),
        ),
        (
            {"role": "assistant", "content": "", "function_call": {"name": "add", "arguments": "{}"}},
            ChatMessage(role="assistant", tool_calls=(ToolCall(id="function_add", name="add"),)),
        ),
        (
            {"role": "function", "name": "add", "content": "3"},
            ChatMessage(role="function", content="3", tool_responses=(ToolResponse(id="function_add", name="add", content="3"),)),
        ),
        ({"tool_calls": [{"id": "1", "name": "add"}]}, ChatMessage(tool_calls=(ToolCall(id="1", name="add"),))),
    ],
)
def test_a_dict_is_read_as_a_message(plain: dict[str, Any], message: ChatMessage) -> None:
    assert from_dict(plain) == message


@pytest.mark.parametrize("plain", [{"role": "boss", "content": "x"}, {"content": 3}, {"tool_calls": "x"}, {"tool_calls": [{}]}])
def test_what_is_no_message_is_a_value_error(plain: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no message"):
        from_dict(plain)


@pytest.mark.semantics("S1.32")
async def test_a_stored_history_of_autogen_is_gone_on_with() -> None:
    user = person()
    old = from_dicts(
        [{"content": "1 + 2?", "role": "user", "name": "user"}, {**CALLS, "name": "ann"}, {**RESPONSES, "name": "user"}]
    )
    ann = assistant("ann", "never", "it was 3", chat_messages={user: old})
    result = await user.initiate_chat(ann, message="And?", max_turns=1, clear_history=False)
    assert result.summary == "it was 3"
    assert [message.role for message in requests(ann)[0].messages] == ["system", "user", "assistant", "tool", "user"]


@pytest.mark.semantics("S1.12", "S1.22")
async def test_a_dict_of_autogens_is_sent_and_its_calls_are_run() -> None:
    def add(a: int) -> int:
        """Adds two."""
        return a + 2

    user, ann = person(), person("ann", executes=[add])
    result = await user.initiate_chat(ann, message=CALLS, max_turns=1)
    assert [said.text for said in result.chat_history] == ["", "3"]
