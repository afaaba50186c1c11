"""A token bucket. Pure: whoever has a clock says what time it is."""


class Bucket:
    """`rate` tokens a second, of which `size` may be there at once; it begins full. Times are seconds on any monotonic clock."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        self._rate, self._size = rate, size
        self._tokens, self._at = size, now

    def lacks(self, now: float, amount: float = 1.0) -> float:
        """Seconds until `amount` tokens are there; 0: they are. What is more than it holds needs it to be full."""
        self._fill(now)
        return max(0.0, (min(amount, self._size) - self._tokens) / self._rate)

    def take(self, now: float, amount: float = 1.0) -> float:
        """Take tokens, on credit if need be; returns the seconds until the debt is paid."""
        self._fill(now)
        self._tokens -= amount
        return max(0.0, -self._tokens / self._rate)

    def give_back(self, amount: float = 1.0) -> None:
        """They are not needed after all."""
        self._tokens += amount

    def full(self, now: float) -> bool:
        """Whether nothing is missing."""
        self._fill(now)
        return self._tokens >= self._size

    def _fill(self, now: float) -> None:
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
