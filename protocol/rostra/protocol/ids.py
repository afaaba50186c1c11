"""Identifiers: UUID version 7 (RFC 9562 §5.7), so that they sort by time of making."""

import os
import uuid
from collections import deque

from .clock import wall_ms

ID_SIZE = 16
_DRAWN = 64
"""Identifiers for which randomness is drawn at once: asking the system for it takes as long as all the rest."""
_random: deque[bytes] = deque()
os.register_at_fork(after_in_child=_random.clear)  # no two processes may go on with the same


def new_id() -> bytes:
    """A fresh identifier, 16 bytes."""
    try:
        tail = bytearray(_random.pop())
    except IndexError:
        drawn = os.urandom(10 * _DRAWN)
        _random.extend(drawn[at : at + 10] for at in range(0, len(drawn), 10))
        tail = bytearray(os.urandom(10))
    tail[0] = 0x70 | (tail[0] & 0x0F)
    tail[2] = 0x80 | (tail[2] & 0x3F)
    return wall_ms().to_bytes(6, "big") + tail


def text_id(raw: bytes) -> str:
    """The usual hyphenated spelling of an identifier."""
    return str(uuid.UUID(bytes=raw))
