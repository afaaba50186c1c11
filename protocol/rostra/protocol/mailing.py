"""Mail on its way out and in, a peer's side (SPEC §6.5): stored before it is confirmed, in order per pair, each once.

Out: letters to one recipient are numbered from 1, anew with each start of the sender (`epoch`), and each names the one before
it. The broker takes none without that one, so that a letter that was lost can never be overtaken: the sender goes back and sends
again. A letter that was refused drops out; its number is never used for another, which could be taken for it.
In: the broker numbers deliveries per connection; they are handled one after the other and acknowledged cumulatively.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from .effects import Effect, Lettered, NotPosted, Posted, Send
from .errors import Cancelled, from_wire
from .frames import encode_head
from .messages import Ack, Mail, Reject, Stored

WINDOW = 256
"""Letters to one recipient that may be unconfirmed at once."""
OUT_OF_ORDER = "out_of_order"
REMEMBERED = 10_000
"""Handled letters that are remembered: more than can be on their way again."""
QUIET = 5.0
"""Seconds without a confirmation after which unconfirmed letters are sent again."""


@dataclass(slots=True)
class _Letter:
    token: bytes
    number: int
    body: bytes
    traceparent: str


@dataclass(slots=True)
class _Lane:
    """Unconfirmed letters to one recipient, in order."""

    letters: deque[_Letter] = field(default_factory=deque)
    last: int = 0
    """The number given last."""
    confirmed: int = 0
    """The number confirmed last."""
    sent: int = 0
    """How many of `letters` are handed to the connection."""
    window: int = WINDOW
    round: int = 0
    moved_at: float = 0.0

    def back(self, now: float) -> None:
        """Begin again at the first."""
        self.sent, self.moved_at = 0, now
        self.round += 1


class Outgoing:
    """What this peer told others and the broker has not confirmed."""

    def __init__(self, epoch: bytes) -> None:
        self._epoch = epoch
        self._lanes: dict[str, _Lane] = {}
        self._due = float("inf")
        """Before that nothing is to be sent again; a confirmation only makes it later, which `tick` finds out."""
        self.bound = False

    def __len__(self) -> int:
        return sum(len(lane.letters) for lane in self._lanes.values())

    @property
    def due(self) -> float:
        """When `tick` wants to be called."""
        return self._due if self.bound else float("inf")

    def tell(self, token: bytes, recipient: str, body: bytes, now: float, traceparent: str = "") -> list[Effect]:
        """Take a letter; ends in `Posted` or `NotPosted`."""
        lane = self._lanes.setdefault(recipient, _Lane())
        if not lane.letters:
            lane.moved_at = now
            self._due = min(self._due, now + QUIET)
        lane.last += 1
        lane.letters.append(_Letter(token, lane.last, body, traceparent))
        return self._pump(recipient, lane)

    def rebound(self, now: float) -> list[Effect]:
        """The broker knows us (again): what it did not confirm is sent again, in order."""
        self.bound = True
        self._due = min(self._due, now + QUIET) if len(self) else float("inf")
        effects: list[Effect] = []
        for recipient, lane in self._lanes.items():
            lane.back(now)
            effects += self._pump(recipient, lane)
        return effects

    def unbound(self) -> None:
        """The connection is gone."""
        self.bound = False

    def stored(self, recipient: str, header: Stored, now: float) -> list[Effect]:
        """STORED arrived: every letter up to its number is on the broker's disk."""
        lane = self._lanes.get(recipient)
        if lane is None or header.epoch != self._epoch:
            return []
        effects: list[Effect] = []
        while lane.letters and lane.letters[0].number <= header.sequence:
            letter = lane.letters.popleft()
            lane.confirmed, lane.sent, lane.moved_at = letter.number, max(0, lane.sent - 1), now
            lane.window = min(WINDOW, lane.window * 2)
            effects.append(Posted(letter.token))
        return effects + self._pump(recipient, lane)

    def rejected(self, recipient: str, header: Reject, now: float, details: dict[str, Any] | None = None) -> list[Effect]:
        """REJECT arrived: the letter is refused for good, or came out of order and is sent again."""
        lane = self._lanes.get(recipient)
        if lane is None or header.epoch != self._epoch or header.round != lane.round:
            return []
        index = next((index for index, letter in enumerate(lane.letters) if letter.number == header.sequence), None)
        if index is None:
            return []
        effects: list[Effect] = []
        if header.code != OUT_OF_ORDER:
            error = from_wire(header.code, header.message, peer=recipient, details=details)
            effects.append(NotPosted(lane.letters[index].token, error))
            del lane.letters[index]
            lane.window = 1  # the next may have no better luck, and all behind it were sent in vain
        lane.back(now)
        return effects + self._pump(recipient, lane)

    def tick(self, now: float) -> list[Effect]:
        """Send again what was not confirmed for long."""
        effects: list[Effect] = []
        if now < self._due:
            return effects
        self._due = float("inf")
        for recipient, lane in self._lanes.items():
            if lane.letters and now >= lane.moved_at + QUIET:
                lane.back(now)
                effects += self._pump(recipient, lane)
            if lane.letters:
                self._due = min(self._due, lane.moved_at + QUIET)
        return effects

    def close(self) -> list[Effect]:
        """Give up on what is unconfirmed: it may or may not be stored."""
        error = Cancelled("closed before the broker confirmed; it may be stored all the same")
        effects: list[Effect] = [NotPosted(letter.token, error) for lane in self._lanes.values() for letter in lane.letters]
        self._lanes.clear()
        return effects

    def _pump(self, recipient: str, lane: _Lane) -> list[Effect]:
        effects: list[Effect] = []
        while self.bound and lane.sent < min(len(lane.letters), lane.window):
            letter = lane.letters[lane.sent]
            previous = lane.letters[lane.sent - 1].number if lane.sent else lane.confirmed
            lane.sent += 1
            mail = Mail(self._epoch, letter.number, letter.traceparent, previous=previous, round=lane.round)
            effects.append(Send(recipient.encode(), encode_head(mail), letter.body))
        return effects


def next_round(delivery: int) -> int:
    """The first delivery number when the broker begins anew after `delivery`, whose upper 32 bits count how often it has."""
    return ((delivery >> 32) + 1 << 32) + 1


class Incoming:
    """Letters that the broker delivers: one at a time to the handler, acknowledged when it is done, each handled once.

    Once, while this process lives. A handler whose effect outlives it keeps the sender, epoch and sequence with the effect.
    """

    def __init__(self) -> None:
        self._queue: deque[Lettered] = deque()
        self._working: Lettered | None = None
        self._number = 0
        """The delivery number of what the handler works on; 0: its connection is gone."""
        self._expected = 1
        self._said: Send | None = None
        """The newest acknowledgement of this connection."""
        self._handled: OrderedDict[tuple[str, bytes, int], None] = OrderedDict()

    def rebound(self) -> None:
        """The connection is gone, or greets: the broker numbers deliveries anew, and delivers what was not acknowledged."""
        self._queue.clear()
        self._number, self._expected, self._said = 0, 1, None

    def again(self) -> list[Effect]:
        """Say the newest acknowledgement once more, in case it was lost; said twice it does nothing."""
        return [self._said] if self._said else []

    def delivered(self, sender: str, header: Mail, body: bytes) -> list[Effect]:
        """A delivery arrived."""
        if header.delivery != self._expected:
            if header.delivery < next_round(self._expected) or header.delivery & 0xFFFFFFFF != 1:
                return []  # sent before a failure was known: it is delivered again in the next round
            self._queue.clear()  # the broker begins anew, because it was greeted twice
            self._number, self._said = 0, None
            self._expected = header.delivery
        self._expected += 1
        letter = Lettered(header.delivery, sender, header.epoch, header.sequence, header.attempt, body)
        if self._working and _key(self._working) == _key(letter) and not self._queue:  # else its number would cover those before
            self._number = letter.delivery
            return []
        self._queue.append(letter)
        return self._next()

    def done(self, letter: Lettered) -> list[Effect]:
        """The handler has finished this letter."""
        if not self._working or _key(self._working) != _key(letter):
            return []
        self._working = None
        # Each by itself, not the highest: replicas see only some of a sender's letters.
        self._handled[_key(letter)] = None
        if len(self._handled) > REMEMBERED:
            self._handled.popitem(last=False)
        return (self._say(Ack(self._number)) if self._number else []) + self._next()

    def failed(self, letter: Lettered, reason: str) -> list[Effect]:
        """The handler failed: the broker delivers it again, and what came after it too, so that order is kept."""
        if not self._working or _key(self._working) != _key(letter):
            return []
        self._working = None
        if not self._number:
            return self._next()
        self._queue.clear()
        self._expected = next_round(self._number)
        return self._say(Ack(self._number, reason[:500].encode(errors="replace").decode() or "failed"))

    def _say(self, ack: Ack) -> list[Effect]:
        self._said = Send(b"", encode_head(ack))
        return [self._said]

    def _next(self) -> list[Effect]:
        effects: list[Effect] = []
        while self._queue and not self._working:
            letter = self._queue.popleft()
            if _key(letter) in self._handled:
                effects += self._say(Ack(letter.delivery))
                continue
            self._working, self._number = letter, letter.delivery
            effects.append(letter)
        return effects


def _key(letter: Lettered) -> tuple[str, bytes, int]:
    return letter.sender, letter.epoch, letter.sequence
