"""How much one name may send: messages and bytes a second, whatever connections and processes it has."""

import msgspec

from rostra.protocol.bucket import Bucket
from rostra.protocol.limits import MAX_FRAME

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
