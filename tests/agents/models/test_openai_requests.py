"""What OpenAIModel sends: messages that every server takes, options, and a schema for the answer."""

from typing import Any

import pytest

from rostra.agents.models import ModelError
from rostra.protocol import ChatMessage, ToolCall, ToolResponse
from rostra.protocol.completion import CompletionRequest, ToolSchema

from .chunks import USAGE, Make, asked, delta, finish


async def test_messages_go_out_in_the_form_that_every_server_takes(raw: Any, make: Make) -> None:
    raw.streams(delta(content="x"), finish())
    call = ToolCall(id="c1", name="count", arguments='{"text": "a"}')
    request = CompletionRequest(
        messages=(
            ChatMessage(role="system", content="You count.", name="counter"),
            ChatMessage(content="Count.", name="Ann Lee/2"),
            ChatMessage(role="assistant", content=None, tool_calls=(call, ToolCall(id="c2", name="count", arguments="{oops"))),
            ChatMessage(role="tool", tool_responses=(ToolResponse(id="c1", content="1"),)),
            ChatMessage(role="tool", tool_responses=(ToolResponse(id="gone", content="late"),), name="runner"),
        ),
        tools=(ToolSchema(name="count", description="Counts."),),
    )

    await make(raw.base_url).complete(request)

    system, user, calling, one, two, loose = raw.bodies[0]["messages"]
    assert system == {"role": "system", "content": "You count."}
    assert user == {"role": "user", "content": "Count.", "name": "Ann_Lee_2"}
    assert calling["content"] == ""
    assert calling["tool_calls"][0]["function"] == {"name": "count", "arguments": '{"text": "a"}'}
    assert calling["tool_calls"][1]["function"]["arguments"] == '{"malformed":"{oops"}'
    assert one == {"role": "tool", "tool_call_id": "c1", "content": "1"}
    assert two == {"role": "tool", "tool_call_id": "c2", "content": "(no answer)"}
    assert loose == {"role": "user", "content": "late", "name": "runner"}
    assert raw.bodies[0]["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}


async def test_a_server_that_knows_no_names_reads_them_in_the_text(raw: Any, make: Make) -> None:
    raw.streams(delta(content="x"), finish())
    request = CompletionRequest(messages=(ChatMessage(content="Hello.", name="ann"),))

    await make(raw.base_url, profile="ollama").complete(request)

    assert raw.bodies[0]["messages"] == [{"role": "user", "content": "ann: Hello."}]


async def test_no_option_replaces_what_is_asked(raw: Any, make: Make) -> None:
    raw.streams(delta(content="x"), finish())

    with pytest.raises(ModelError, match="'model' is no option"):
        await make(raw.base_url).complete(asked(options={"model": "gpt-expensive"}))

    assert raw.bodies == []


async def test_options_of_a_request_come_before_those_of_the_model(raw: Any, make: Make) -> None:
    raw.streams(delta(content="x"), finish())

    await make(raw.base_url, options={"temperature": 0.1, "seed": 3}).complete(asked(options={"temperature": 0.9}))

    assert (raw.bodies[0]["temperature"], raw.bodies[0]["seed"]) == (0.9, 3)


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def test_an_answer_that_breaks_its_schema_is_asked_for_once_more(raw: Any, make: Make) -> None:
    raw.streams(delta(content="Gladly: 4"), finish(), USAGE)
    raw.streams(delta(content='```json\n{"n": 4}\n```'), finish(), USAGE)

    completion = await make(raw.base_url).complete(asked(options={"response_format": SCHEMA}))

    assert completion.content == '{"n": 4}'
    assert completion.usage.prompt_tokens == 22
    assert "response_format" not in raw.bodies[0]  # a server that is not recognised is told in words
    assert '"required":["n"]' in raw.bodies[0]["messages"][0]["content"]
    assert "no JSON" in raw.bodies[1]["messages"][-1]["content"]


async def test_an_answer_that_breaks_its_schema_twice_is_an_error(raw: Any, make: Make) -> None:
    raw.streams(delta(content='{"n": "four"}'), finish())

    with pytest.raises(ModelError, match=r"the answer\.n is not of type integer"):
        await make(raw.base_url).complete(asked(options={"response_format": SCHEMA}))

    assert len(raw.bodies) == 2


async def test_a_server_that_refuses_the_schema_is_told_it_in_words(raw: Any, make: Make) -> None:
    raw.refuses(400, "response_format json_schema is not supported")
    raw.streams(delta(content='{"n": 4}'), finish())

    completion = await make(raw.base_url, profile="vllm").complete(asked(options={"response_format": SCHEMA}))

    assert completion.content == '{"n": 4}'
    assert raw.bodies[0]["response_format"]["json_schema"]["schema"] == SCHEMA
    assert "response_format" not in raw.bodies[1]
