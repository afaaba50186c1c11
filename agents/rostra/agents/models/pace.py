"""At most so many requests a minute."""

import asyncio

from rostra.protocol.bucket import Bucket

BURST = 10.0
"""Seconds whose requests may come at once after a quiet time."""


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
            rate = self._per_minute / 60
            self._bucket = Bucket(rate, max(1.0, rate * BURST), now)
        seconds = self._bucket.take(now)
        if seconds:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                self._bucket.give_back()
                raise
