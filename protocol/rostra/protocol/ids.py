"""Identifiers: UUID version 7 (RFC 9562 §5.7), so that they sort by time of making."""

import os
import uuid
from collections import deque

from .clock import wall_ms

ID_SIZE = 16
_DRAWN = 64
"""Identifiers whose random parts are drawn at once: asking the system for one takes as long as all the rest."""
_FREE = int.from_bytes(bytes.fromhex("0fff3fffffffffffffff") * _DRAWN, "big")
_FIXED = int.from_bytes(bytes.fromhex("70008000000000000000") * _DRAWN, "big")
"""Version and variant, and the bits that are left, in all of them."""
_tails: deque[bytes] = deque()
os.register_at_fork(after_in_child=_tails.clear)  # no two processes may go on with the same


def new_id() -> bytes:
    """A fresh identifier, 16 bytes."""
    try:
        tail = _tails.pop()  # in one step, for it may be called by several threads
    except IndexError:
        tail, *others = _draw()
        _tails.extend(others)
    return wall_ms().to_bytes(6, "big") + tail


def _draw() -> list[bytes]:
    size = 10 * _DRAWN
    drawn = (int.from_bytes(os.urandom(size), "big") & _FREE | _FIXED).to_bytes(size, "big")
    return [drawn[at : at + 10] for at in range(0, size, 10)]


def text_id(raw: bytes) -> str:
    """The usual hyphenated spelling of an identifier."""
    return str(uuid.UUID(bytes=raw))
