"""The broker's core: paths of events, what may be published, and what can be replayed."""

import pytest

from rostra.broker.topics import MAX_TOPICS
from rostra.protocol.directory import Heads, Replay, Subscribe
from rostra.protocol.frames import decode_body, encode_body, encode_head
from rostra.protocol.limits import MAX_EVENT, MAX_FRAME
from rostra.protocol.messages import NO_REQUEST, Event, Publish, Reply, Request, Subscribed

from .bench import ID, NONCE, Bench, boot, errors


def subscribe(bench: Bench, pattern: str = ">", nonce: bytes = NONCE) -> None:
    bench.say(b"r1", Request(ID, "subscribe", 0), encode_body(Subscribe(pattern=pattern, nonce=nonce)))


@pytest.mark.requirement("R-SUB-1")
@pytest.mark.parametrize("order", ["announced first", "seen first"])
def test_a_path_is_proven_whichever_is_first(order: str) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.say(b"r1", Publish("news", boot(b"r1"), 4))
    if order == "announced first":
        subscribe(bench)
        assert bench.events == []
        assert bench.core.awaits_nonce
        bench.heard(bench.core.heard(b"\0" + NONCE))
    else:
        bench.heard(bench.core.heard(b"\0" + NONCE))
        assert bench.events == []
        subscribe(bench)
    ((topic, header, body),) = bench.events
    assert (topic, header) == ("\0" + NONCE.decode(), Subscribed(NONCE))
    heads = decode_body(body, Heads)
    assert heads["news"].last == 1
    assert [tuple(one) for one in heads["news"].producers] == [("anna", boot(b"r1"), 4)]
    assert not bench.core.awaits_nonce


def test_a_nonce_that_never_comes_is_forgotten() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    subscribe(bench)
    for junk in (b"\0", b"\0short", b"\0" + b"x" * 5000, b"", b"news"):
        bench.core.heard(junk)
    bench.core.heard(b"\0" + b"z" * 16)
    assert len(bench.core.events._seen) == 1
    bench.core.now += 6.0
    bench.core.tick()
    assert not bench.core.awaits_nonce
    assert not bench.core.events._seen


@pytest.mark.requirement("R-SUB-2")
def test_four_thousand_topics_are_proven_in_parts_that_fit() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    for number in range(MAX_TOPICS + 10):
        bench.say(b"r1", Publish(f"chat.{number}.{'x' * 60}", boot(b"r1"), 1))
    assert len(bench.core.events.topics) == MAX_TOPICS
    subscribe(bench)
    bench.heard(bench.core.heard(b"\0" + NONCE))
    heads: Heads = {}
    for number, (_, header, body) in enumerate(bench.events):
        assert header == Subscribed(NONCE, number, len(bench.events))
        heads |= decode_body(body, Heads)
    assert len(heads) == MAX_TOPICS


@pytest.mark.requirement("R-PUBLISH-1")
def test_an_event_is_stamped_and_can_be_replayed_byte_for_byte() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.core.wall_ms = 1234
    bench.say(b"r1", Publish("news", boot(b"r1"), 7, "trace"), b"\x01")
    ((topic, header, body),) = bench.events
    assert isinstance(header, Event)
    assert (topic, body) == ("news", b"\x01")
    assert header == Event("anna", header.series, 1, 1234, boot(b"r1"), 7, "trace")
    replayed = bench.ask(b"r1", "replay", Replay(topic="news", after=0))
    assert replayed["events"] == [[encode_head(header), b"\x01"]]


@pytest.mark.requirement("R-PUBLISH-2")
@pytest.mark.parametrize(
    "header",
    [
        Publish("presence", boot(b"r1"), 1),
        Publish("news", ID, 1),
        Publish("*", boot(b"r1"), 1),
        Publish("\0" + "n" * 16, boot(b"r1"), 1),
    ],
)
def test_what_may_not_be_published_is_complained_about_and_nobody_sees_it(header: Publish) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    ((_, id_, _),) = errors(bench.say(b"r1", header))
    assert id_ == NO_REQUEST
    assert bench.events == []


@pytest.mark.requirement("R-LIMIT-4")
def test_the_largest_event_can_be_replayed_and_a_larger_one_is_refused() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.say(b"r1", Publish("news", boot(b"r1"), 1), bytes(MAX_EVENT))
    assert len(bench.events) == 1
    ((_, _, reply),) = bench.say(b"r1", Request(ID, "replay", 0), encode_body(Replay(topic="news", after=0)))
    assert reply == Reply(ID)
    assert MAX_EVENT < len(bench.sent[0].body) < MAX_FRAME
    assert errors(bench.say(b"r1", Publish("news", boot(b"r1"), 2), bytes(MAX_EVENT + 1))) == [(b"r1", NO_REQUEST, "too_large")]
    assert bench.events == []
