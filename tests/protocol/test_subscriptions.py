"""Subscriptions: in order, each once, and gaps counted."""

import pytest

from rostra.protocol.directory import Forgotten, Head, Heads, Position, Replay, Replayed
from rostra.protocol.effects import Delivered, Effect, Listen, Missed, Open
from rostra.protocol.frames import decode_body, encode_head
from rostra.protocol.messages import Event, Subscribed
from rostra.protocol.subscriptions import CAPACITY, RECHECK, REOPEN, Subscriptions

SERIES, OTHER, BOOT = b"S" * 8, b"T" * 8, b"B" * 16


def event(sequence: int, number: int | None = None, *, series: bytes = SERIES, sender: str = "anna") -> Event:
    return Event(sender, series, sequence, 0, BOOT, number or sequence)


def opened(
    heads: Heads, *, pattern: str = "news", since: int | None = None, capacity: int = 8
) -> tuple[Subscriptions, list[Effect]]:
    subscriptions = Subscriptions(capacity)
    _, effects = subscriptions.subscribe(pattern, since, 0.0)
    return subscriptions, subscriptions.subscribed(Subscribed(nonce(effects)), heads)


def nonce(effects: list[Effect]) -> bytes:
    return next(one.prefix[1:] for one in effects if isinstance(one, Listen) and one.on and one.prefix[:1] == b"\0")


def live(subscriptions: Subscriptions, *events: Event) -> list[int]:
    """What is delivered of these (positive) and what is missed (negative)."""
    return told([one for header in events for one in subscriptions.event("news", header, b"", 1.0)])


def told(effects: list[Effect]) -> list[int]:
    return [
        one.event.sequence if isinstance(one, Delivered) else -one.count for one in effects if isinstance(one, Delivered | Missed)
    ]


def replay_of(subscriptions: Subscriptions) -> tuple[bytes, Replay]:
    (ask,) = [ask for ask in subscriptions.asks if ask.method == "replay"]
    subscriptions.asks = []
    return ask.id, decode_body(ask.body, Replay)


def page(first: int, last: int, events: list[Event], forgotten: tuple[Forgotten, ...] = (), series: bytes = SERIES) -> Replayed:
    return Replayed(
        series=series, first=first, last=last, events=tuple((encode_head(one), b"") for one in events), forgotten=forgotten
    )


@pytest.mark.requirement("R-SUB-1")
def test_a_subscription_begins_with_what_comes_after_the_proof_of_its_path() -> None:
    subscriptions, effects = opened({"news": Head(SERIES, 7, (Position("anna", BOOT, 9),))})
    assert [type(one) for one in effects] == [Listen, Open]
    assert live(subscriptions, event(7, 9), event(8, 10), event(8, 10)) == [8]


@pytest.mark.requirement("R-SUB-2")
def test_a_path_is_open_when_every_part_of_the_proof_is_there() -> None:
    subscriptions = Subscriptions()
    _, effects = subscriptions.subscribe(">", None, 0.0)
    number = nonce(effects)
    assert subscriptions.subscribed(Subscribed(number, 1, 2), {"b": Head(SERIES, 3)}) == []
    assert Open(1) in subscriptions.subscribed(Subscribed(number, 0, 2), {"a": Head(SERIES, 2)})
    assert told(subscriptions.event("b", event(4), b"", 0.0)) == [4]


@pytest.mark.requirement("R-SUB-3")
def test_a_path_that_is_not_proven_in_time_is_proven_anew() -> None:
    subscriptions = Subscriptions()
    _, effects = subscriptions.subscribe("news", None, 0.0)
    assert subscriptions.due == REOPEN
    again = subscriptions.tick(REOPEN)
    assert nonce(again) != nonce(effects)
    assert subscriptions.subscribed(Subscribed(nonce(effects)), {}) == [], "the old nonce is void"
    assert subscriptions.due > REOPEN, "a tick that does not advance"


@pytest.mark.requirement("R-GAP-2")
def test_a_jump_is_filled_from_what_the_broker_retains() -> None:
    subscriptions, _ = opened({})
    assert live(subscriptions, event(1), event(4), event(5)) == [1]
    id_, replay = replay_of(subscriptions)
    assert (replay.topic, replay.after) == ("news", 1)
    assert told(subscriptions.replayed(id_, page(1, 5, [event(2), event(3), event(4), event(5)]), 1.0)) == [2, 3, 4, 5]
    assert live(subscriptions, event(6)) == [6]


@pytest.mark.requirement("R-GAP-1")
def test_what_is_no_longer_retained_is_missed_exactly_its_publishers_losses_included() -> None:
    subscriptions, _ = opened({"news": Head(SERIES, 1, (Position("anna", BOOT, 10),))})
    live(subscriptions, event(9, 30))
    id_, _ = replay_of(subscriptions)
    forgotten = (Forgotten("anna", BOOT, 1, 25), Forgotten("bert", BOOT, 4, 5))
    effects = subscriptions.replayed(id_, page(8, 9, [event(8, 28), event(9, 30)], forgotten), 1.0)
    assert told(effects) == [-(15 + 2), -2, 8, -1, 9]
    assert live(subscriptions, event(10, 6, sender="bert"), event(11, 9, sender="bert")) == [10, -2, 11]


@pytest.mark.requirement("R-GAP-3")
def test_what_was_lost_between_two_brokers_is_counted_by_its_publishers_numbers() -> None:
    subscriptions, _ = opened({"news": Head(SERIES, 1, (Position("anna", BOOT, 1),))})
    assert live(subscriptions, event(2), event(1, 6, series=OTHER)) == [2, -3, 1]


@pytest.mark.requirement("R-GAP-3")
def test_what_a_new_broker_has_published_already_is_fetched() -> None:
    subscriptions, _ = opened({"news": Head(SERIES, 500, (Position("anna", BOOT, 500),))})
    again = subscriptions.reopen(2.0)
    subscriptions.asks.clear()
    subscriptions.subscribed(Subscribed(nonce(again)), {"news": Head(OTHER, 2)})
    id_, replay = replay_of(subscriptions)
    assert replay.after == 0
    events = [event(1, 501, series=OTHER), event(2, 502, series=OTHER)]
    assert told(subscriptions.replayed(id_, page(1, 2, events, series=OTHER), 2.0)) == [1, 2]


def test_a_replay_asked_of_the_old_broker_and_answered_by_the_new_is_asked_again() -> None:
    subscriptions, _ = opened({"news": Head(SERIES, 500, (Position("anna", BOOT, 500),))})
    live(subscriptions, event(502))
    id_, _ = replay_of(subscriptions)
    assert subscriptions.replayed(id_, page(1, 600, [event(501, 900, series=OTHER)], series=OTHER), 2.0) == []
    _, replay = replay_of(subscriptions)
    assert replay.after == 0


@pytest.mark.requirement("R-GAP-4")
def test_a_slow_consumer_loses_nothing_that_is_retained() -> None:
    subscriptions, _ = opened({})
    assert live(subscriptions, *[event(n) for n in range(1, 21)]) == list(range(1, 9))
    assert [ask for ask in subscriptions.asks if ask.method == "replay"] == [], "there is no room to ask for"
    for _ in range(4):
        subscriptions.taken(1)
    id_, replay = replay_of(subscriptions)
    assert (replay.after, replay.limit) == (8, 4)
    assert told(subscriptions.replayed(id_, page(1, 20, [event(n) for n in range(9, 13)]), 1.0)) == [9, 10, 11, 12]


@pytest.mark.requirement("R-GAP-5")
def test_a_replay_that_fails_is_tried_again_without_an_event() -> None:
    subscriptions, _ = opened({})
    live(subscriptions, event(3))
    id_, _ = replay_of(subscriptions)
    assert subscriptions.replayed(id_, None, 1.0) == []
    assert subscriptions.due <= 1.0 + REOPEN
    again = subscriptions.tick(1.0 + REOPEN)
    subscriptions.asks.clear()
    subscriptions.subscribed(Subscribed(nonce(again)), {"news": Head(SERIES, 3)})
    assert replay_of(subscriptions)[1].after == 0
    assert len(subscriptions._replays) == 1


def test_a_replay_that_does_not_help_is_not_asked_for_in_a_loop() -> None:
    subscriptions, _ = opened({})
    live(subscriptions, event(3))
    id_, _ = replay_of(subscriptions)
    subscriptions.replayed(id_, page(1, 3, [event(3)]), 1.0)
    assert subscriptions.asks == []
    assert subscriptions.due <= 1.0 + REOPEN


@pytest.mark.requirement("R-GAP-6")
def test_the_path_is_proven_anew_after_the_last_event_and_then_there_is_rest() -> None:
    subscriptions, _ = opened({})
    live(subscriptions, event(1))
    assert subscriptions.due == 1.0 + RECHECK
    again = subscriptions.tick(1.0 + RECHECK)
    subscriptions.asks.clear()
    subscriptions.subscribed(Subscribed(nonce(again)), {"news": Head(SERIES, 4)})
    assert replay_of(subscriptions)[1].after == 1
    assert subscriptions.due == float("inf")


@pytest.mark.requirement("R-SUB-4")
def test_since_delivers_what_is_retained_and_counts_what_is_not() -> None:
    subscriptions, _ = opened({"news": Head(SERIES, 9, (Position("anna", BOOT, 9),))}, since=3)
    id_, replay = replay_of(subscriptions)
    assert replay.after == 3
    forgotten = (Forgotten("anna", BOOT, 1, 7),)
    assert told(subscriptions.replayed(id_, page(8, 9, [event(8), event(9)], forgotten), 1.0)) == [-4, 8, 9]


def test_an_ended_subscription_closes_all_it_opened_and_ignores_what_still_comes() -> None:
    subscriptions = Subscriptions()
    _, effects = subscriptions.subscribe("news.*", None, 0.0)
    closed = subscriptions.unsubscribe(1)
    assert {(one.prefix, one.on) for one in closed if isinstance(one, Listen)} == {
        (one.prefix, False) for one in effects if isinstance(one, Listen)
    }
    assert subscriptions.subscribed(Subscribed(nonce(effects)), {}) == []
    assert subscriptions.unsubscribe(1) == []
    assert subscriptions.due == float("inf")


def test_what_is_remembered_of_publishers_and_topics_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from rostra.protocol import subscriptions as module

    monkeypatch.setattr(module, "MAX_PRODUCERS", 10)
    monkeypatch.setattr(module, "MAX_CURSORS", 10)
    subscriptions, _ = opened({}, pattern=">", capacity=CAPACITY)
    for number in range(1, 50):
        subscriptions.event("news", event(number, 1, sender=f"a{number}"), b"", 0.0)
        subscriptions.event(f"t{number}", event(1), b"", 0.0)
    one = subscriptions._all[1]
    assert len(one.cursors["news"].producers) == 10
    again = subscriptions.reopen(2.0)
    subscriptions.subscribed(Subscribed(nonce(again)), {"news": Head(SERIES, 49)})
    assert list(one.cursors) == ["news"]
