"""What OpenAI-compatible servers get wrong, and what becomes of it."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from rostra.agents.models import BadKey, ModelError, OpenAIModel
from rostra.protocol import ChatMessage, ToolCall, ToolResponse
from rostra.protocol.completion import CompletionRequest, ToolSchema

KEY = "sk-veryverysecretkey12345"
Make = Callable[..., OpenAIModel]


def asked(content: str = "Say something.", **fields: Any) -> CompletionRequest:
    return CompletionRequest(messages=(ChatMessage(content=content),), **fields)


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def finish(reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes models that are closed at the end, with short pauses."""
    made: list[OpenAIModel] = []

    def one(base_url: str, **options: Any) -> OpenAIModel:
        made.append(OpenAIModel("gpt-5-mini", base_url=base_url, **{"first": 0.1, **options}))
        return made[-1]

    yield one
    for model in made:
        await model.aclose()


# ---- against a server written by others


async def test_an_answer_is_streamed_and_its_usage_counted(faulty: Any, make: Make) -> None:
    faulty.will({"type": "reply", "text": "One two three."})
    pieces: list[str] = []

    completion = await make(faulty.base_url).complete(asked(), pieces.append)

    assert completion.content == "One two three." == "".join(pieces)
    assert len(pieces) > 1
    assert (completion.finish_reason, completion.model) == ("stop", "gpt-5-mini")
    assert completion.usage.prompt_tokens > 0
    assert not completion.usage.estimated


async def test_tool_calls_are_put_together_from_their_fragments(faulty: Any, make: Make) -> None:
    call = {"name": "word_count", "arguments": {"text": "a rather long text, in fragments"}}
    faulty.will({"type": "reply", "tool_calls": [call, {"name": "word_count", "arguments": {"text": "b"}}]})

    completion = await make(faulty.base_url).complete(asked(tools=(ToolSchema(name="word_count", description="Counts."),)))

    assert [one.name for one in completion.tool_calls] == ["word_count", "word_count"]
    assert "in fragments" in completion.tool_calls[0].arguments
    assert len({one.id for one in completion.tool_calls}) == 2


@pytest.mark.parametrize("kind", ["truncate", "malformed", "disconnect"])
async def test_a_stream_that_breaks_is_asked_for_again(faulty: Any, make: Make, kind: str) -> None:
    text = f"These are the words of {'a rather long ' * 6}answer."
    faulty.will(
        {"type": "reply", "text": text, "times": 3}, {"type": "stream_fault", "kind": kind, "after_chunks": 3, "times": 2}
    )
    pieces: list[str] = []

    completion = await make(faulty.base_url).complete(asked(), pieces.append)

    assert completion.content == text == "".join(pieces)  # what was shown is not shown twice
    assert len(faulty.requests()) == 3
    assert faulty.findings() == []


async def test_a_stream_that_stalls_is_given_up_and_asked_for_again(faulty: Any, make: Make) -> None:
    faulty.will(
        {"type": "reply", "text": "Not so fast.", "times": 2},
        {"type": "stream_fault", "kind": "stall", "after_chunks": 2, "stall_seconds": 30},
    )

    completion = await make(faulty.base_url, stall=0.3).complete(asked())

    assert completion.content == "Not so fast."
    assert faulty.findings() == []


async def test_retry_after_is_honoured(faulty: Any, make: Make) -> None:
    faulty.will({"type": "fail", "status": 429, "retry_after": 0.6}, {"type": "fail", "status": 503, "retry_after": 0.4})
    loop = asyncio.get_running_loop()
    start = loop.time()

    await make(faulty.base_url).complete(asked())

    assert loop.time() - start >= 1.0
    assert faulty.findings() == []


async def test_what_cannot_succeed_is_not_tried_again(faulty: Any, make: Make) -> None:
    faulty.will({"type": "fail", "status": 401, "times": None})

    with pytest.raises(ModelError, match="401") as caught:
        await make(faulty.base_url).complete(asked())

    assert not caught.value.retryable
    assert caught.value.details["status"] == 401
    assert len(faulty.requests()) == 1
    assert faulty.findings() == []


async def test_an_outage_is_an_error_that_may_be_retried_after_a_few_attempts(faulty: Any, make: Make) -> None:
    faulty.will({"type": "fail", "status": 503, "retry_after": 0, "times": None})

    with pytest.raises(ModelError, match="503") as caught:
        await make(faulty.base_url, retries=2).complete(asked())

    assert caught.value.retryable
    assert len(faulty.requests()) == 3
    assert faulty.findings() == []


async def test_with_three_of_ten_requests_failing_every_answer_arrives(unsteady: Any, make: Make) -> None:
    model = make(unsteady.base_url, retries=8)

    completions = await asyncio.gather(*(model.complete(asked(f"Question {number}.")) for number in range(30)))

    assert all(completion.content for completion in completions)
    code, report = unsteady.report()
    assert code == 0, report


# ---- against bytes


async def test_tool_calls_without_id_or_index_are_told_apart(raw: Any, make: Make) -> None:
    raw.streams(
        delta(content="", tool_calls=[{"function": {"name": "first", "arguments": '{"a":'}}]),
        delta(tool_calls=[{"function": {"arguments": " 1}"}}]),
        delta(tool_calls=[{"function": {"name": "second", "arguments": {"b": 2}}}]),
        delta(tool_calls=[{"function": {"name": "third"}}]),
        finish("stop"),  # not "tool_calls": what decides is that there are calls
    )

    completion = await make(raw.base_url).complete(asked())

    assert [(call.name, call.arguments) for call in completion.tool_calls] == [
        ("first", '{"a": 1}'),
        ("second", '{"b":2}'),
        ("third", "{}"),
    ]
    assert len({call.id for call in completion.tool_calls}) == 3
    assert all(call.id for call in completion.tool_calls)


async def test_parallel_calls_that_all_have_index_0_are_told_apart_by_id(raw: Any, make: Make) -> None:
    raw.streams(
        delta(tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}]),
        delta(tool_calls=[{"index": 0, "id": "y", "function": {"name": "f", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "id": "y", "function": {"name": None, "arguments": "{}"}}]),
        finish("tool_calls"),
    )

    completion = await make(raw.base_url).complete(asked())

    assert [(call.id, call.arguments) for call in completion.tool_calls] == [("x", "{}"), ("y", "{}")]


async def test_usage_is_estimated_and_said_to_be_when_the_server_sends_none(raw: Any, make: Make) -> None:
    raw.streams(delta(role="assistant", content="x" * 40), finish())

    usage = (await make(raw.base_url).complete(asked("y" * 80))).usage

    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (20, 10, True)


async def test_usage_comes_from_the_last_chunk(raw: Any, make: Make) -> None:
    raw.streams(delta(content="x"), finish(), USAGE)

    usage = (await make(raw.base_url).complete(asked())).usage

    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (11, 7, False)
    assert raw.bodies[0]["stream_options"] == {"include_usage": True}


async def test_a_server_that_refuses_stream_options_is_asked_without_from_then_on(raw: Any, make: Make) -> None:
    raw.refuses(400, "Unrecognized request argument supplied: stream_options")
    raw.streams(delta(content="x"), finish())
    model = make(raw.base_url)

    await model.complete(asked())
    await model.complete(asked())

    assert ["stream_options" in body for body in raw.bodies] == [True, False, False]


async def test_the_limit_of_the_length_goes_under_the_name_that_the_server_takes(raw: Any, make: Make) -> None:
    raw.refuses(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    raw.streams(delta(content="x"), finish())

    await make(raw.base_url).complete(asked(options={"max_tokens": 5}))
    await make(raw.base_url, profile="openai").complete(asked(options={"max_tokens": 5}))

    limits = [{key: value for key, value in body.items() if key.startswith("max")} for body in raw.bodies]
    assert limits == [{"max_tokens": 5}, {"max_completion_tokens": 5}, {"max_completion_tokens": 5}]


async def test_two_names_that_are_both_refused_end_in_the_servers_error(raw: Any, make: Make) -> None:
    raw.refuses(400, "neither max_tokens nor max_completion_tokens")

    with pytest.raises(ModelError, match="neither max_tokens"):
        await make(raw.base_url).complete(asked(options={"max_tokens": 5}))

    assert len(raw.bodies) <= 5


async def test_a_stream_that_ends_before_the_usual_usage_was_cut_off(raw: Any, make: Make) -> None:
    whole, cut = (delta(content="x"), finish(), USAGE), (delta(content="x"), finish())
    raw.streams(*whole)
    raw.streams(*cut, finished=False)
    raw.streams(*whole)
    model = make(raw.base_url)

    completions = [await model.complete(asked()) for _ in range(2)]

    assert [one.usage.estimated for one in completions] == [False, False]
    assert len(raw.bodies) == 3


async def test_a_server_that_sends_usage_only_sometimes_is_asked_again_just_once(raw: Any, make: Make) -> None:
    raw.streams(delta(content="x"), finish(), USAGE)
    raw.streams(delta(content="x"), finish())
    model = make(raw.base_url)

    completions = [await model.complete(asked()) for _ in range(3)]

    assert [one.usage.estimated for one in completions] == [False, True, True]
    assert len(raw.bodies) == 4


async def test_an_answer_that_lacks_only_its_usage_is_better_than_none(raw: Any, make: Make) -> None:
    raw.streams(delta(content="x"), finish(), USAGE)
    raw.streams(delta(content="y"), finish(), finished=False)
    raw.refuses(401, "the key was revoked")
    model = make(raw.base_url)

    assert [(await model.complete(asked())).content for _ in range(2)] == ["x", "y"]


async def test_an_error_in_the_midst_of_a_stream_is_retried(raw: Any, make: Make) -> None:
    raw.streams(delta(content="Half an "), {"error": {"message": "overloaded", "code": 503}})
    raw.streams(delta(content="Half an answer."), finish())

    assert (await make(raw.base_url).complete(asked())).content == "Half an answer."


@pytest.mark.parametrize("event", ['"a string"', "[1, 2]", '{"choices": "none"}', '{"choices": [{"delta": 7}]}', "{"])
async def test_a_chunk_of_the_wrong_shape_is_retried(raw: Any, make: Make, event: str) -> None:
    raw.streams(delta(content="a"), event)
    raw.streams(delta(content="ab"), finish())

    assert (await make(raw.base_url).complete(asked())).content == "ab"


async def test_a_second_attempt_that_says_something_else_is_not_mixed_with_what_was_shown(raw: Any, make: Make) -> None:
    raw.streams(delta(content="To be"), finished=False)
    raw.streams(delta(content="Not to"), delta(content=" be."), finish())
    pieces: list[str] = []

    completion = await make(raw.base_url).complete(asked(), pieces.append)

    assert completion.content == "Not to be."
    assert pieces == ["To be"]


async def test_a_refusal_is_the_answer(raw: Any, make: Make) -> None:
    raw.streams(delta(refusal="I can not "), delta(refusal="do that."), finish())

    assert (await make(raw.base_url).complete(asked())).content == "I can not do that."


async def test_a_server_that_is_not_there_is_an_error_that_may_be_retried(make: Make) -> None:
    with pytest.raises(ModelError) as caught:
        await make("http://127.0.0.1:9/v1", retries=1).complete(asked())

    assert caught.value.retryable


async def test_a_server_that_never_answers_is_given_up(raw: Any, make: Make) -> None:
    raw.hangs()

    with pytest.raises(ModelError, match="silent"):
        await make(raw.base_url, retries=0, begin=0.2).complete(asked())


async def test_an_attempt_takes_no_longer_than_its_limit(raw: Any, make: Make) -> None:
    raw.hangs(delta(content="a"))

    with pytest.raises(ModelError, match=r"within 0\.2 s"):
        await make(raw.base_url, retries=0, timeout=0.2).complete(asked())


async def test_a_long_wait_that_the_server_orders_is_left_to_the_fallback(raw: Any, make: Make) -> None:
    raw.refuses(429, "come back tomorrow", retry_after="86400")

    with pytest.raises(ModelError, match="tomorrow") as caught:
        await make(raw.base_url).complete(asked())

    assert caught.value.details["retry_after"] == 86400
    assert len(raw.bodies) == 1


async def test_a_cancelled_request_hangs_up(raw: Any, make: Make) -> None:
    raw.hangs(delta(content="a"))
    began = asyncio.Event()
    task = asyncio.ensure_future(make(raw.base_url).complete(asked(), lambda _: began.set()))
    async with asyncio.timeout(20):
        await began.wait()
        task.cancel()
        await asyncio.wait({task})
        await raw.hung_up.wait()

    assert task.cancelled()


# ---- what is sent


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


# ---- structured answers

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


# ---- keys


async def test_a_key_is_never_shown(raw: Any, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    raw.refuses(503, f"bad key {KEY}, and Bearer abcdefghijkl, and sk-proj-other0123456789")
    model = make(raw.base_url, api_key=KEY, retries=1)

    with pytest.raises(ModelError) as caught:
        await model.complete(asked())

    assert f"authorization: Bearer {KEY}" in raw.headers[0].replace("Authorization", "authorization")
    shown = repr(caught.value) + repr(caught.value.details) + caplog.text
    for secret in (KEY, "abcdefghijkl", "other0123456789"):
        assert secret not in shown


async def test_the_environments_key_is_not_sent_to_another_server(raw: Any, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    raw.streams(delta(content="x"), finish())

    await make(raw.base_url).complete(asked())

    assert KEY not in raw.headers[0]


def test_no_key_anywhere_is_an_error_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)

    with pytest.raises(BadKey):
        OpenAIModel("gpt-5-mini")
