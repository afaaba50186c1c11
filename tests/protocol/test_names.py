"""Names, topics and patterns."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.protocol.address import events_address
from rostra.protocol.errors import BadName
from rostra.protocol.names import RESERVED, check_name, check_pattern, check_topic, literal_prefix, matches

tokens = st.sampled_from(["a", "b", "chat", "A:1", "x-y_z@2"])
topics = st.lists(tokens, min_size=1, max_size=5).map(".".join)
patterns = (
    st.tuples(st.lists(st.one_of(tokens, st.just("*")), max_size=4), st.sampled_from([[], [">"]]))
    .map(lambda parts: ".".join(parts[0] + parts[1]))
    .filter(bool)
)


def naive(pattern: list[str], topic: list[str]) -> bool:
    """NATS's rule, token by token."""
    if not pattern:
        return not topic
    if pattern == [">"]:
        return bool(topic)
    return bool(topic) and pattern[0] in ("*", topic[0]) and naive(pattern[1:], topic[1:])


@pytest.mark.requirement("R-NAME-3")
@given(patterns, topics)
def test_a_pattern_matches_as_in_nats(pattern: str, topic: str) -> None:
    assert check_pattern(pattern) == pattern
    assert matches(pattern, topic) == naive(pattern.split("."), topic.split("."))


@pytest.mark.requirement("R-NAME-3")
@given(patterns, topics)
def test_the_prefix_given_to_zeromq_never_hides_a_match(pattern: str, topic: str) -> None:
    if matches(pattern, topic):
        assert topic.startswith(literal_prefix(pattern))


@given(st.text(max_size=12), st.text(max_size=12))
def test_matching_never_raises(pattern: str, topic: str) -> None:
    matches(pattern, topic)


@pytest.mark.requirement("R-NAME-1")
@pytest.mark.parametrize("name", ["a", "coder", "console-0a1b2c", "x" * 63, "a_b-c9"])
def test_a_name_is_accepted(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.requirement("R-NAME-1")
@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a b", "a.b", "a~1", "x" * 64, "é", "a\n", "\ud800", *sorted(RESERVED)])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        check_name(name)


@pytest.mark.requirement("R-NAME-2")
@pytest.mark.parametrize(
    "topic", ["", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b", "\0a", "é", "a\n", "x" * 64, "a." * 127 + "aa"]
)
def test_a_bad_topic_is_refused(topic: str) -> None:
    with pytest.raises(BadName):
        check_topic(topic)


@pytest.mark.requirement("R-NAME-3")
@pytest.mark.parametrize("pattern", ["", "a.", ">.a", "a.>.b", "a*", "a.b>", "**", "a b", "\0", "a.>\n"])
def test_a_bad_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadName):
        check_pattern(pattern)


@given(st.text(max_size=80))
def test_a_name_follows_the_grammar_of_the_specification(name: str) -> None:
    grammar = re.fullmatch(r"[a-z][a-z0-9_\-]{0,62}", name) is not None and name not in RESERVED
    try:
        check_name(name)
    except BadName:
        assert not grammar
    else:
        assert grammar


@pytest.mark.requirement("R-ADDRESS-1")
@pytest.mark.parametrize(
    ("address", "events"),
    [
        ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556"),
        ("tcp://[::1]:1", "tcp://[::1]:2"),
        ("tcp://*:65534", "tcp://*:65535"),
        ("ipc:///run/rostra/broker", "ipc:///run/rostra/broker.events"),
    ],
)
def test_the_event_socket_is_beside_the_brokers(address: str, events: str) -> None:
    assert events_address(address) == events


@pytest.mark.requirement("R-ADDRESS-1")
@pytest.mark.parametrize(
    "address", ["", "ipc://", "tcp://host", "tcp://host:0", "tcp://host:65535", "tcp://:5555", "udp://h:1", "ipc://" + "x" * 101]
)
def test_an_address_without_room_for_events_is_refused(address: str) -> None:
    with pytest.raises(BadName):
        events_address(address)
