"""Choosing among candidates: rotation, chance, people, and the dialogue with a model."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.groupchat.auto import Dialogue
from rostra.groupchat.selection import drawn, manual_choice, manual_question, rotation
from rostra.protocol import ChatMessage, Member, ToolCall, ToolResponse

MEMBERS = (
    Member(name="coder", description="Writes code."),
    Member(name="critic", description="Finds\nfaults."),
    Member(name="qa"),
)


@pytest.mark.parametrize(
    ("last", "candidates", "expected"),
    [
        ("", "abc", "a"),
        ("user", "abc", "a"),
        ("a", "abc", "b"),
        ("c", "abc", "a"),
        ("a", "ac", "c"),
        ("a", "a", "a"),
        ("b", "ab", "a"),
        ("user", "bc", "b"),
    ],
)
@pytest.mark.semantics("S2.9")
def test_the_next_in_rotation_is(last: str, candidates: str, expected: str) -> None:
    assert rotation(tuple("abc"), last, tuple(candidates)) == expected


def test_rotation_among_nobody_is_an_error() -> None:
    with pytest.raises(ValueError, match="no candidates"):
        rotation("abc", "a", "")


@given(st.integers(), st.integers(1, 10_000), st.lists(st.text(), min_size=1, unique=True))
@pytest.mark.semantics("S2.10")
def test_a_draw_depends_on_seed_and_place_alone(seed: int, place: int, candidates: list[str]) -> None:
    assert drawn(seed, place, candidates) == drawn(seed, place, tuple(candidates))


@pytest.mark.semantics("S2.10")
def test_draws_are_spread_over_the_candidates() -> None:
    counts = Counter(drawn(7, place, ("a", "b", "c")) for place in range(3000))
    assert all(900 < counts[name] < 1100 for name in "abc")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1", "coder"),
        (" 3 ", "qa"),
        ("0", None),
        ("4", None),
        ("-1", None),
        ("", ""),
        ("  ", ""),
        ("q", ""),
        ("Q", ""),
        ("critic", "critic"),
        ("Critic", "critic"),
        ("the critic, please", "critic"),
        ("coder or critic", None),
        ("somebody", None),
        ("²", None),
    ],
)
@pytest.mark.semantics("S2.11")
def test_a_person_chooses_by_number_or_name(answer: str, expected: str | None) -> None:
    assert manual_choice(answer, ("coder", "critic", "qa")) == expected


@pytest.mark.semantics("S2.11", "S4.3")
def test_the_question_numbers_the_candidates_only() -> None:
    question = manual_question("c1", MEMBERS, ("critic", "qa"), "7 is no number here.")
    assert question.options == ("critic", "qa")
    assert "1. critic" in question.text
    assert "2. qa" in question.text
    assert "coder" not in question.text
    assert question.text.startswith("7 is no number here.")


def dialogue(*history: ChatMessage, candidates: tuple[str, ...] = ("coder", "critic")) -> Dialogue:
    return Dialogue(MEMBERS, history, candidates)


@pytest.mark.semantics("S2.12")
def test_the_model_is_shown_the_members_the_conversation_and_the_question() -> None:
    first, said, last = dialogue(ChatMessage(name="user", content="Build it.")).messages
    assert first.role == last.role == "system"
    assert "coder: Writes code." in first.text
    assert "critic: Finds faults." in first.text
    assert "qa" in first.text
    assert (said.name, said.role, said.content) == ("user", "user", "Build it.")
    assert "coder, critic" in last.text
    assert "qa" not in last.text


@pytest.mark.semantics("S2.15")
def test_a_pending_call_is_not_shown_but_what_a_tool_answered_is() -> None:
    call = ToolCall(id="1", name="count")
    one = dialogue(
        ChatMessage(name="coder", content="", tool_calls=(call,)),
        ChatMessage(name="qa", content="", role="tool", tool_responses=(ToolResponse(id="1", content="42"),)),
        ChatMessage(name="coder", content="Let me see.", tool_calls=(call,)),
    )
    assert [message.content for message in one.messages[1:-1]] == ["42", "Let me see."]
    assert not any(message.tool_calls for message in one.messages)


@pytest.mark.semantics("S2.13")
def test_a_single_name_decides() -> None:
    one = dialogue()
    assert one.answer("The critic should go next.") == "critic"


@pytest.mark.semantics("S2.13")
def test_several_names_and_none_are_asked_again_with_what_was_wrong() -> None:
    one = dialogue()
    before = one.messages
    assert one.answer("coder, then critic") == ""
    assert [message.role for message in one.messages[len(before) :]] == ["assistant", "system"]
    assert "more than one" in one.messages[-1].text
    assert not one.exhausted
    assert one.answer("whoever") == ""
    assert "none of the members" in one.messages[-1].text
    assert not one.exhausted
    assert one.answer("qa") == ""
    assert one.exhausted
    assert one.answers == ["coder, then critic", "whoever", "qa"]


def test_a_long_conversation_is_cut_to_the_newest_that_fits() -> None:
    long = [ChatMessage(name="coder", content=f"{number} " + "x" * 100_000) for number in range(20)]
    shown = dialogue(*long).messages[1:-1]
    assert 0 < len(shown) < 8
    assert shown[-1].text.startswith("19 ")
