"""How much of a conversation fits in one frame of the wire. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rostra.protocol import BadMessage, ChatMessage
from rostra.protocol.frames import decode_body, encode_body

PAGE_BYTES = 700_000
PAGE_NODES = 8_000
MAX_BYTES = 960_000
MAX_NODES = 9_500
"""One message may be this large, so that it still travels with its envelope."""


class Weight(msgspec.Struct, frozen=True, gc=False):
    """What a value takes of a frame: bytes, and MessagePack nodes."""

    bytes: int
    nodes: int


def weigh(payload: Any) -> Weight:
    """The weight of a payload; raises `BadMessage` when it fits in no frame at all."""
    body = encode_body(payload)
    return Weight(len(body), _nodes(decode_body(body)))


def check_message(message: ChatMessage) -> Weight:
    """The weight of a message; raises `BadMessage` when it is too large to be shown to the other members."""
    weight = weigh(message)
    if weight.bytes > MAX_BYTES or weight.nodes > MAX_NODES:
        raise BadMessage(
            f"a message of {weight.bytes} bytes and {weight.nodes} values; {MAX_BYTES} and {MAX_NODES} are the limits"
        )
    return weight


def prefix(weights: Iterable[Weight]) -> int:
    """How many values fit in one page, counted from the first; one at least."""
    count = size = nodes = 0
    for weight in weights:
        size, nodes = size + weight.bytes, nodes + weight.nodes
        if count and (size > PAGE_BYTES or nodes > PAGE_NODES):
            break
        count += 1
    return count


def newest(backwards: Iterable[ChatMessage]) -> list[ChatMessage]:
    """The newest messages that fit in one page, in order; they come, and are weighed, newest first."""
    kept: list[ChatMessage] = []
    size = nodes = 0
    for message in backwards:
        weight = weigh(message)
        size, nodes = size + weight.bytes, nodes + weight.nodes
        if size > PAGE_BYTES or nodes > PAGE_NODES:
            break
        kept.append(message)
    return kept[::-1]


def _nodes(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(_nodes, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_nodes, value))
    return 1
