"""The wall clock of every process: what is written down with a time takes it from here.

`ROSTRA_CLOCK_OFFSET` (seconds, may be negative) moves it for a process and its children, so that a test can let a day pass
between two starts. Waiting goes by the monotonic clock of the event loop, which nothing moves.
"""

import os
import time

OFFSET = "ROSTRA_CLOCK_OFFSET"


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000 + _offset_ms


def wall() -> float:
    """Seconds since 1970."""
    return time.time() + _offset_ms / 1000


def _read(text: str) -> int:
    try:
        return round(float(text or "0") * 1000)
    except (ValueError, OverflowError):  # an infinite offset overflows
        raise ValueError(f"{OFFSET} is {text!r}; a number of seconds is wanted") from None


_offset_ms = _read(os.environ.get(OFFSET, ""))
