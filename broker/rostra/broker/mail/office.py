"""Which letter goes to which connection, and when: pure; the disk is behind `operations`."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from rostra.protocol.mailing import next_round
from rostra.protocol.messages import Ack

from .operations import MAX_ATTEMPTS, Buried, Fail, Kept, Letter, Load, Loaded, Operation, Remove

CREDIT = 32
"""Deliveries to one connection that may be unacknowledged."""
AHEAD = 64
"""Letters of one mailbox kept in memory for a recipient that is here."""
RETRY_PAUSE = 0.5
"""Seconds before a failed letter is delivered again, times the failures so far."""


@dataclass(slots=True)
class _Box:
    """A mailbox whose recipient is connected."""

    ready: deque[Letter] = field(default_factory=deque)
    loaded: int = 0
    """The highest number that is in memory or was delivered."""
    tail: int = 0
    """The highest number known to be on disk."""
    loading: bool = False
    asked: int = 0
    """What `tail` was when the load was asked: it will have seen at least that far."""
    ticket: int = 0
    """Of the load that is under way."""
    pause_until: float = 0.0
    out: dict[bytes, "_Delivery"] = field(default_factory=dict)


@dataclass(slots=True)
class _Delivery:
    """What one connection has in its hands."""

    next: int = 1
    pending: OrderedDict[int, Letter] = field(default_factory=OrderedDict)
    again: int = 0
    """The first delivery that the connection had no room for; 0: none. It and what follows is handed over once more."""


@dataclass(slots=True, frozen=True)
class Handing:
    """Deliver this letter over the connection `route` as number `delivery`."""

    route: bytes
    delivery: int
    letter: Letter


Step = Handing | Operation


class Office:
    """The mailboxes of those who are connected. Each input returns what is to be delivered and what to ask of the disk."""

    def __init__(self) -> None:
        self._boxes: dict[str, _Box] = {}
        self._names: dict[bytes, str] = {}
        self._tickets = 0

    def arrived(self, name: str, route: bytes, now: float) -> list[Step]:
        """A recipient (or one more replica of it) is connected."""
        self._names[route] = name
        box = self._boxes.get(name)
        if box is None:
            box = self._boxes[name] = _Box(tail=1)  # whether there is anything, the first load tells
        box.out[route] = _Delivery()
        return self._pump(name, box, now)

    def greeted(self, route: bytes, now: float) -> list[Step]:
        """A recipient has said HELLO once more over its connection.

        It begins anew, in a round of its own: what it still acknowledges of the one before must not be taken for this one's.
        """
        name = self._names.get(route)
        if name is None:
            return []
        box = self._boxes[name]
        delivery = box.out[route]
        box.ready.extendleft(reversed(delivery.pending.values()))
        delivery.pending, delivery.again, delivery.next = OrderedDict(), 0, next_round(delivery.next)
        return self._pump(name, box, now)

    def left(self, route: bytes, now: float, *, died: bool) -> list[Step]:
        """A connection is gone; what it had in its hands goes to the front again, which counts as a failure if it `died`."""
        name = self._names.pop(route, None)
        if name is None:
            return []
        box = self._boxes[name]
        pending = box.out.pop(route).pending
        steps: list[Step] = []
        if died and pending:
            first = next(iter(pending.values()))
            steps.append(Fail(first.number, "the recipient died while it handled this letter"))
            first.attempts += 1
        box.ready.extendleft(reversed(pending.values()))
        if not box.out:
            del self._boxes[name]
            return steps
        return steps + self._pump(name, box, now)

    def acknowledged(self, route: bytes, ack: Ack, now: float) -> list[Step]:
        """ACK arrived."""
        name = self._names.get(route)
        if name is None:
            return []
        box = self._boxes[name]
        delivery = box.out[route]
        if ack.delivery not in delivery.pending:
            return []
        done: list[int] = []
        steps: list[Step] = []
        while delivery.pending:
            number, letter = next(iter(delivery.pending.items()))
            if number > ack.delivery or (ack.failed and number == ack.delivery):
                break
            del delivery.pending[number]
            done.append(letter.number)
        if done:
            steps.append(Remove(done))
        if ack.failed:
            failed = delivery.pending[ack.delivery]
            steps.append(Fail(failed.number, ack.failed))
            failed.attempts += 1
            box.ready.extendleft(reversed(delivery.pending.values()))
            box.pause_until = now + RETRY_PAUSE * failed.attempts
            delivery.pending, delivery.again = OrderedDict(), 0
            delivery.next = next_round(ack.delivery)
        return steps + self._pump(name, box, now)

    def kept(self, result: Kept, now: float) -> list[Step]:
        """A letter is on disk."""
        letter = result.letter
        box = self._boxes.get(letter.recipient)
        if box is None or not letter.number:
            return []
        if not box.loading and box.loaded == box.tail and len(box.ready) < AHEAD:
            box.ready.append(letter)
            box.loaded = letter.number
        box.tail = letter.number
        return self._pump(letter.recipient, box, now)

    def loaded(self, result: Loaded, now: float) -> list[Step]:
        """Letters were read."""
        box = self._boxes.get(result.recipient)
        if box is None or not box.loading or result.ticket != box.ticket:
            return []
        box.loading = False
        fresh = [letter for letter in result.letters if letter.number > box.loaded]
        box.ready.extend(fresh)
        if fresh:
            box.loaded = fresh[-1].number
        if len(result.letters) < AHEAD:
            box.loaded = max(box.loaded, box.asked)
            box.tail = max(box.tail, box.loaded)
        else:
            box.tail = max(box.tail, box.loaded + 1)  # there may be more
        return self._pump(result.recipient, box, now)

    def buried(self, result: Buried, now: float) -> list[Step]:
        """A letter is dead: it is not delivered again."""
        box = self._boxes.get(result.recipient)
        if box is None:
            return []
        box.ready = deque(letter for letter in box.ready if letter.number != result.number)
        return self._pump(result.recipient, box, now)

    def requeued(self, name: str, now: float) -> list[Step]:
        """Dead letters were put back."""
        box = self._boxes.get(name)
        if box is None:
            return []
        box.tail = max(box.tail, box.loaded) + 1
        return self._pump(name, box, now)

    def undelivered(self, route: bytes, number: int) -> None:
        """The connection had no room for the delivery `number`."""
        name = self._names.get(route)
        if name is not None:
            delivery = self._boxes[name].out[route]
            if number in delivery.pending:
                delivery.again = min(number, delivery.again or number)

    def tick(self, now: float) -> list[Step]:
        """Time has passed: pauses may be over, and full connections may have room."""
        steps: list[Step] = []
        for name, box in self._boxes.items():
            for route, delivery in box.out.items():
                if delivery.again:
                    first, delivery.again = delivery.again, 0
                    steps += [Handing(route, number, one) for number, one in delivery.pending.items() if number >= first]
            if box.pause_until and now >= box.pause_until:
                steps += self._pump(name, box, now)
        return steps

    def _pump(self, name: str, box: _Box, now: float) -> list[Step]:
        if now < box.pause_until:
            return []
        box.pause_until = 0.0
        steps: list[Step] = []
        while box.ready:
            route, delivery = min(box.out.items(), key=lambda one: len(one[1].pending))
            if len(delivery.pending) >= CREDIT:
                break
            letter = box.ready.popleft()
            if letter.attempts >= MAX_ATTEMPTS:
                continue  # the disk is about to bury it
            delivery.pending[delivery.next] = letter
            steps.append(Handing(route, delivery.next, letter))
            delivery.next += 1
        if not box.ready and box.loaded < box.tail and not box.loading:
            self._tickets += 1
            box.loading, box.asked, box.ticket = True, box.tail, self._tickets
            steps.append(Load(name, box.loaded, AHEAD, box.ticket))
        return steps
