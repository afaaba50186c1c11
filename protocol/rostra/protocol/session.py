"""The session of one peer with the broker: a pure state machine (SPEC §6).

Inputs are what came from the sockets, the clock, and the wishes of the program; outputs are `effects`. No socket, clock or
task inside; `now` is seconds on any monotonic clock.
"""

from collections import deque
from enum import Enum
from typing import Any

from .bundles import unbundle
from .calls import Calls
from .directory import Heads, Replayed
from .effects import Answered, Bound, Closed, Effect, Ended, Failed, Lettered, NotPosted, Send
from .errors import BadMessage, Cancelled, Refused, RequestError, TooLarge, from_wire
from .frames import decode_body, decode_head, encode_body, encode_head
from .ids import new_id
from .limits import MAX_EVENT
from .mailing import Incoming as Letters
from .mailing import Outgoing
from .messages import (
    Beat,
    Bundle,
    Bye,
    Cancel,
    Error,
    Event,
    Hello,
    Mail,
    Publish,
    Reject,
    Reply,
    Request,
    Stored,
    Subscribed,
    Welcome,
    Who,
    Working,
)
from .serving import Serving
from .subscriptions import NONCE_MARK, Ask, Subscriptions

LEASE = 15.0
BEAT = 5.0
GREETING = 1.0
"""Seconds until an unanswered HELLO is said again."""
DEAF = 3
"""Beats without an answer after which the session greets again."""
OUTBOX = 1024
"""Events kept for a broker that is away; older ones are lost, and counted by their subscribers."""


OUTBOX_BYTES = 8 * 1024 * 1024
_NEVER = float("inf")
MAX_PRODUCED = 10_000
"""Topics whose events are counted; the one published to longest ago is forgotten first."""


class State(Enum):
    """Where a session stands."""

    AWAY = "away"
    GREETING = "greeting"
    BOUND = "bound"
    ENDED = "ended"


_ENDED, _BOUND = State.ENDED, State.BOUND  # asked for with each message, and looking a member up takes a tenth of a microsecond


class Session:
    """One peer's side of the protocol."""

    def __init__(self, name: str, info: dict[str, Any] | None = None, *, shared: bool = False, boot: bytes = b"") -> None:
        self.name, self.info, self.shared = name, info or {}, shared
        self.boot = boot or new_id()
        self.state = State.AWAY
        self.calls, self.serving, self.subscriptions = Calls(), Serving(), Subscriptions()
        self.outgoing, self.letters = Outgoing(self.boot), Letters()
        self.bad_messages = 0
        self._broker = b""
        self._beats = self._heard = 0
        self._beat_at = self._greet_at = float("inf")
        self._produced: dict[str, int] = {}
        self._outbox: deque[Send] = deque()
        self._outbox_bytes = 0
        self._error: RequestError | None = None
        self._internal: dict[bytes, Ask] = {}

    @property
    def due(self) -> float:
        """When `tick` wants to be called next."""
        if self.state is _ENDED:
            return _NEVER
        due, serving = self.calls.due, self.serving.due  # asked after every message: no calls that can be done without
        if serving < due:
            due = serving
        if self._beat_at < due:
            due = self._beat_at
        if self._greet_at < due:
            due = self._greet_at
        subscriptions, letters = self.subscriptions.due, self.outgoing.due
        if subscriptions < due:
            due = subscriptions
        return min(due, letters)

    # ---- the connection

    def connected(self, now: float) -> list[Effect]:
        """The socket reached a broker."""
        return [] if self.state is _ENDED else self._greet(now)

    def disconnected(self) -> list[Effect]:
        """The socket lost the broker; it will try again by itself."""
        if self.state is not _ENDED:
            self.state, self._beat_at, self._greet_at = State.AWAY, float("inf"), float("inf")
            self.calls.unbound()
            self.outgoing.unbound()
            self.letters.rebound()  # what is handled from now on is acknowledged under the numbers of the next connection, or not
        return []

    def events_connected(self, now: float) -> list[Effect]:
        """The event socket reached a broker (again)."""
        return self._asked(self.subscriptions.reopen(now), now) if self.state is _BOUND else []

    def leave(self, reason: str = "") -> list[Effect]:
        """Say BYE and end."""
        effects: list[Effect] = []
        if self.state is _BOUND:
            effects.append(Send(b"", encode_head(Bye(reason))))
        return effects + self._end(None)

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        if self.state is _ENDED:
            return effects
        if now >= self._greet_at:
            effects += self._greet(now)
        if now >= self._beat_at:
            if self._beats - self._heard >= DEAF:
                return effects + self._greet(now)
            self._beats += 1
            self._beat_at = now + BEAT
            effects += [Send(b"", encode_head(Beat(self._beats))), *self.letters.again()]
        if now >= self.calls.due:
            effects += self._sifted(self.calls.tick(now), now)
        effects += self.outgoing.tick(now)
        if now >= self.serving.due:
            effects += self.serving.tick(now)
        if now >= self.subscriptions.due:
            effects += self._asked(self.subscriptions.tick(now), now)
        return effects

    # ---- wishes of the program

    def request(
        self,
        id: bytes,  # noqa: A002
        peer: str,
        method: str,
        body: bytes,
        now: float,
        *,
        timeout: float | None,
        absent: float = 0.0,
        traceparent: str = "",
    ) -> list[Effect]:
        """Ask `peer` ("" = the broker) for `method`; ends in `Answered` or `Failed`. Times in seconds."""
        if self.state is _ENDED:
            return [Failed(id, self._error or Cancelled("the session was closed", peer=peer))]
        return self.calls.start(id, peer, method, body, now, timeout, absent, traceparent)

    def cancel(self, id: bytes) -> list[Effect]:  # noqa: A002
        """Nobody waits for the call `id` any more."""
        return self.calls.cancel(id)

    def tell(self, token: bytes, recipient: str, body: bytes, now: float, traceparent: str = "") -> list[Effect]:
        """Send a letter; ends in `Posted` (the broker has it on disk) or `NotPosted`."""
        if self.state is _ENDED:
            return [NotPosted(token, self._error or Cancelled("the session was closed", peer=recipient))]
        return self.outgoing.tell(token, recipient, body, now, traceparent)

    def mail_done(self, letter: Lettered) -> list[Effect]:
        """The letter is handled."""
        return self.letters.done(letter)

    def mail_failed(self, letter: Lettered, reason: str) -> list[Effect]:
        """The letter could not be handled: it comes again, at most five times."""
        return self.letters.failed(letter, reason)

    def publish(self, topic: str, body: bytes) -> list[Effect]:
        """Publish an event; while the broker is away the newest `OUTBOX` events are kept. Raises `TooLarge`."""
        if len(body) > MAX_EVENT:
            raise TooLarge(f"an event of {len(body)} bytes; {MAX_EVENT} is the limit")
        sequence = self._produced.pop(topic, 0) + 1
        send = Send(b"", encode_head(Publish(topic, self.boot, sequence)), body)
        self._produced[topic] = sequence
        if len(self._produced) > MAX_PRODUCED:
            del self._produced[next(iter(self._produced))]
        if self.state is _BOUND:
            return [send]
        if self.state is not _ENDED:
            self._outbox.append(send)
            self._outbox_bytes += len(body)
            while len(self._outbox) > OUTBOX or self._outbox_bytes > OUTBOX_BYTES:
                self._outbox_bytes -= len(self._outbox.popleft().body)
        return []

    def subscribe(self, pattern: str, since: int | None, now: float) -> tuple[int, list[Effect]]:
        """Begin a subscription; returns its number."""
        number, effects = self.subscriptions.subscribe(pattern, since, now)
        if self.state is _ENDED:
            self.subscriptions.unsubscribe(number)
            return number, [Closed(number, self._error or Cancelled("the session was closed"))]
        return number, self._asked(effects, now)

    def asked(self, now: float) -> list[Effect]:
        """Consumers took events (`Subscriptions.taken`), so that there is something to ask of the broker."""
        return self._asked([], now)

    # ---- what came in

    def received(self, peer: bytes, head: bytes, body: bytes, now: float) -> list[Effect]:
        """Three frames arrived over the connection. What is no message is counted and dropped."""
        if self.state is _ENDED:
            return []
        try:
            sender, header = peer.decode(), decode_head(head)
            return self._dispatch(sender, header, body, now)
        except (BadMessage, UnicodeDecodeError):
            self.bad_messages += 1
            return []

    def received_event(self, topic: bytes, head: bytes, body: bytes, now: float) -> list[Effect]:
        """Three frames arrived over the event socket."""
        if self.state is _ENDED:
            return []
        try:
            header = decode_head(head)
            if isinstance(header, Event):
                effects = self.subscriptions.event(topic.decode(), header, body, now)
            elif isinstance(header, Subscribed) and topic == NONCE_MARK + header.nonce:
                effects = self.subscriptions.subscribed(header, decode_body(body, Heads))
            else:
                return []
        except (BadMessage, UnicodeDecodeError):
            self.bad_messages += 1
            return []
        return self._asked(effects, now) if self.subscriptions.asks else effects

    def _dispatch(self, sender: str, header: object, body: bytes, now: float) -> list[Effect]:
        match header:
            case Request():
                return self.serving.request(sender, header, body, now)
            case Reply():
                return self._sifted(self.calls.replied(header.id, sender, body), now)
            case Working():
                self.calls.working(header.id, sender, now)
            case Cancel():
                return self.serving.cancelled(sender, header.id)
            case Bundle() if sender:
                return self._unbundled(sender, body, now)
            case Mail():
                if self.state is not _BOUND:  # numbered for a greeting whose answer was lost: it comes again
                    return []
                return self.letters.delivered(sender, header, body)
            case Stored():
                return self.outgoing.stored(sender, header, now)
            case Reject():
                return self.outgoing.rejected(sender, header, now, _details(body))
            case Error() if header.id:
                error = from_wire(header.code, header.message, peer=sender, details=_details(body))
                return self._sifted(self.calls.failed(header.id, sender, error, now), now)
            case Error() if not sender:
                error = from_wire(header.code, header.message, peer="")
                return self._end(error)
            case Welcome() if not sender:
                return self._welcomed(header, now)
            case Who() if not sender:
                return self._greet(now) if self.state is _BOUND else []
            case Beat() if not sender:
                if header.count:  # else the broker only tries whether the connection is there
                    self._heard = self._beats
            case _:
                self.bad_messages += 1
        return []

    def _unbundled(self, sender: str, body: bytes, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for head, inner in unbundle(body):
            try:
                effects += self._dispatch(sender, decode_head(head), inner, now)
            except BadMessage:
                self.bad_messages += 1
        return effects

    def _greet(self, now: float) -> list[Effect]:
        self.state, self._greet_at, self._beat_at = State.GREETING, now + GREETING, float("inf")
        self.calls.unbound()
        self.outgoing.unbound()
        self.letters.rebound()
        hello = Hello(self.name, self.boot, self.shared, round(LEASE * 1000))
        return [Send(b"", encode_head(hello), encode_body(self.info))]

    def _welcomed(self, header: Welcome, now: float) -> list[Effect]:
        if self.state is not State.GREETING:
            return []
        fresh, known, self._broker = header.boot != self._broker, bool(self._broker), header.boot
        self.state, self._greet_at, self._beat_at, self._heard = State.BOUND, float("inf"), now + BEAT, self._beats
        effects: list[Effect] = [Bound(header.address, fresh), *self._outbox]
        self._outbox.clear()
        self._outbox_bytes = 0
        for id_ in [id_ for id_, ask in self._internal.items() if ask.method == "subscribe"]:
            self.calls.forget(id_)  # every path is proven anew below
            del self._internal[id_]
        effects += self.calls.rebound(now, other=fresh and known)
        effects += self.outgoing.rebound(now)
        return effects + self._asked(self.subscriptions.reopen(now), now)

    def _end(self, error: RequestError | None) -> list[Effect]:
        if self.state is _ENDED:
            return []
        self.state, self._beat_at, self._greet_at = State.ENDED, float("inf"), float("inf")
        self._error = error
        failed = self.calls.close(error or Cancelled("the session was closed"))
        effects = [effect for effect in failed if not (isinstance(effect, Failed) and effect.id in self._internal)]
        effects += self.outgoing.close()
        self._internal.clear()
        self._outbox.clear()
        return [*effects, Ended(error)]

    def _asked(self, effects: list[Effect], now: float) -> list[Effect]:
        """Turn what the subscriptions ask of the broker into calls of our own."""
        asks, self.subscriptions.asks = self.subscriptions.asks, []
        if self.state is _ENDED:
            return effects
        for ask in asks:
            self._internal[ask.id] = ask
            effects = effects + self.calls.start(ask.id, "", ask.method, ask.body, now, 10.0, 10.0)
        return effects

    def _sifted(self, effects: list[Effect], now: float) -> list[Effect]:
        """Keep the answers to our own calls to ourselves."""
        if not self._internal:
            return effects
        out: list[Effect] = []
        for effect in effects:
            ask = self._internal.pop(effect.id, None) if isinstance(effect, Answered | Failed) else None
            if ask is None:
                out.append(effect)
            elif ask.method == "replay":
                replayed = _replayed(effect.body) if isinstance(effect, Answered) else None
                out += self._asked(self.subscriptions.replayed(ask.id, replayed, now), now)
            elif isinstance(effect, Failed) and isinstance(effect.error, Refused):
                out += [*self.subscriptions.unsubscribe(ask.number), Closed(ask.number, effect.error)]
        return out


def _replayed(body: bytes) -> Replayed | None:
    """The answer to a `replay`; None when it is no such answer, which is as good as none."""
    try:
        replayed: Replayed = decode_body(body, Replayed)
    except BadMessage:
        return None
    return replayed


def _details(body: bytes) -> dict[str, Any] | None:
    """The details of an ERROR. What is no map of details is no reason to leave the caller without the error."""
    try:
        details: dict[str, Any] | None = decode_body(body, dict[str, Any]) if body else None
    except BadMessage:
        return None
    return details
