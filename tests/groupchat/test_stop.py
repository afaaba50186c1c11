"""Stop expressions and the conditions they make."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.groupchat import (
    CompletionTokens,
    Condition,
    Cost,
    ExactText,
    FunctionCalled,
    Handoff,
    MaxMessages,
    NoProgress,
    PromptTokens,
    SourceMatch,
    StopError,
    TextMention,
    Timeout,
    TokenUsage,
    VotePassed,
    parse,
)
from rostra.groupchat.conditions import Met, Watch
from rostra.groupchat.facts import Facts
from rostra.groupchat.replaying import replay
from rostra.protocol import ChatMessage, ToolCall, ToolResponse, Usage

from .desk import Desk
from .team import options

leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(TextMention, st.text(min_size=1), st.text()),
    st.builds(ExactText, st.text(min_size=1)),
    st.builds(Handoff, st.text(min_size=1)),
    st.builds(FunctionCalled, st.text(min_size=1)),
    st.builds(VotePassed, st.text(min_size=1), st.integers(0, 10**6)),
    st.builds(SourceMatch, st.lists(st.text(min_size=1), min_size=1).map(tuple)),
    *(st.builds(kind, st.integers(1, 10**12)) for kind in (MaxMessages, TokenUsage, PromptTokens, CompletionTokens, NoProgress)),
    *(
        st.builds(kind, st.floats(min_value=0, max_value=1e14, exclude_min=True) | st.integers(1, 10**9))
        for kind in (Cost, Timeout)
    ),
)
conditions = st.recursive(
    leaves, lambda inner: st.builds(lambda a, b, both: a & b if both else a | b, inner, inner, st.booleans())
)


@given(conditions)
@pytest.mark.semantics("S3.1")
def test_a_condition_is_what_its_own_text_says(condition: Condition) -> None:
    assert parse(str(condition)) == condition


@given(st.text(max_size=200) | st.text(alphabet='text("TERMINATE")|& 0123456789.,_=by\n', max_size=80))
def test_any_text_is_a_condition_or_a_stop_error(text: str) -> None:
    with contextlib.suppress(StopError):
        assert parse(text)


def test_and_binds_closer_than_or() -> None:
    assert parse('text("x") | tokens(50_000) & seconds(60)') == TextMention("x") | (TokenUsage(50000) & Timeout(60))
    assert parse('(text("x") | tokens(1)) & seconds(60)') == (TextMention("x") | TokenUsage(1)) & Timeout(60)


def test_an_expression_may_span_lines() -> None:
    assert parse('\n  text("x", by="qa")\n  | cost(0.50)\n') == TextMention("x", by="qa") | Cost(0.5)


@pytest.mark.parametrize(
    ("expression", "column", "problem"),
    [
        ("", 1, "nothing"),
        ("   ", 1, "nothing"),
        ("text(", 5, "never closed"),
        ("  tokens(-1)", 10, "positive whole number"),
        ("tokens(0)", 8, "positive whole number"),
        ("tokens(1.5)", 8, "positive whole number"),
        ("tokens(True)", 8, "positive whole number"),
        ("cost('1')", 6, "positive number"),
        ("seconds(1e400)", 9, "positive number"),
        ('text("é") | foo(3)', 13, "foo is no condition"),
        ("text(3)", 6, "text in quotes"),
        ('text("")', 6, "text in quotes"),
        ('text("a", "b")', 1, "takes one value"),
        ('text("a", to="b")', 11, "no option to"),
        ('text("a", **x)', 11, "no option"),
        ('exact("a", by="b")', 12, "no option by"),
        ('vote("a", by="b")', 11, "no option by"),
        ('vote("a", every=0)', 17, "positive whole number"),
        ("vote(3)", 6, "text in quotes"),
        ("source()", 1, "a name at least"),
        ("source(a)", 8, "text in quotes"),
        ("messages", 1, "parentheses"),
        ('text("a") or tokens(1)', 1, "| and &"),
        ('text("a") + tokens(1)', 1, "| and &"),
        ('not text("a")', 1, "| and &"),
        ('~text("a")', 1, "| and &"),
        ("__import__('os').system('true')", 1, "was expected"),
        ("[messages(1)]", 1, "was expected"),
        ("lambda: 1", 1, "was expected"),
        ('text(f"{x}")', 6, "text in quotes"),
        ("x" * 5000, 4001, "longer"),
        ("(" * 500 + "messages(1)" + ")" * 500, 1, "."),
        ("a\0b", 1, "null"),
    ],
)
def test_what_is_no_expression_is_told_with_its_column(expression: str, column: int, problem: str) -> None:
    with pytest.raises(StopError, match=problem.replace("|", r"\|")) as raised:
        parse(expression)
    if problem != ".":
        assert raised.value.column == column
        assert f"column {column}" in str(raised.value)


def message(text: str = "", name: str = "a", **rest: Any) -> ChatMessage:
    return ChatMessage(content=text, name=name, **rest)


def looked(condition: Condition, *messages: ChatMessage, change: Callable[[Facts], Facts] = lambda facts: facts) -> Met | None:
    """What a watch says after the opening and these messages."""
    watch, facts, met = Watch(condition), Facts(), None
    for one in (message("the task says done and count", "user"), *messages):
        facts = change(facts.with_message(one))
        met = watch.look(facts)
    return met


CALL = message(tool_calls=(ToolCall(id="1", name="count"),))
ANSWER = message("4", "b", role="tool", tool_responses=(ToolResponse(id="1", content="4"),))


@pytest.mark.parametrize(
    ("condition", "messages", "met"),
    [
        (TextMention("done"), (), False),
        (TextMention("done"), (message("I am done."),), True),
        (TextMention("done"), (message("Done"),), False),
        (TextMention("done", by="b"), (message("done"),), False),
        (TextMention("done", by="b"), (message("done", "b"),), True),
        (TextMention("done"), (message([{"type": "text", "text": "done"}]),), True),  # type: ignore[arg-type]
        (ExactText("done"), (message("done."),), False),
        (ExactText("done"), (message("done"),), True),
        (MaxMessages(2), (), False),
        (MaxMessages(2), (message(),), True),
        (SourceMatch(("user",)), (message(),), False),
        (SourceMatch(("b", "c")), (message(name="c"),), True),
        (FunctionCalled("count"), (CALL,), False),
        (FunctionCalled("count"), (CALL, ANSWER), True),
        (FunctionCalled("draw"), (CALL, ANSWER), False),
        (Handoff("user"), (message(metadata={"handoff": "user"}),), True),
        (Handoff("user"), (message(metadata={"handoff": "b"}),), False),
        (NoProgress(2), (message("same"), message("same", "b")), True),
        (NoProgress(2), (message("same"), message("other"), message("same")), False),
        (NoProgress(3), (message("same"), message("same")), False),
        (TextMention("done") & MaxMessages(4), (message("done"), message()), False),
        (TextMention("done") & MaxMessages(4), (message("done"), message(), message()), True),
        (TextMention("x") | MaxMessages(2), (message(),), True),
    ],
)
@pytest.mark.semantics("S3.1", "S3.2")
def test_a_condition_is_met(condition: Condition, messages: tuple[ChatMessage, ...], met: bool) -> None:
    found = looked(condition, *messages)
    assert (found is not None) == met
    assert found is None or found.reason


@pytest.mark.parametrize(
    ("condition", "usage", "seconds", "met"),
    [
        (TokenUsage(15), Usage(prompt_tokens=10, completion_tokens=5), 0, True),
        (TokenUsage(16), Usage(prompt_tokens=10, completion_tokens=5), 0, False),
        (PromptTokens(10), Usage(prompt_tokens=10), 0, True),
        (CompletionTokens(10), Usage(prompt_tokens=10), 0, False),
        (Cost(0.5), Usage(cost=0.5), 0, True),
        (Cost(0.5), Usage(cost=0.49), 0, False),
        (Timeout(60), Usage(), 60, True),
        (Timeout(60), Usage(), 59.9, False),
    ],
)
@pytest.mark.semantics("S3.2")
def test_a_limit_is_reached(condition: Condition, usage: Usage, seconds: float, met: bool) -> None:
    found = Watch(condition).look(Facts().with_usage([usage]).at(seconds))
    assert (found is not None) == met
    assert found is None or found.limit


@pytest.mark.parametrize(
    ("condition", "limit"),
    [
        (TextMention("done"), False),
        (MaxMessages(1), True),
        (TextMention("done") & MaxMessages(1), False),
        (MaxMessages(1) & MaxMessages(2), True),
        (TextMention("no") | MaxMessages(1), True),
        (TextMention("done") | MaxMessages(1), False),
    ],
)
def test_a_chat_is_cut_off_only_when_no_rule_had_a_part_in_it(condition: Condition, limit: bool) -> None:
    met = looked(condition, message("done"))
    assert met is not None
    assert met.limit == limit


def test_usage_is_summed_and_a_guess_stays_a_guess() -> None:
    usage = Facts().with_usage([Usage(model="m", prompt_tokens=1, cost=0.1), Usage(model="m", estimated=True)]).usage
    assert usage == Usage(model="m", prompt_tokens=1, cost=0.1, estimated=True)
    assert Facts().with_usage([Usage(model="m"), Usage(model="n")]).usage.model == ""


@pytest.mark.semantics("S3.2")
def test_a_function_of_ones_own_ends_a_chat_with_its_reason() -> None:
    def thrice(messages: Sequence[ChatMessage]) -> str | bool:
        asked = sum("?" in message.text for message in messages)
        return "three questions are enough" if asked >= 3 else False

    chat = Desk(options("a", "b", stop_function=thrice))
    for text in ("one?", "two?", "none"):
        chat.turn(text)
        assert chat.result is None
    chat.load()
    chat.turn("three?")
    assert chat.result is not None
    assert (chat.result.outcome, chat.result.stop_reason) == ("ended", "three questions are enough")
    assert replay(chat.script) == []


def test_a_stop_function_may_just_say_yes_and_the_opening_is_not_asked_about() -> None:
    chat = Desk(options("a", "b", stop_function=lambda messages: True))
    assert chat.result is None
    chat.turn("x")
    assert chat.result is not None
    assert chat.result.stop_reason == "the stop function ended the chat"


def test_a_stop_function_that_raises_ends_the_chat_with_its_error_and_loses_no_message() -> None:
    def broken(_: Sequence[ChatMessage]) -> bool:
        raise KeyError("who")

    chat = Desk(options("a", "b", stop_function=broken))
    chat.turn("said")
    assert chat.result is not None
    assert (chat.result.outcome, chat.result.stop_reason) == ("failed", "the stop function raised KeyError: 'who'")
    assert [message.text for message in chat.messages] == ["the task", "said"]
    assert not any(row.open for row in chat.rows.values())
