"""How much one name may send: messages and bytes a second, whatever connections and processes it has."""

from collections.abc import Container

import msgspec

from rostra.protocol.bucket import Bucket
from rostra.protocol.errors import RateLimited
from rostra.protocol.ids import ID_SIZE
from rostra.protocol.limits import MAX_FRAME
from rostra.protocol.messages import NO_REQUEST, Error, Header, Mail, Publish, Reject, Request

NEEDED = frozenset({"ping", "subscribe", "replay"})
"""Methods of the broker that a session cannot do without, however much its peer sends."""
BURST = 2.0
"""Seconds whose messages may come at once after a quiet time."""


class Rate(msgspec.Struct, frozen=True):
    """What a name may send in a second; 0: as much as it can."""

    messages: float = 0.0
    bytes: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.messages or self.bytes)


class Meter:
    """What one name has sent lately."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._messages = Bucket(rate.messages, max(1.0, rate.messages * BURST), now) if rate.messages else None
        self._bytes = Bucket(rate.bytes, max(MAX_FRAME, rate.bytes * BURST), now) if rate.bytes else None

    def lacks(self, now: float, size: int) -> float:
        """Seconds until one more message of `size` bytes is within the rate; 0: it is."""
        return max(
            self._messages.lacks(now) if self._messages else 0.0,
            self._bytes.lacks(now, size) if self._bytes else 0.0,
        )

    def take(self, now: float, size: int) -> None:
        """Count a message that is let through; what is within the rate makes no debts, but for a frame larger than its burst."""
        if self._messages:
            self._messages.take(now)
        if self._bytes:
            self._bytes.take(now, size)

    def idle(self, now: float) -> bool:
        """Whether it has nothing to remember."""
        return (self._messages is None or self._messages.full(now)) and (self._bytes is None or self._bytes.full(now))


class Meters:
    """The meters of names, as long as they have something to remember."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}

    def __len__(self) -> int:
        return len(self._meters)

    def of(self, name: str, rate: Rate, now: float) -> Meter | None:
        """The meter of a name that is connected; None where it may send as much as it can."""
        return self._meters.setdefault(name, Meter(rate, now)) if rate else None

    def forget_idle(self, connected: Container[str], now: float) -> None:
        """Forget the names that are gone and have nothing to remember."""
        for name in [name for name, meter in self._meters.items() if name not in connected and meter.idle(now)]:
            del self._meters[name]


def refusal(header: Header, why: str, *, between_peers: bool) -> Header | None:
    """What the sender of a message beyond its rate is told; None: the message is passed on all the same.

    Others wait for an answer, and signs of life keep the session alive.
    """
    match header:
        case Request() if between_peers or header.method not in NEEDED:
            return Error(header.id, RateLimited.code, why)
        case Publish():
            return Error(NO_REQUEST, RateLimited.code, why)
        case Mail() if between_peers and len(header.epoch) == ID_SIZE:
            return Reject(header.epoch, header.sequence, RateLimited.code, why, header.round)
        case _:
            return None
