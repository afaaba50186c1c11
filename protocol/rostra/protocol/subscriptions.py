"""Events on their way in: in order, each once, and what is lost is counted exactly (SPEC §6.4).

A subscription keeps a cursor per topic. A jump in the broker's sequence, or a consumer that was too slow for its queue, makes
the topic *behind*: live events are let go, and the topic is filled again from what the broker retains.

Each publisher counts its events on a topic from 1, the lost ones included, so what a subscription misses is the sum over the
publishers of what they counted and it did not deliver: across a broker that forgot, a connection that failed, an outbox that
overflowed. The broker says where each publisher stood when the subscription began, and how far it has forgotten each.
"""

from dataclasses import dataclass, field

from .directory import Heads, Position, Replay, Replayed, Subscribe
from .effects import Delivered, Effect, Listen, Missed, Open
from .frames import decode_head, encode_body
from .ids import new_id
from .messages import Event, Subscribed
from .names import literal_prefix, matches

CAPACITY = 1024
"""Events that wait for a consumer before its subscription falls behind."""
PAGE = 256
"""Events asked for at once."""
NONCE_MARK = b"\0"
"""A nonce's topic is this byte and the nonce; no topic begins so."""
REOPEN = 3.0
"""Seconds until an unproven path, or a replay that failed, is tried again."""
RECHECK = 5.0
"""Seconds after an event until the path is proven anew: the last events before a silence may be the ones that were lost."""
MAX_PRODUCERS = 1024
"""Publishers remembered per topic and subscription."""
MAX_CURSORS = 8192
"""Topics remembered per subscription; beyond, those are forgotten of which the broker retains nothing."""

Producer = tuple[str, bytes]


@dataclass(slots=True)
class _Cursor:
    series: bytes
    last: int
    partial: bool = False
    """It began in the past (`since`): where the publishers stood then is not known."""
    known: int = 0
    behind: bool = False
    asked: bytes = b""
    producers: dict[Producer, int] = field(default_factory=dict)
    """What each publisher called its newest event that was delivered or counted as missed; who published last comes last."""
    heard: dict[Producer, int] = field(default_factory=dict)
    """The same of publishers of whom nothing was delivered yet."""

    def reset(self, series: bytes) -> None:
        """The broker counts the topic anew."""
        self.series, self.last, self.known, self.behind, self.asked = series, 0, 0, False, b""
        for producer, number in self.heard.items():
            self.producers.setdefault(producer, number)
        self.heard.clear()
        self.partial = False

    def begin(self, positions: tuple[Position, ...]) -> None:
        """The subscription begins here."""
        for sender, epoch, number in positions:
            self.note((sender, epoch), number)

    def hear(self, producer: Producer, number: int) -> None:
        """An event passed by that is not delivered yet."""
        if producer not in self.producers and len(self.heard) < MAX_PRODUCERS:
            self.heard.setdefault(producer, number - 1)

    def note(self, producer: Producer, number: int) -> int:
        """An event is delivered; returns how many of its publisher's were lost right before it."""
        before = self.producers.get(producer)
        if before is not None and len(self.producers) > 1:  # most topics have one publisher
            del self.producers[producer]
        self.producers[producer] = number
        if len(self.producers) > MAX_PRODUCERS:
            del self.producers[next(iter(self.producers))]
        return 0 if before is None or number <= before else number - before - 1

    def skip(self, replayed: Replayed) -> int:
        """What lies before `replayed.first` is lost; returns how many events that is."""
        gap, lost = replayed.first - 1 - self.last, 0
        for sender, epoch, first, newest in replayed.forgotten:
            before = self.producers.get((sender, epoch), first - 1)
            if newest > before:
                lost += newest - before
                self.note((sender, epoch), newest)
        lost = gap if self.partial else max(gap, lost)
        self.last, self.partial = replayed.first - 1, False
        return lost


@dataclass(slots=True)
class _Subscription:
    pattern: str
    prefix: bytes
    since: int | None
    room: int
    nonce: bytes = b""
    opened: bool = False
    retry_at: float = float("inf")
    parts: dict[int, Heads] = field(default_factory=dict)
    cursors: dict[str, _Cursor] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Ask:
    """A request to the broker that a subscription needs; the session makes a call of it."""

    id: bytes
    method: str
    body: bytes
    number: int
    """The subscription that needs it."""


class Subscriptions:
    """All subscriptions of one peer."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._all: dict[int, _Subscription] = {}
        self._nonces: dict[bytes, int] = {}
        self._replays: dict[bytes, tuple[int, str]] = {}
        self._numbers = 0
        self._capacity = capacity
        self.asks: list[Ask] = []
        """Requests to be made; the session takes them after each input."""
        self.due = float("inf")
        """When `tick` wants to be called; kept, because it is asked after every message."""

    def subscribe(self, pattern: str, since: int | None, now: float) -> tuple[int, list[Effect]]:
        """Begin a subscription; `since`: also deliver what is retained after this sequence of the (literal) topic."""
        self._numbers += 1
        number = self._numbers
        prefix = literal_prefix(pattern).encode()
        one = self._all[number] = _Subscription(pattern, prefix, since, self._capacity)
        return number, [Listen(prefix), *self._prove(number, one, now)]

    def unsubscribe(self, number: int) -> list[Effect]:
        """End a subscription."""
        one = self._all.pop(number, None)
        if one is None:
            return []
        self._rest()
        effects: list[Effect] = [Listen(one.prefix, on=False)]
        if self._nonces.pop(one.nonce, None) is not None:
            effects.append(Listen(NONCE_MARK + one.nonce, on=False))
        return effects

    def reopen(self, now: float) -> list[Effect]:
        """The event socket, or the broker behind it, is another one: prove each path again and look for gaps."""
        effects: list[Effect] = []
        for number, one in self._all.items():
            effects += self._prove(number, one, now)
        return effects

    def tick(self, now: float) -> list[Effect]:
        """Prove again what was not proven in time."""
        effects: list[Effect] = []
        for number, one in self._all.items():
            if one.retry_at <= now:
                effects += self._prove(number, one, now)
        self._rest()
        return effects

    def subscribed(self, header: Subscribed, heads: Heads) -> list[Effect]:
        """SUBSCRIBED, or a part of it, arrived over the event socket."""
        number = self._nonces.get(header.nonce)
        one = self._all.get(number) if number is not None else None
        if one is None or number is None:
            return []
        one.parts[header.part] = heads
        if len(one.parts) < header.parts:
            return []
        del self._nonces[header.nonce]
        parts, one.parts = one.parts, {}
        effects: list[Effect] = [Listen(NONCE_MARK + header.nonce, on=False)]
        first, one.opened, one.retry_at = not one.opened, True, float("inf")
        self._rest()
        heads = {topic: head for part in parts.values() for topic, head in part.items() if matches(one.pattern, topic)}
        for topic, (series, last, positions) in heads.items():
            cursor = one.cursors.get(topic)
            if cursor is None:
                cursor = one.cursors[topic] = _Cursor(series, 0)
                if first:
                    cursor.last = last if one.since is None else min(one.since, last)
                    cursor.partial = cursor.last < last
                    if not cursor.partial:
                        cursor.begin(positions)
            elif cursor.series != series:
                cursor.reset(series)
            cursor.known = max(cursor.known, last)
            if cursor.last < cursor.known:
                cursor.behind, cursor.asked = True, b""
                self._fill(number, topic, one, cursor)
        if len(one.cursors) > MAX_CURSORS:
            one.cursors = {topic: cursor for topic, cursor in one.cursors.items() if topic in heads}
        if first:
            effects.append(Open(number))
        return effects

    def event(self, topic: str, header: Event, body: bytes, now: float) -> list[Effect]:
        """An EVENT arrived over the event socket."""
        effects: list[Effect] = []
        for number, one in self._all.items():
            cursor = one.cursors.get(topic)  # a topic that has one falls under the pattern
            if not one.opened or (cursor is None and not matches(one.pattern, topic)):
                continue
            if one.retry_at > now + RECHECK:
                self._retry(one, now + RECHECK)
            if cursor is None:
                cursor = one.cursors[topic] = _Cursor(header.series, 0)
            elif cursor.series != header.series:
                cursor.reset(header.series)
            if header.sequence > cursor.known:
                cursor.known = header.sequence
            if header.sequence <= cursor.last:
                continue
            if not cursor.behind and header.sequence == cursor.last + 1 and one.room > 0:
                self._deliver(number, topic, one, cursor, header, body, effects)
                continue
            cursor.behind = True
            cursor.hear((header.sender, header.epoch), header.producer_sequence)
            self._fill(number, topic, one, cursor)
        return effects

    def replayed(self, id: bytes, replayed: Replayed | None, now: float) -> list[Effect]:  # noqa: A002
        """The answer to a `replay` arrived; None: it failed, and what there is to ask is found out anew a little later."""
        number, topic = self._replays.pop(id, (0, ""))
        one = self._all.get(number)
        cursor = one.cursors.get(topic) if one else None
        if one is None or cursor is None or cursor.asked != id:
            return []
        cursor.asked = b""
        if replayed is None:
            self._retry(one, now + REOPEN)
            return []
        effects: list[Effect] = []
        if replayed.series != cursor.series:
            cursor.reset(replayed.series)
            cursor.known, cursor.behind = replayed.last, replayed.last > 0
            self._fill(number, topic, one, cursor)  # this answer begins where the old series ended: of no use
            return []
        before = cursor.last
        cursor.known = max(cursor.known, replayed.last)
        if replayed.first > cursor.last + 1:
            effects.append(Missed(number, topic, cursor.skip(replayed)))
        for head, body in replayed.events:
            header = decode_head(head)
            if isinstance(header, Event) and header.sequence == cursor.last + 1 and one.room > 0:
                self._deliver(number, topic, one, cursor, header, body, effects)
        if cursor.last >= cursor.known:
            cursor.behind = False
        elif cursor.last > before:
            self._fill(number, topic, one, cursor)
        else:
            self._retry(one, now + REOPEN)  # an answer that does not help is not asked for in a loop
        return effects

    def taken(self, number: int) -> None:
        """The consumer took an event from its queue."""
        one = self._all.get(number)
        if one is None:
            return
        one.room += 1
        if one.room == max(1, self._capacity // 2) or one.room == self._capacity:
            for topic, cursor in one.cursors.items():
                if cursor.behind:
                    self._fill(number, topic, one, cursor)

    def _prove(self, number: int, one: _Subscription, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._nonces.pop(one.nonce, None) is not None:
            effects.append(Listen(NONCE_MARK + one.nonce, on=False))
        one.nonce, one.retry_at, one.parts = new_id(), float("inf"), {}
        self._retry(one, now + REOPEN)
        self._nonces[one.nonce] = number
        self.asks.append(Ask(new_id(), "subscribe", encode_body(Subscribe(pattern=one.pattern, nonce=one.nonce)), number))
        return [*effects, Listen(NONCE_MARK + one.nonce)]

    def _retry(self, one: _Subscription, at: float) -> None:
        """Prove the path again at this time, if not before."""
        if at < one.retry_at:
            one.retry_at = at
            if at < self.due:
                self.due = at

    def _rest(self) -> None:
        self.due = min((one.retry_at for one in self._all.values()), default=float("inf"))

    def _fill(self, number: int, topic: str, one: _Subscription, cursor: _Cursor) -> None:
        if cursor.asked or one.room < max(1, min(self._capacity // 2, PAGE)):
            return
        cursor.asked = new_id()
        self._replays[cursor.asked] = (number, topic)
        body = encode_body(Replay(topic=topic, after=cursor.last, limit=min(one.room, PAGE)))
        self.asks.append(Ask(cursor.asked, "replay", body, number))

    @staticmethod
    def _deliver(
        number: int, topic: str, one: _Subscription, cursor: _Cursor, header: Event, body: bytes, effects: list[Effect]
    ) -> None:
        lost = cursor.note((header.sender, header.epoch), header.producer_sequence)
        if lost:
            effects.append(Missed(number, topic, lost))
        cursor.last = header.sequence
        one.room -= 1
        effects.append(Delivered(number, topic, header, body))
