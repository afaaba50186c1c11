"""Events on their way in: in order, each once, and what is lost is counted exactly (SPEC §6.4).

A subscription keeps a cursor per topic. A jump in the broker's sequence, or a consumer that was too slow for its queue, makes
the topic *behind*: live events are let go, and the topic is filled again from what the broker retains. What it no longer
retains is `Missed`, with its exact number.
"""

from dataclasses import dataclass, field

from .directory import Replay, Replayed, Subscribe
from .effects import Delivered, Effect, Listen, Missed, Open
from .frames import decode_head, encode_body
from .ids import new_id
from .messages import Event
from .names import literal_prefix, matches

CAPACITY = 1024
"""Events that wait for a consumer before its subscription falls behind."""
NONCE_MARK = b"\0"
"""A nonce's topic is this byte and the nonce; no topic begins so."""
REOPEN = 3.0
"""Seconds until an unproven path is proven anew."""

Heads = dict[str, tuple[bytes, int]]


@dataclass(slots=True)
class _Cursor:
    series: bytes
    last: int
    known: int = 0
    behind: bool = False
    asked: bytes = b""
    producers: dict[tuple[str, bytes], int] = field(default_factory=dict)


@dataclass(slots=True)
class _Subscription:
    pattern: str
    prefix: bytes
    since: int | None
    room: int
    nonce: bytes = b""
    opened: bool = False
    retry_at: float = float("inf")
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

    @property
    def due(self) -> float:
        """When `tick` wants to be called."""
        return min((one.retry_at for one in self._all.values()), default=float("inf"))

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
        return effects

    def subscribed(self, nonce: bytes, heads: Heads) -> list[Effect]:
        """SUBSCRIBED arrived over the event socket."""
        number = self._nonces.pop(nonce, None)
        one = self._all.get(number) if number is not None else None
        if one is None or number is None:
            return []
        effects: list[Effect] = [Listen(NONCE_MARK + nonce, on=False)]
        first, one.opened, one.retry_at = not one.opened, True, float("inf")
        for topic, (series, last) in heads.items():
            if not matches(one.pattern, topic):
                continue
            cursor = one.cursors.get(topic)
            if cursor is None:
                start = (last if one.since is None else min(one.since, last)) if first else 0
                cursor = one.cursors[topic] = _Cursor(series, start)
            elif cursor.series != series:
                cursor.series, cursor.last, cursor.known, cursor.behind, cursor.asked = series, 0, 0, False, b""
            cursor.known = max(cursor.known, last)
            if cursor.last < cursor.known:
                cursor.behind, cursor.asked = True, b""
                self._fill(number, topic, one, cursor)
        if first:
            effects.append(Open(number))
        return effects

    def event(self, topic: str, header: Event, body: bytes) -> list[Effect]:
        """An EVENT arrived over the event socket."""
        effects: list[Effect] = []
        for number, one in self._all.items():
            if not one.opened or not matches(one.pattern, topic):
                continue
            cursor = one.cursors.get(topic)
            if cursor is None:
                cursor = one.cursors[topic] = _Cursor(header.series, 0)
            elif cursor.series != header.series:
                cursor.series, cursor.last, cursor.known, cursor.behind, cursor.asked = header.series, 0, 0, False, b""
            cursor.known = max(cursor.known, header.sequence)
            if header.sequence <= cursor.last:
                continue
            if not cursor.behind and header.sequence == cursor.last + 1 and one.room > 0:
                self._deliver(number, topic, one, cursor, header, body, effects)
                continue
            cursor.behind = True
            self._fill(number, topic, one, cursor)
        return effects

    def replayed(self, id: bytes, replayed: Replayed | None) -> list[Effect]:  # noqa: A002
        """The answer to a `replay` arrived; None: it failed, and is asked again with the next event."""
        number, topic = self._replays.pop(id, (0, ""))
        one = self._all.get(number)
        cursor = one.cursors.get(topic) if one else None
        if one is None or cursor is None or cursor.asked != id:
            return []
        cursor.asked = b""
        if replayed is None:
            return []
        effects: list[Effect] = []
        if replayed.series != cursor.series:
            cursor.series, cursor.last, cursor.known = replayed.series, 0, 0
        cursor.known = max(cursor.known, replayed.last)
        if replayed.first > cursor.last + 1:
            effects.append(Missed(number, topic, replayed.first - 1 - cursor.last))
            cursor.last = replayed.first - 1
            cursor.producers.clear()
        for head, body in replayed.events:
            header = decode_head(head)
            if isinstance(header, Event) and header.sequence == cursor.last + 1 and one.room > 0:
                self._deliver(number, topic, one, cursor, header, body, effects)
        if cursor.last >= cursor.known:
            cursor.behind = False
        else:
            self._fill(number, topic, one, cursor)
        return effects

    def taken(self, number: int) -> None:
        """The consumer took an event from its queue."""
        one = self._all.get(number)
        if one is None:
            return
        one.room += 1
        if one.room == self._capacity // 2 or one.room == self._capacity:
            for topic, cursor in one.cursors.items():
                if cursor.behind:
                    self._fill(number, topic, one, cursor)

    def _prove(self, number: int, one: _Subscription, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._nonces.pop(one.nonce, None) is not None:
            effects.append(Listen(NONCE_MARK + one.nonce, on=False))
        one.nonce, one.retry_at = new_id(), now + REOPEN
        self._nonces[one.nonce] = number
        self.asks.append(Ask(new_id(), "subscribe", encode_body(Subscribe(pattern=one.pattern, nonce=one.nonce)), number))
        return [*effects, Listen(NONCE_MARK + one.nonce)]

    def _fill(self, number: int, topic: str, one: _Subscription, cursor: _Cursor) -> None:
        if cursor.asked or one.room < min(self._capacity // 2, 256):
            return
        cursor.asked = new_id()
        self._replays[cursor.asked] = (number, topic)
        limit = min(one.room, 256)
        self.asks.append(Ask(cursor.asked, "replay", encode_body(Replay(topic=topic, after=cursor.last, limit=limit)), number))

    @staticmethod
    def _deliver(
        number: int, topic: str, one: _Subscription, cursor: _Cursor, header: Event, body: bytes, effects: list[Effect]
    ) -> None:
        producer = (header.sender, header.epoch)
        before = cursor.producers.get(producer)
        if before is not None and header.producer_sequence > before + 1:
            effects.append(Missed(number, topic, header.producer_sequence - before - 1))
        cursor.producers[producer] = header.producer_sequence
        cursor.last = header.sequence
        one.room -= 1
        effects.append(Delivered(number, topic, header, body))
