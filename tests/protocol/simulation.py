"""Sessions and a broker's core on a simulated clock. The network loses messages, cuts connections and restarts the broker.

Everything is decided by one seeded generator, so a failing seed fails again.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from rostra.broker.core import Core
from rostra.broker.outputs import Output, ToAll, ToDisk
from rostra.protocol.effects import (
    Answered,
    CancelIncoming,
    Delivered,
    Effect,
    Failed,
    Incoming,
    Listen,
    Missed,
    Open,
    Send,
)
from rostra.protocol.errors import RemoteError
from rostra.protocol.frames import decode_body, encode_body
from rostra.protocol.session import Session, State
from rostra.protocol.subscriptions import Subscriptions


@dataclass
class Call:
    """A request under way or ended."""

    peer: str
    ends_before: float
    outcomes: list[Effect] = field(default_factory=list)


@dataclass
class Feed:
    """What one subscription has seen."""

    pattern: str
    open: bool = False
    waiting: list[Delivered] = field(default_factory=list)
    delivered: list[tuple[str, str, bytes, int]] = field(default_factory=list)
    """(topic, publisher, its boot, its number of the event)"""
    missed: Counter[str] = field(default_factory=Counter)


class Peer:
    """A session, its connection, and a program that asks, answers, publishes and subscribes."""

    def __init__(self, world: "World", name: str, *, shared: bool = False) -> None:
        self.world, self.name = world, name
        self.session = Session(name, {"kind": "simulated"}, shared=shared, boot=world.random.randbytes(16))
        self.session.subscriptions = Subscriptions(capacity=8)
        self.route = b""
        self.epoch = 0
        """Counts the connections; what was sent over an earlier one does not arrive."""
        self.prefixes: Counter[bytes] = Counter()
        self.clear = {"up": 0.0, "down": 0.0, "events": 0.0}
        """When the last message of each direction arrives: nothing overtakes it."""
        self.calls: dict[bytes, Call] = {}
        self.feeds: dict[int, Feed] = {}
        self.answered: set[tuple[str, bytes]] = set()
        self.working: set[tuple[str, bytes]] = set()
        self.produced: Counter[str] = Counter()
        self.slow = False

    # ---- the program

    def ask(self, peer: str, timeout: float | None, absent: float) -> None:
        id_ = self.world.random.randbytes(16)
        patience = timeout if timeout is not None else 300.0
        self.calls[id_] = Call(peer, self.world.now + patience)
        body = encode_body([self.name, id_])
        self.perform(self.session.request(id_, peer, "echo", body, self.world.now, timeout=timeout, absent=absent))

    def publish(self, topic: str) -> None:
        self.produced[topic] += 1
        self.perform(self.session.publish(topic, encode_body(self.produced[topic])))

    def subscribe(self, pattern: str) -> None:
        number, effects = self.session.subscribe(pattern, None, self.world.now)
        self.feeds[number] = Feed(pattern)
        self.perform(effects)

    def take(self) -> None:
        for number, feed in self.feeds.items():
            while feed.waiting:
                one = feed.waiting.pop(0)
                assert not one.event.sender or decode_body(one.body) == one.event.producer_sequence
                feed.delivered.append((one.topic, one.event.sender, one.event.epoch, one.event.producer_sequence))
                self.session.subscriptions.taken(number)
                self.perform(self.session.asked(self.world.now))

    def answer(self, request: Incoming) -> None:
        key = (request.sender, request.id)
        if key not in self.working:
            return
        self.working.discard(key)
        if self.world.random.random() < 0.15:
            self.perform(self.session.serving.fail(*key, RemoteError("no")))
        else:
            self.answered.add(key)
            self.perform(self.session.serving.reply(*key, request.body))

    # ---- the shell

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self.world.up(self, effect)
                case Listen():
                    self.prefixes[effect.prefix] += 1 if effect.on else -1
                    if effect.on and self.route:
                        self.world.heard(self, effect.prefix)
                case Answered():
                    assert effect.body == encode_body([self.name, effect.id]), "an answer to another question"
                    self.calls[effect.id].outcomes.append(effect)
                case Failed():
                    self.calls[effect.id].outcomes.append(effect)
                case Incoming():
                    key = (effect.sender, effect.id)
                    assert key not in self.answered, "worked on again after the answer"
                    assert key not in self.working, "worked on twice at once"
                    self.working.add(key)
                    self.world.later(self.world.random.choice([0.01, 0.3, 4.0]), partial(self.answer, effect))
                case CancelIncoming():
                    self.working.discard((effect.sender, effect.id))
                case Delivered():
                    self.feeds[effect.number].waiting.append(effect)
                    assert len(self.feeds[effect.number].waiting) <= 8, "more than its queue holds"
                case Missed():
                    assert effect.count > 0
                    self.feeds[effect.number].missed[effect.topic] += effect.count
                case Open():
                    self.feeds[effect.number].open = True
                case _:
                    pass
        self.world.arm(self)

    def tick(self) -> None:
        before = self.world.now
        self.perform(self.session.tick(before))
        assert self.session.due > before, "a tick that does not advance"


class World:
    """The clock, the network, the broker."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 1000.0
        self.loss = 0.0
        self.core: Core | None = None
        self.peers: list[Peer] = []
        self._by_route: dict[bytes, Peer] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._armed: dict[str, float] = {}
        self.steps = 0

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), action))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self._queue)
            self.steps += 1
            assert self.steps < 200_000, "a busy loop"
            action()
        self.now = end

    def arm(self, peer: Peer) -> None:
        key, due = f"{peer.name}/{peer.session.boot.hex()}", peer.session.due
        if due < self._armed.get(key, float("inf")):
            self._armed[key] = due

            def tick() -> None:
                if self._armed.get(key) == due:
                    del self._armed[key]
                    peer.tick()

            self.later(max(0.0, due - self.now), tick)

    # ---- the broker

    def start(self) -> None:
        core = self.core = Core(self.random.randbytes(16), self.now)

        def tick() -> None:
            if self.core is core:
                core.now = self.now
                self.emit(core.tick())
                self.later(1.0, tick)

        tick()
        for peer in self.peers:
            self.later(self.random.random(), partial(self.connect, peer))

    def kill(self) -> None:
        self.core = None
        for peer in self.peers:
            self.cut(peer)

    def connect(self, peer: Peer) -> None:
        if self.core is None or peer.route:
            return
        peer.epoch += 1
        peer.route = self.random.randbytes(5)
        self._by_route[peer.route] = peer
        peer.perform(peer.session.connected(self.now))
        self.later(self.random.random() * 0.2, partial(self._events, peer, peer.epoch))

    def _events(self, peer: Peer, epoch: int) -> None:
        if peer.epoch == epoch and peer.route:
            for prefix, count in peer.prefixes.items():
                if count > 0:
                    self.heard(peer, prefix)
            peer.perform(peer.session.events_connected(self.now))

    def cut(self, peer: Peer) -> None:
        """The connection breaks; what is on its way is gone."""
        if peer.route:
            del self._by_route[peer.route]
            peer.route, peer.epoch = b"", peer.epoch + 1
            peer.perform(peer.session.disconnected())

    # ---- the network

    def _carry(self, peer: Peer, way: str, action: Callable[[], None]) -> None:
        if self.random.random() < self.loss:
            return
        epoch, at = peer.epoch, max(peer.clear[way], self.now + self.random.random() * 0.05)
        peer.clear[way] = at

        def arrive() -> None:
            if peer.epoch == epoch and self.core is not None:
                action()

        self.at(at, arrive)  # by the hour, not by the wait: rounding would let one overtake another

    def up(self, peer: Peer, send: Send) -> None:
        route = peer.route
        if route:
            self._carry(peer, "up", lambda: self._received(route, send))

    def _received(self, route: bytes, send: Send) -> None:
        assert self.core is not None
        self.core.now = self.now
        self.emit(self.core.received(route, send.peer, send.head, send.body))

    def heard(self, peer: Peer, prefix: bytes) -> None:
        def arrive() -> None:
            assert self.core is not None
            self.core.now = self.now
            self.emit(self.core.heard(prefix))

        self._carry(peer, "events", arrive)

    def emit(self, outputs: list[Output]) -> None:
        assert self.core is not None
        for output in outputs:
            if isinstance(output, ToAll):
                for peer in self.peers:
                    if peer.route and any(
                        count > 0 and output.topic.startswith(prefix) for prefix, count in peer.prefixes.items()
                    ):
                        self._carry(peer, "events", partial(self._event, peer, output))
                continue
            if isinstance(output, ToDisk):
                continue
            target = self._by_route.get(output.route)
            if target is None:
                outputs += self.core.unreachable(output)
            else:
                self._carry(target, "down", partial(self._message, target, output.peer, output.head, output.body))

    def _event(self, peer: Peer, output: ToAll) -> None:
        peer.perform(peer.session.received_event(output.topic, output.head, output.body, self.now))

    def _message(self, peer: Peer, sender: bytes, head: bytes, body: bytes) -> None:
        peer.perform(peer.session.received(sender, head, body, self.now))

    def settled(self) -> bool:
        """Whether everyone is bound."""
        return all(peer.session.state is State.BOUND for peer in self.peers)
