"""Identifiers: UUID version 7 (RFC 9562 §5.7), so that they sort by time of making."""

import os
import uuid

from .clock import wall_ms

ID_SIZE = 16


def new_id() -> bytes:
    """A fresh identifier, 16 bytes."""
    milliseconds = wall_ms()
    tail = bytearray(os.urandom(10))
    tail[0] = 0x70 | (tail[0] & 0x0F)
    tail[2] = 0x80 | (tail[2] & 0x3F)
    return milliseconds.to_bytes(6, "big") + bytes(tail)


def text_id(raw: bytes) -> str:
    """The usual hyphenated spelling of an identifier."""
    return str(uuid.UUID(bytes=raw))
