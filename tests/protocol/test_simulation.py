"""Whatever the network does: every call ends, every event comes once and in order, and what is lost is counted exactly."""

from functools import partial

import pytest

from rostra.broker import topics
from rostra.protocol import session
from rostra.protocol.effects import Answered

from .simulation import Peer, World

SEEDS = 500
TOPICS = ("news", "chat.1", "chat.2")


@pytest.fixture(autouse=True)
def _small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every bound is met within a short life."""
    monkeypatch.setattr(topics, "RING_EVENTS", 12)
    monkeypatch.setattr(session, "OUTBOX", 4)


def live(seed: int, length: float = 1.0) -> World:
    """One life of a small world: calm, chaos (`length` times as long as usual), calm."""
    world = World(seed)
    random = world.random
    names = ["anna", "bert", "carl"]
    world.peers = [Peer(world, name) for name in names] + [Peer(world, "team", shared=True) for _ in range(2)]
    world.start()
    world.run(4)
    assert world.settled()
    for peer in world.peers:
        for topic in TOPICS:
            peer.publish(topic)
    world.run(2)
    for peer, pattern in zip(world.peers, ("chat.*", "news", ">", "chat.2", "chat.>"), strict=True):
        peer.subscribe(pattern)
    world.run(8)
    assert all(feed.open for peer in world.peers for feed in peer.feeds.values())

    world.loss = random.choice([0.0, 0.02, 0.1, 0.3])
    flood = random.random() < 0.3
    for _ in range(round(random.randrange(20, 60) * length)):
        dice, peer = random.random(), random.choice(world.peers)
        if dice < 0.35:
            for _ in range(random.choice([1, 2, 30 if flood else 6])):
                peer.publish(random.choice(TOPICS))
        elif dice < 0.6:
            target = random.choice([*names, "team", "nobody", ""])
            peer.ask(target or "nobody", random.choice([0.5, 5.0, 20.0, None]), random.choice([0.0, 0.0, 3.0]))
        elif dice < 0.75:
            peer.slow = not peer.slow
        elif dice < 0.85:
            world.cut(peer)
            world.later(random.choice([0.1, 1.0, 6.0, 20.0]), partial(world.connect, peer))
        elif dice < 0.9 and world.core:
            world.kill()
            world.later(random.choice([0.1, 2.0, 10.0]), world.start)
        for one in world.peers:
            if not one.slow:
                one.take()
        world.run(random.choice([0.0, 0.05, 0.5, 2.0]))

    world.loss = 0.0
    world.run(30)
    for peer in world.peers:
        world.connect(peer)
    world.run(5)
    assert world.settled(), "not everyone is bound again"
    for peer in world.peers:  # the last events before a silence can only be known to be lost by one that follows
        for topic in TOPICS:
            peer.publish(topic)
    for _ in range(20):
        world.run(3)
        for peer in world.peers:
            peer.take()
    return world


def check(world: World) -> None:
    """What must hold at the end of every life."""
    for peer in world.peers:
        for call in peer.calls.values():
            assert len(call.outcomes) == 1, f"{peer.name} → {call.peer}: {call.outcomes}"
        for feed in peer.feeds.values():
            numbers: dict[tuple[str, bytes, str], int] = {}
            for topic, sender, epoch, number in feed.delivered:
                assert number > numbers.get((sender, epoch, topic), 1 if sender else 0), "twice, or out of order"
                numbers[sender, epoch, topic] = number
            covered = {topic for topic in TOPICS if feed.pattern == ">" or topic.startswith(feed.pattern.rstrip("*>2"))}
            if feed.pattern == "chat.2":
                covered = {"chat.2"}
            for topic in covered:
                published = sum(one.produced[topic] - 1 for one in world.peers)
                delivered = sum(1 for seen, *_ in feed.delivered if seen == topic)
                assert delivered + feed.missed[topic] == published, f"{peer.name}: {topic}"
        assert not peer.session.subscriptions._replays, "replays that nobody waits for"
        assert not peer.session.calls, "calls that nobody waits for"
        assert peer.session.bad_messages == 0
    assert world.core is not None
    for connection in world.core.registry:
        assert len(connection.held) == len(
            [key for one in world.peers if one.session.boot == connection.boot for key in one.working]
        ), "a replica is believed to work on what it does not"


@pytest.mark.requirement("R-CALL-1")
@pytest.mark.requirement("R-EVENT-1")
@pytest.mark.requirement("R-GAP-1")
@pytest.mark.parametrize("chunk", range(10))
def test_every_call_ends_and_every_event_comes_once_or_is_counted(chunk: int) -> None:
    answered = missed = 0
    for seed in range(chunk * SEEDS // 10, (chunk + 1) * SEEDS // 10):
        try:
            world = live(seed)
            check(world)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        missed += sum(sum(feed.missed.values()) for peer in world.peers for feed in peer.feeds.values())
        answered += sum(isinstance(one.outcomes[0], Answered) for peer in world.peers for one in peer.calls.values())
    assert answered > 100
    assert missed > 1000, "the network was too kind"
