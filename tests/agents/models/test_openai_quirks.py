"""What OpenAI-compatible servers get wrong, and what becomes of it."""

import asyncio
from typing import Any

import pytest

from rostra.agents.models import ModelError

from .chunks import USAGE, Make, asked, delta, finish


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
