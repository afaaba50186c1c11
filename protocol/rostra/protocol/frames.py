"""Between a typed header and the bytes of a `head` frame (SPEC §4): version, type, MessagePack array.

Pure functions. Limits are checked before anything is decoded.
"""

from typing import Any, TypeVar

import msgspec

from .errors import BadMessage, TooLarge
from .limits import MAX_HEAD, check_body
from .messages import TYPES, Header, Type

VERSION = 1

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_prefix = {header: bytes((VERSION, kind)) for kind, header in TYPES.items()}
_decoders = {int(kind): msgspec.msgpack.Decoder(header) for kind, header in TYPES.items()}
_bodies: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def encode_head(header: Header) -> bytes:
    """The `head` frame of a message with this header; raises `TooLarge` or `BadMessage` when it cannot be one."""
    try:
        head = _prefix[type(header)] + _encoder.encode(header)
    except (OverflowError, UnicodeEncodeError) as error:
        raise BadMessage(f"not to be encoded: {error}") from None
    if len(head) > MAX_HEAD:
        raise TooLarge(f"a head of {len(head)} bytes; {MAX_HEAD} is the limit")
    return head


def decode_head(head: bytes) -> Header:
    """The header in a `head` frame; raises `BadMessage` (or `TooLarge`) for anything else."""
    if len(head) > MAX_HEAD:
        raise TooLarge(f"a head of {len(head)} bytes; {MAX_HEAD} is the limit")
    if len(head) < 3:
        raise BadMessage("a head has at least three bytes")
    if head[0] != VERSION:
        raise BadMessage(f"protocol version {head[0]}; this is version {VERSION}")
    decoder = _decoders.get(head[1])
    if decoder is None:
        raise BadMessage(f"message type {head[1]} is not known")
    try:
        header: Header = decoder.decode(head[2:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(f"{Type(head[1]).name}: {error}") from None
    return header


def encode_body(payload: Any) -> bytes:
    """`payload` (a typed struct, or plain values) as MessagePack; raises `TooLarge` or `BadMessage` beyond the limits."""
    try:
        body = _encoder.encode(payload)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadMessage(f"not to be encoded: {error}") from None
    return check_body(body)


def decode_body(body: bytes, kind: type[T] | Any = Any) -> Any:
    """The value in a body, as `kind`; raises `BadMessage` (or `TooLarge`) when it is none or beyond the limits."""
    check_body(body)
    decoder = _bodies.get(kind) or _bodies.setdefault(kind, msgspec.msgpack.Decoder(kind))
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(str(error)) from None
