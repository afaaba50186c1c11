"""Mail on a simulated clock, network and disk: senders and recipients that crash, a broker that dies with its queue, a full disk.

Built on the simulation of the protocol's tests. The store is the real one, in memory; what was committed survives the broker.
"""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

from tests.protocol.simulation import Peer, World

from rostra.broker.mail import office, store
from rostra.broker.mail.operations import Inspect, Operation, Result, Store
from rostra.broker.mail.store import MailStore
from rostra.broker.outputs import Output, ToAll, ToDisk, ToPeer
from rostra.protocol.effects import Effect, Lettered, NotPosted, Posted
from rostra.protocol.errors import Cancelled
from rostra.protocol.frames import decode_head
from rostra.protocol.messages import Mail
from rostra.protocol.session import State

NAMES = ("anna", "bert", "carl")


@dataclass
class Record:
    """What a recipient keeps on a disk of its own: what it read, and per sender and epoch the highest number."""

    read: list[bytes] = field(default_factory=list)
    mark: dict[tuple[str, bytes], int] = field(default_factory=dict)


class MailPeer(Peer):
    """A program that tells and reads."""

    world: "MailWorld"

    def __init__(self, world: "MailWorld", name: str, *, shared: bool = False) -> None:
        super().__init__(world, name, shared=shared)
        self.dead = False

    def tell(self, to: str) -> None:
        token = self.world.random.randbytes(16)
        self.world.sent[self.name, to, self.session.boot].append(token)
        self.perform(self.session.tell(token, to, token, self.world.now))

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Posted():
                    self.world.confirmed.add(effect.token)
                case NotPosted() if not isinstance(effect.error, Cancelled):
                    self.world.refused.add(effect.token)
                case Lettered():
                    self.world.later(self.world.random.choice([0.0, 0.01, 0.3]), partial(self._handle, effect))
                case _:
                    pass
        super().perform(effects)

    def _handle(self, letter: Lettered) -> None:
        if self.dead:
            return
        if self.world.random.random() < self.world.failing:
            self.perform(self.session.mail_failed(letter, "no"))
            return
        record, key = self.world.records[self.name], (letter.sender, letter.epoch)
        if self.name == "team" or letter.sequence > record.mark.get(key, 0):
            record.read.append(letter.body)
            record.mark[key] = letter.sequence
        if self.world.random.random() < 0.02 and self.world.crashing:
            self.world.crash(self)  # between the effect and the acknowledgement
            return
        self.perform(self.session.mail_done(letter))


class MailWorld(World):
    """The protocol's world, with a disk."""

    peers: list[MailPeer]  # type: ignore[assignment]

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.store = MailStore(None)
        self.sent: dict[tuple[str, str, bytes], list[bytes]] = defaultdict(list)
        self.confirmed: set[bytes] = set()
        self.refused: set[bytes] = set()
        self.records: dict[str, Record] = defaultdict(Record)
        self.failing, self.crashing, self.full = 0.0, False, False
        self._queue_of: list[Operation] = []
        self._written = False
        self._answered_at = 0.0

    def crash(self, peer: MailPeer) -> None:
        """The process dies and a new one takes its name."""
        self.cut(peer)
        peer.dead = True
        peer.session.state = State.ENDED
        fresh = MailPeer(self, peer.name, shared=peer.session.shared)
        self.peers[self.peers.index(peer)] = fresh
        self.later(self.random.choice([0.05, 1.0, 8.0]), partial(self.connect, fresh))

    def start(self) -> None:
        self._queue_of, self._written = [], False
        super().start()

    def emit(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case ToDisk(operation):
                    self._queue_of.append(operation)
                    if not self._written:
                        self._written = True
                        self.later(self.random.random() * 0.02, partial(self._commit, self.core))
                case ToPeer(route) if isinstance(decode_head(output.head), Mail) and route in self._by_route:
                    target = self._by_route[route]
                    if self.random.random() < self.loss:  # a full connection is the only way in which a delivery is not taken
                        assert self.core is not None
                        outputs += self.core.congested(output)
                    else:
                        loss, self.loss = self.loss, 0.0
                        self._carry(target, "down", partial(self._message, target, output.peer, output.head, output.body))
                        self.loss = loss
                case ToPeer() | ToAll():
                    if isinstance(output, ToPeer) and output.route not in self._by_route:
                        assert self.core is not None
                        outputs += self.core.unreachable(output)
                    else:
                        super().emit([output])

    def _commit(self, core: object) -> None:
        """One transaction of the writer's thread; its results come back later, if the broker is still there."""
        if self.core is not core:
            return
        self._written = False
        batch, self._queue_of = self._queue_of, []
        results: list[Result] = []
        try:
            if self.full:
                raise sqlite3.OperationalError("database or disk is full")
            results = self.store.apply(batch)
        except sqlite3.Error:
            for operation in batch:
                if isinstance(operation, Store | Inspect):
                    results += self.store.refuse(operation, "full")
                else:
                    self._queue_of.append(operation)
            if self._queue_of:
                self._written = True
                self.later(1.0, partial(self._commit, core))
        self._answered_at = max(self._answered_at, self.now + self.random.random() * 0.01)  # none overtakes another
        self.at(self._answered_at, partial(self._answer, core, results))

    def _answer(self, core: object, results: list[Result]) -> None:
        if self.core is core and self.core is not None:
            self.core.now = self.now
            self.emit(self.core.stored(results))


def live(seed: int, length: float = 1.0) -> MailWorld:
    """One life: chaos, `length` times as long as usual, then calm until everything has arrived."""
    world = MailWorld(seed)
    random = world.random
    world.peers = [MailPeer(world, name) for name in NAMES] + [MailPeer(world, "team", shared=True) for _ in range(2)]
    world.start()
    world.run(2)
    world.loss = random.choice([0.0, 0.02, 0.1, 0.3])
    world.failing, world.crashing = random.choice([0.0, 0.05, 0.3]), True
    for _ in range(round(random.randrange(15, 40) * length)):
        dice, peer = random.random(), random.choice(world.peers)
        if dice < 0.55:
            for _ in range(random.choice([1, 5, 20])):
                peer.tell(random.choice([*NAMES, "team"]))
        elif dice < 0.65:
            world.cut(peer)
            world.later(random.choice([0.1, 1.0, 6.0]), partial(world.connect, peer))
        elif dice < 0.75:
            world.crash(peer)
        elif dice < 0.85 and world.core:
            world.kill()
            world.later(random.choice([0.1, 2.0]), world.start)
        elif dice < 0.95:
            world.full = not world.full
        world.run(random.choice([0.0, 0.02, 0.1, 1.0]))
    world.loss, world.failing, world.crashing, world.full = 0.0, 0.0, False, False
    world.run(20)
    for peer in world.peers:
        world.connect(peer)
    world.run(60)
    return world


def check(world: MailWorld) -> None:
    """Confirmed is read or a dead letter, in order, once; refused is never read."""
    dead = {bytes(body) for (body,) in world.store._db.execute("SELECT body FROM dead")}
    waiting = [bytes(body) for (body,) in world.store._db.execute("SELECT body FROM letter")]
    assert not waiting, f"{len(waiting)} letters were not delivered"
    for peer in world.peers:
        assert not len(peer.session.outgoing), "letters that the broker has not confirmed"
        assert peer.session.bad_messages == 0
    for (sender, to, _), tokens in world.sent.items():
        sent = {token: place for place, token in enumerate(tokens)}
        read = [token for token in world.records[to].read if token in sent]
        if to != "team":
            assert len(read) == len(set(read)), f"{sender} → {to}: read twice"
            places = [sent[token] for token in read]
            assert places == sorted(places), f"{sender} → {to}: out of order"
        for token in tokens:
            if token in world.confirmed:
                assert token in read or token in dead, f"{sender} → {to}: confirmed and lost"
            assert not (token in world.refused and (token in read or token in dead)), f"{sender} → {to}: refused, and read"


def small_bounds() -> tuple[int, int, int]:
    """So that every bound is met within a short life; returns what they were."""
    before = (store.MAX_LETTERS, office.AHEAD, office.CREDIT)
    store.MAX_LETTERS, office.AHEAD, office.CREDIT = 25, 6, 4
    return before


def usual_bounds(before: tuple[int, int, int]) -> None:
    """Back to what they were."""
    store.MAX_LETTERS, office.AHEAD, office.CREDIT = before
