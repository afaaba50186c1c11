"""At most so many requests a minute."""

import asyncio

BURST = 10.0
"""Seconds whose requests may come at once after a quiet time."""


class Bucket:
    """A token bucket; `now` is seconds on any monotonic clock. Whoever takes a token waits its turn, in order."""

    def __init__(self, per_minute: float, now: float) -> None:
        self._rate = per_minute / 60
        self._size = max(1.0, self._rate * BURST)
        self._tokens, self._at = self._size, now

    def take(self, now: float) -> float:
        """Take a token; returns the seconds to wait until it is there."""
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate) - 1
        self._at = now
        return max(0.0, -self._tokens / self._rate)

    def give_back(self) -> None:
        """The token is not needed after all."""
        self._tokens += 1


class Pace:
    """Holds requests back so that there are at most `per_minute`; 0: does not."""

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._bucket: Bucket | None = None

    async def wait(self) -> None:
        """Wait until the next request may go out."""
        if not self._per_minute:
            return
        now = asyncio.get_running_loop().time()
        if self._bucket is None:
            self._bucket = Bucket(self._per_minute, now)
        seconds = self._bucket.take(now)
        if seconds:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                self._bucket.give_back()
                raise
