"""What the broker retains of topics, and what it remembers of publishers."""

import pytest

from rostra.broker import topics as module
from rostra.broker.topics import MAX_PRODUCERS, MAX_TOPICS, RING_BYTES, RING_EVENTS, Producer, Topics
from rostra.protocol.directory import Forgotten, Position, Replayed

ANNA, BERT = Producer("anna", b"A" * 16), Producer("bert", b"B" * 16)


def publish(topics: Topics, number: int, *, topic: str = "news", body: bytes = b"x", producer: Producer = ANNA) -> None:
    topics.next(topic)
    topics.retain(topic, b"head", body, producer, number)


def replay(topics: Topics, after: int, limit: int = 256, topic: str = "news") -> Replayed:
    replayed = topics.replay(topic, after, limit)
    assert replayed is not None
    return replayed


@pytest.mark.requirement("R-REPLAY-1")
def test_the_ring_keeps_the_newest_events_and_their_first_number_is_right() -> None:
    topics = Topics()
    for number in range(1, RING_EVENTS + 101):
        publish(topics, number)
    page = replay(topics, 0)
    assert (page.first, page.last, len(page.events)) == (101, RING_EVENTS + 100, 256)
    assert page.forgotten == (Forgotten("anna", ANNA.epoch, 1, 100),)
    assert replay(topics, 100).forgotten == (), "nothing of what was asked for is forgotten"
    assert len(replay(topics, RING_EVENTS + 90).events) == 10
    assert len(replay(topics, RING_EVENTS + 100).events) == 0
    assert len(replay(topics, -5, limit=-3).events) == 1


@pytest.mark.requirement("R-REPLAY-1")
def test_the_ring_is_bounded_in_bytes_too_and_the_count_of_bytes_is_exact() -> None:
    topics = Topics()
    for number in range(1, 40):
        publish(topics, number, body=bytes(500_000))
    assert topics.retained <= RING_BYTES
    page = replay(topics, 0)
    assert page.last == 39
    assert 40 - page.first == topics.retained // 500_000
    assert len(page.events) == 1, "one answer stays below a frame"


def test_all_rings_together_are_bounded_and_the_quietest_forgets_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOTAL_BYTES", 10_000)
    topics = Topics()
    for number in range(1, 9):
        publish(topics, number, topic="quiet", body=bytes(1000))
    for number in range(1, 9):
        publish(topics, number, topic="loud", body=bytes(1000))
    assert topics.retained <= 10_000
    assert replay(topics, 0, topic="loud").first == 1
    assert replay(topics, 0, topic="quiet").first > 4


@pytest.mark.requirement("R-REPLAY-2")
def test_beyond_its_bound_the_topic_published_to_longest_ago_is_counted_anew() -> None:
    topics = Topics()
    before, _ = topics.next("first")
    topics.retain("first", b"", b"xyz", ANNA, 1)
    for number in range(MAX_TOPICS):
        publish(topics, 1, topic=f"t{number}")
    assert len(topics) == MAX_TOPICS
    assert topics.replay("first", 0, 1) is None
    assert topics.retained == 5 * MAX_TOPICS
    again, sequence = topics.next("first")
    assert again != before
    assert sequence == 1


@pytest.mark.requirement("R-SUB-5")
def test_the_head_of_a_topic_says_how_far_each_publisher_has_come() -> None:
    topics = Topics()
    publish(topics, 3)
    publish(topics, 9, producer=BERT)
    publish(topics, 7)
    head = topics.heads("news")["news"]
    assert (head.last, head.producers) == (3, (Position("bert", BERT.epoch, 9), Position("anna", ANNA.epoch, 7)))
    assert topics.heads("*") == {"news": head}
    assert topics.heads("other") == {}


def test_publishers_are_bounded_and_forgetting_their_events_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RING_EVENTS", 10)
    topics = Topics()
    for number in range(2 * MAX_PRODUCERS):
        publish(topics, 1, producer=Producer(f"a{number}", ANNA.epoch))
    assert len(topics.heads("news")["news"].producers) == MAX_PRODUCERS
    assert len(replay(topics, 0).forgotten) == MAX_PRODUCERS - 10


def test_a_publisher_that_counts_anew_in_the_same_life_is_followed() -> None:
    topics = Topics()
    publish(topics, 9)
    publish(topics, 1)
    assert topics.heads("news")["news"].producers == (Position("anna", ANNA.epoch, 1),)
