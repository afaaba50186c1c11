"""Which rule leaves whom."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.groupchat import ChatOptions, Transitions
from rostra.groupchat.candidates import Candidates, Nobody, narrow
from rostra.protocol import ChatMessage, Member, ToolCall

A, B, C = Member(name="a"), Member(name="b", tools=("count",)), Member(name="c", tools=("count", "draw"))


def rules(**rest: Any) -> ChatOptions:
    return ChatOptions(members=(A, B, C), **rest)


def calls(*names: str) -> ChatMessage:
    return ChatMessage(name="a", tool_calls=tuple(ToolCall(id=name, name=name) for name in names))


ALLOWED = Transitions(allowed={"a": ("b", "c"), "b": ("b",), "c": ()})
DISALLOWED = Transitions(disallowed={"a": ("a", "b"), "c": ("a", "b", "c")})


@pytest.mark.parametrize(
    ("options", "speaker", "message", "expected"),
    [
        (rules(), "", None, ("a", "b", "c")),
        (rules(), "a", None, ("a", "b", "c")),
        (rules(repeat=False), "a", None, ("b", "c")),
        (rules(repeat=False), "user", None, ("a", "b", "c")),
        (rules(repeat=("a",)), "a", None, ("a", "b", "c")),
        (rules(repeat=("a",)), "b", None, ("a", "c")),
        (rules(repeat=()), "a", None, ("b", "c")),
        (rules(transitions=ALLOWED), "", None, ("a", "b", "c")),
        (rules(transitions=ALLOWED), "a", None, ("b", "c")),
        (rules(transitions=ALLOWED), "b", None, ("b",)),
        (rules(transitions=ALLOWED, repeat=False), "b", None, ("b",)),
        (rules(transitions=DISALLOWED), "a", None, ("c",)),
        (rules(transitions=DISALLOWED), "b", None, ("a", "b", "c")),
        (rules(transitions=DISALLOWED, repeat=False), "b", None, ("a", "c")),
        (rules(), "a", calls("count"), ("b", "c")),
        (rules(), "a", calls("draw"), ("c",)),
        (rules(), "a", calls("count", "draw"), ("c",)),
        (rules(repeat=False), "c", calls("draw"), ("c",)),
        (rules(transitions=Transitions(allowed={"a": ("b",)})), "a", calls("draw"), ("c",)),
        (rules(), "a", calls("unknown"), ("b", "c")),
        (rules(repeat=False), "b", calls("unknown"), ("c",)),
        (rules(transitions=Transitions(allowed={"a": ("a", "b")})), "a", calls("count"), ("b",)),
    ],
)
@pytest.mark.semantics("S2.5", "S2.6", "S2.7", "S2.8")
def test_the_rules_leave(options: ChatOptions, speaker: str, message: ChatMessage | None, expected: tuple[str, ...]) -> None:
    narrowed = narrow(options, (A, B, C), speaker, message)
    assert isinstance(narrowed, Candidates)
    assert narrowed.names == expected
    assert set(narrowed.removed) == {"a", "b", "c"} - set(expected)
    assert bool(narrowed.reason) == (len(expected) == 1)


@pytest.mark.parametrize(
    "transitions",
    [Transitions(allowed={"a": ()}), Transitions(allowed={"b": ("a",)}), Transitions(disallowed={"a": ("a", "b", "c")})],
    ids=["empty", "missing", "all edges disallowed"],
)
@pytest.mark.semantics("S4.4")
def test_a_sink_ends_the_chat_gracefully(transitions: Transitions) -> None:
    nobody = narrow(rules(transitions=transitions), (A, B, C), "a", None)
    assert isinstance(nobody, Nobody)
    assert (nobody.outcome, nobody.reason) == ("ended", "nobody may speak after a")


def test_a_graph_that_leads_back_to_the_last_speaker_only_by_disallowing_the_rest_ends_when_repeats_are_off() -> None:
    nobody = narrow(rules(repeat=False, transitions=Transitions(disallowed={"a": ("b", "c")})), (A, B, C), "a", None)
    assert isinstance(nobody, Nobody)
    assert nobody.outcome == "ended"


@pytest.mark.semantics("S2.5")
def test_a_function_that_nobody_executes_is_named_in_the_error() -> None:
    nobody = narrow(rules(), (A,), "a", calls("count"))
    assert isinstance(nobody, Nobody)
    assert nobody.outcome == "failed"
    assert "count" in nobody.reason


def test_each_removal_names_its_rule() -> None:
    narrowed = narrow(rules(repeat=False, transitions=Transitions(allowed={"a": ("a2", "b")})), (A, B, C), "b", None)
    assert isinstance(narrowed, Nobody)
    narrowed = narrow(rules(repeat=False, transitions=ALLOWED), (A, B, C), "a", None, {"b": 1})
    assert isinstance(narrowed, Candidates)
    assert narrowed.removed == {"a": "spoke last", "b": "its last turn failed"}


def test_who_failed_is_not_asked_next_unless_alone_and_then_once() -> None:
    assert narrow(rules(), (A, B), "", None, {"a": 1}) == Candidates(("b",), {"a": "its last turn failed"}, "the only candidate")
    alone = rules(transitions=Transitions(allowed={"a": ("b",)}))
    once = narrow(alone, (A, B), "a", None, {"b": 1})
    assert isinstance(once, Candidates)
    assert once.names == ("b",)
    twice = narrow(alone, (A, B), "a", None, {"b": 2})
    assert isinstance(twice, Nobody)
    assert twice.outcome == "member_failed"
    everyone = narrow(rules(), (A, B), "", None, {"a": 1, "b": 1})
    assert isinstance(everyone, Nobody)
    assert everyone.outcome == "member_failed"


def test_an_edge_to_someone_who_does_not_take_part_is_no_edge() -> None:
    nobody = narrow(rules(transitions=Transitions(allowed={"a": ("c",)})), (A, B), "a", None)
    assert isinstance(nobody, Nobody)
    assert nobody.outcome == "ended"


names = st.sampled_from(["a", "b", "c"])
graphs = st.dictionaries(names, st.lists(names, unique=True).map(tuple))
transitions = st.one_of(
    st.none(),
    graphs.map(lambda graph: Transitions(allowed=graph)),
    graphs.map(lambda graph: Transitions(disallowed=graph)),
)
repeats: st.SearchStrategy[bool | tuple[str, ...]] = st.one_of(st.booleans(), st.lists(names, unique=True).map(tuple))
failing = st.dictionaries(names, st.integers(1, 3))


@given(transitions, repeats, names, failing, st.lists(st.sampled_from(["count", "draw", "x"]), max_size=2))
def test_every_member_is_a_candidate_or_was_removed_by_a_rule(
    graph: Transitions | None, repeat: bool | tuple[str, ...], speaker: str, failures: dict[str, int], called: list[str]
) -> None:
    narrowed = narrow(rules(transitions=graph, repeat=repeat), (A, B, C), speaker, calls(*called), failures)
    if isinstance(narrowed, Nobody):
        assert narrowed.reason
    else:
        assert narrowed.names
        assert set(narrowed.names) | set(narrowed.removed) == {"a", "b", "c"}
        assert not set(narrowed.names) & set(narrowed.removed)
        if graph is not None and graph.allowed is not None and not called:
            assert set(narrowed.names) <= set(graph.allowed.get(speaker, ()))
