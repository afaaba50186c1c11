"""Events (SPEC §7.4): stamped, retained, sent to all; and the proof to subscribers that they get what is published now."""

from collections.abc import Callable

from rostra.protocol.directory import PRESENCE, Head, Presence, State
from rostra.protocol.errors import BadMessage, TooLarge
from rostra.protocol.frames import encode_body, encode_head
from rostra.protocol.ids import ID_SIZE
from rostra.protocol.limits import MAX_EVENT
from rostra.protocol.messages import Event, Publish, Subscribed
from rostra.protocol.names import check_topic
from rostra.protocol.subscriptions import NONCE_MARK

from .outputs import ToAll
from .registry import PART_BYTES, PART_NODES, Connection
from .topics import Producer, Topics

NONCE_SECONDS = 5.0
MAX_NONCES = 10_000


class Events:
    """The topics, and the subscriptions that are announced or seen, and not both yet. `emit` publishes on the event socket."""

    def __init__(self, boot: bytes, emit: Callable[[ToAll], None]) -> None:
        self._boot, self._produced = boot, 0
        self.topics = Topics()
        self.published = 0
        self._emit = emit
        self._awaited: dict[bytes, tuple[str, float]] = {}
        self._seen: dict[bytes, float] = {}

    @property
    def awaits_nonce(self) -> bool:
        """Whether a subscription is announced that has not arrived on the event socket yet."""
        return bool(self._awaited)

    def heard(self, subscription: bytes, now: float) -> None:
        """The event socket saw a new subscription."""
        if not subscription.startswith(NONCE_MARK):
            return
        nonce = subscription[len(NONCE_MARK) :]
        if len(nonce) != ID_SIZE:
            return
        if nonce in self._awaited:
            pattern, _ = self._awaited.pop(nonce)
            self._prove(nonce, pattern)
        elif len(self._seen) < MAX_NONCES:
            self._seen[nonce] = now

    def announced(self, nonce: bytes, pattern: str, now: float) -> None:
        """A peer has told, over its other socket, that it subscribes."""
        if nonce in self._seen:
            del self._seen[nonce]
            self._prove(nonce, pattern)
        elif len(self._awaited) < MAX_NONCES:
            self._awaited[nonce] = (pattern, now)

    def tick(self, now: float) -> None:
        """Forget what has waited for too long."""
        before = now - NONCE_SECONDS
        self._seen = {nonce: since for nonce, since in self._seen.items() if since > before}
        self._awaited = {nonce: one for nonce, one in self._awaited.items() if one[1] > before}

    def publish(self, connection: Connection, header: Publish, body: bytes, wall_ms: int) -> None:
        """A peer publishes; raises `BadName`, `BadMessage`, `TooLarge`."""
        check_topic(header.topic)
        if header.topic == PRESENCE:
            raise BadMessage(f"{PRESENCE!r} is the broker's own topic")
        if header.epoch != connection.boot:
            raise BadMessage("the epoch of an event is its publisher's boot")
        if len(body) > MAX_EVENT:
            raise TooLarge(f"an event of {len(body)} bytes; {MAX_EVENT} is the limit")
        self.stamp(connection.producer, header, body, wall_ms)

    def presence(self, connection: Connection, state: State, wall_ms: int) -> None:
        """The broker's own event: somebody came or went."""
        peer = connection.peer()
        body = encode_body(Presence(name=peer.name, address=peer.address, boot=peer.boot, state=state, info=peer.info))
        self._produced += 1
        self.stamp(Producer("", self._boot), Publish(PRESENCE, self._boot, self._produced), body, wall_ms)

    def stamp(self, producer: Producer, header: Publish, body: bytes, wall_ms: int) -> None:
        """Number an event, retain it, and send it to all."""
        topic = header.topic
        series, sequence = self.topics.next(topic)
        event = Event(producer.sender, series, sequence, wall_ms, header.epoch, header.sequence, header.traceparent)
        head = encode_head(event)
        self.topics.retain(topic, head, body, producer, header.sequence)
        self.published += 1
        self._emit(ToAll(topic.encode(), head, body))

    def _prove(self, nonce: bytes, pattern: str) -> None:
        parts: list[dict[str, Head]] = [{}]
        size = nodes = 0
        for topic, head in self.topics.heads(pattern).items():
            size, nodes = size + len(topic) + 24 + 96 * len(head.producers), nodes + 5 + 4 * len(head.producers)
            if parts[-1] and (size > PART_BYTES or nodes > PART_NODES):
                parts.append({})
                size = nodes = 0
            parts[-1][topic] = head
        for number, part in enumerate(parts):
            header = Subscribed(nonce, number, len(parts))
            self._emit(ToAll(NONCE_MARK + nonce, encode_head(header), encode_body(part)))
