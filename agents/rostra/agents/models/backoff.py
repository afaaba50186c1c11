"""How long to wait before something is tried again."""

import email.utils
import random
from collections.abc import Mapping

FIRST = 0.5
"""Seconds before the first repetition."""
LONGEST = 30.0
"""Seconds that are waited at most when the server says nothing."""
LONGEST_ORDERED = 60.0
"""Seconds that are waited at most when the server says how long; beyond it the attempt has failed for good."""
JITTER = 0.2
"""The part of the wait that is left to chance. Small enough that each wait is longer than the one before."""


def backoff(attempt: int, first: float = FIRST) -> float:
    """Seconds to wait after the failed attempt number `attempt` (from 0): doubling, with jitter."""
    seconds: float = min(LONGEST, first * 2.0 ** min(attempt, 16))
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait (RFC 9110 §10.2.3, and `retry-after-ms`); None: it does not say. `now`: Unix time."""
    for header, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(header, "")
        try:
            seconds = float(value) / unit
        except ValueError:
            continue
        return seconds if seconds >= 0 else None  # NaN too is None
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, email.utils.mktime_tz(date) - now) if date else None
