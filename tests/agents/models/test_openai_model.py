"""OpenAIModel against a server written by others: answers, tools, and attempts that fail."""

import asyncio
from typing import Any

import pytest

from rostra.agents.models import ModelError
from rostra.protocol.completion import ToolSchema

from .chunks import Make, asked


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
