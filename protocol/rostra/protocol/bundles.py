"""Several messages in one (SPEC §6.6): what is queued for one peer at one moment travels together."""

from collections.abc import Iterable, Iterator

import msgspec

from .errors import BadMessage
from .frames import VERSION, encode_head
from .limits import MAX_FRAME
from .messages import Bundle, Type

Message = tuple[bytes, bytes]
"""Head and body."""
MAX_COUNT = 128
"""Messages in one bundle."""
SIZE = 256 * 1024
"""Bytes after which a bundle takes no further message."""
MARK = bytes((VERSION, Type.BUNDLE))
"""How the head of a bundle begins."""
BETWEEN_PEERS = frozenset(bytes((VERSION, kind)) for kind in (Type.REQUEST, Type.REPLY, Type.ERROR, Type.WORKING, Type.CANCEL))
"""How the heads of messages begin that go between peers."""
_TO_BROKER = frozenset(bytes((VERSION, kind)) for kind in (Type.REQUEST, Type.PUBLISH, Type.ACK))

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]]).decode


def may_bundle(peer: bytes, head: bytes) -> bool:
    """Whether a message to `peer` (empty: the broker) with this head may travel in a bundle."""
    return head[:2] in (BETWEEN_PEERS if peer else _TO_BROKER)


def bundled(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages, in order, as few messages; one alone stays as it is."""
    together: list[Message] = []
    size = 0
    for message in messages:
        weight = len(message[0]) + len(message[1]) + 16
        if together and (len(together) >= MAX_COUNT or size + weight > SIZE):
            yield _bundle(together)
            together, size = [], 0
        together.append(message)
        size += weight
    if together:
        yield _bundle(together)


def count(body: bytes) -> int:
    """How many messages the body of a bundle claims to hold, read without decoding any; 0: it is no array, or far too long."""
    if body[:1] == b"\xdc":
        return int.from_bytes(body[1:3], "big")
    return body[0] & 0x0F if body and 0x90 <= body[0] <= 0x9F else 0


def unbundle(body: bytes, *, for_broker: bool = False) -> list[Message]:
    """The messages in the body of a bundle; raises `BadMessage` when it is none, or holds more or other than it may."""
    if len(body) > MAX_FRAME or not 0 < count(body) <= MAX_COUNT:
        raise BadMessage(f"a bundle holds one to {MAX_COUNT} messages")
    try:
        messages = _decode(body)
    except msgspec.DecodeError as error:
        raise BadMessage(f"BUNDLE: {error}") from None
    allowed = _TO_BROKER if for_broker else BETWEEN_PEERS
    for head, _ in messages:
        if head[:2] not in allowed:
            raise BadMessage("a bundle of what may not be bundled")
    return messages


def _bundle(messages: list[Message]) -> Message:
    return messages[0] if len(messages) == 1 else (encode_head(Bundle(len(messages))), _encode(messages))
