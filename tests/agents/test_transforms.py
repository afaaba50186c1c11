"""What is shown of a long conversation."""

from typing import Any

import pytest

from rostra.agents import (
    CachedModel,
    MessageHistoryLimiter,
    MessageTokenLimiter,
    NameTag,
    Spending,
    TransformMessages,
    gather_usage_summary,
)
from rostra.protocol import ChatMessage, ToolCall, ToolResponse, Usage

from .doubles import Watched, assistant, person, requests


def said(text: str, **fields: Any) -> ChatMessage:
    return ChatMessage(content=text, **{"name": "bob", **fields})


CALL = said("", name="ann", role="assistant", tool_calls=(ToolCall(id="1", name="f"),))
ANSWER = said("42", name="user", role="tool", tool_responses=(ToolResponse(id="1", content="42"),))


def texts(messages: list[ChatMessage]) -> list[str]:
    return [each.text or each.tool_calls[0].name for each in messages]


@pytest.mark.semantics("S1.28")
def test_the_last_messages_are_shown_and_the_first_where_it_is_kept() -> None:
    talk = [said(letter) for letter in "abcde"]
    assert texts(MessageHistoryLimiter(3).apply(talk)) == ["c", "d", "e"]
    assert texts(MessageHistoryLimiter(3, keep_first_message=True).apply(talk)) == ["a", "d", "e"]
    assert MessageHistoryLimiter(5).apply(talk) == talk
    with pytest.raises(ValueError, match="at least 1"):
        MessageHistoryLimiter(0)


@pytest.mark.semantics("S1.28")
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_a_call_is_never_parted_from_its_response(limit: int) -> None:
    talk = [said("a"), CALL, ANSWER, said("b")]
    for transform in (
        MessageHistoryLimiter(limit),
        MessageTokenLimiter(limit),
        MessageHistoryLimiter(limit, keep_first_message=True),
    ):
        shown = transform.apply(talk)
        assert (CALL in shown) == (ANSWER in shown)
        assert shown[-1] == said("b")


@pytest.mark.semantics("S1.28")
def test_an_answer_to_calls_is_shown_with_them_even_beyond_the_limit() -> None:
    assert MessageHistoryLimiter(1).apply([said("a"), CALL, ANSWER]) == [CALL, ANSWER]


@pytest.mark.semantics("S1.28")
def test_a_system_message_in_front_stays() -> None:
    system = said("be kind", role="system")
    assert texts(MessageHistoryLimiter(1).apply([system, said("a"), said("b")])) == ["be kind", "b"]
    assert texts(MessageTokenLimiter(4).apply([system, said("a" * 40), said("b")])) == ["be kind", "b"]


@pytest.mark.semantics("S1.28")
def test_tokens_are_limited_in_all_and_in_each_message() -> None:
    talk = [said("a" * 40), said("b" * 40), said("c" * 40)]
    assert texts(MessageTokenLimiter(20).apply(talk)) == ["b" * 40, "c" * 40]
    assert texts(MessageTokenLimiter(max_tokens_per_message=2).apply(talk)) == ["a" * 8, "b" * 8, "c" * 8]
    assert MessageTokenLimiter(5, min_tokens=31).apply(talk) == talk
    assert texts(MessageTokenLimiter(20, keep_first_message=True).apply(talk)) == ["a" * 40, "c" * 40]


@pytest.mark.semantics("S1.28")
def test_names_are_written_into_the_words_of_others_once() -> None:
    tag = NameTag()
    own, other = said("mine", name="ann", role="assistant"), said("hi")
    assert texts(tag.apply([own, other])) == ["mine", "bob:\nhi"]
    assert tag.apply(tag.apply([other])) == tag.apply([other])
    assert texts(NameTag(" ({name})", position="end").apply([other])) == ["hi (bob)"]
    assert texts(NameTag(except_names=["bob"]).apply([other])) == ["hi"]
    with pytest.raises(ValueError, match="form of a name tag"):
        NameTag("x")


@pytest.mark.semantics("S1.28")
async def test_transforms_change_what_a_model_is_sent_and_neither_the_history_nor_the_place_in_a_script() -> None:
    user, ann = person(default_auto_reply="go on"), assistant("ann", "one", "two", "three")
    TransformMessages([MessageHistoryLimiter(1), NameTag()]).add_to_agent(ann)
    result = await user.initiate_chat(ann, message="begin", max_turns=3)
    assert [each.text for each in result.chat_history] == ["begin", "one", "go on", "two", "go on", "three"]
    assert [[each.text for each in request.messages[1:]] for request in requests(ann)] == [
        ["user:\nbegin"],
        ["user:\ngo on"],
        ["user:\ngo on"],
    ]


@pytest.mark.semantics("S1.30")
async def test_usage_is_counted_per_model_with_and_without_cached_answers() -> None:
    spending = Spending([Usage(model="a", prompt_tokens=2, completion_tokens=1, cost=0.5), Usage(model="a", cached=True)])
    assert (spending.total["a"].completions, spending.actual["a"].completions, spending.cost) == (2, 1, 0.5)
    user, ann, bob = person(), assistant("ann", "x"), assistant("bob", "y")
    await user.initiate_chat(ann, message="hi", max_turns=1)
    await user.initiate_chat(bob, message="hi", max_turns=1)
    together = gather_usage_summary([user, ann, bob])
    assert together.total["scripted"].completions == 2
    assert "scripted: 2 completions" in str(together)


@pytest.mark.semantics("S1.31")
async def test_an_equal_request_of_one_seed_is_answered_from_the_cache_also_by_another_process(tmp_path: Any) -> None:
    inner = Watched("first", "second")
    for seed, place, asked in ((1, "a", 1), (1, "a", 1), (2, "a", 2), (1, "b", 3)):
        cached = CachedModel(inner, seed=seed, path=tmp_path / place)
        ann = assistant("ann")
        ann.model = cached
        result = await person().initiate_chat(ann, message="hi", max_turns=1)
        cached.close()
        assert (result.summary, len(inner.requests)) == ("first", asked)
    assert (ann.spending.total["scripted"].completions, ann.spending.cost) == (1, 0.0)


@pytest.mark.semantics("S1.32")
async def test_a_seeded_history_is_gone_on_with() -> None:
    user = person()
    ann = assistant(
        "ann", "never", "as before", chat_messages={user: [said("old", name="user"), said("yes", name="ann", role="assistant")]}
    )
    await user.initiate_chat(ann, message="and now?", max_turns=1, clear_history=False)
    assert [each.text for each in requests(ann)[0].messages] == ["sys", "old", "yes", "and now?"]
