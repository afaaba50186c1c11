"""Limits that hold before anything is decoded (SPEC §9).

A MessagePack text of a kilobyte can nest a thousand levels or claim four billion elements; so depth and number of nodes are
counted on the bytes, without building a single object.
"""

from .errors import BadMessage, TooLarge

MAX_FRAME = 1024 * 1024
MAX_HEAD = 16 * 1024
MAX_EVENT = 896 * 1024
"""Bytes of an event's body: so that it can be replayed within a frame."""
MAX_INFO = 64 * 1024
"""Bytes of what a peer says of itself."""
MAX_INFO_NODES = 1000
MAX_INFO_DEPTH = 16
MAX_DEPTH = 32
MAX_NODES = 10_000

# Bytes that cannot open a container; what is left after deleting them bounds the depth (see `check_body`).
_NOT_CONTAINERS = bytes(b for b in range(256) if not (0x80 <= b <= 0x9F or 0xDC <= b <= 0xDF))

# For each first byte: (bytes of the length field, bytes that follow at least, is a container's factor 1 or 2, else 0)
_FIXED = {
    0xC0: 0,
    0xC2: 0,
    0xC3: 0,
    0xCA: 4,
    0xCB: 8,
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
    0xD0: 1,
    0xD1: 2,
    0xD2: 4,
    0xD3: 8,
}
_FIXEXT = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXT = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_CONTAINER = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def check_body(body: bytes, max_size: int = MAX_FRAME, max_nodes: int = MAX_NODES, max_depth: int = MAX_DEPTH) -> bytes:
    """Return `body` when it is within the limits.

    Raises `TooLarge` for its size, `BadMessage` for its depth, its number of nodes, or a text that ends too early.
    """
    size = len(body)
    if size > max_size:
        raise TooLarge(f"a body of {size} bytes; {max_size} is the limit")
    if size <= max_nodes and len(body.translate(None, _NOT_CONTAINERS)) <= max_depth:
        return body  # cannot break either limit: each node takes a byte, each level a container's byte
    count_nodes(body, max_nodes, max_depth)
    return body


def count_nodes(body: bytes, max_nodes: int = MAX_NODES, max_depth: int = MAX_DEPTH) -> int:
    """How many values are in `body`, containers and keys included; raises `BadMessage` as `check_body`."""
    size, at, nodes = len(body), 0, 0
    open_containers: list[int] = []  # elements still to come, innermost last
    while at < size:
        nodes += 1
        if nodes > max_nodes:
            raise BadMessage(f"more than {max_nodes} nodes")
        first = body[at]
        at += 1
        elements = -1
        if first < 0x80 or first >= 0xE0:
            pass
        elif first < 0x90:
            elements = 2 * (first & 0x0F)
        elif first < 0xA0:
            elements = first & 0x0F
        elif first < 0xC0:
            at += first & 0x1F
        elif first in _FIXED:
            at += _FIXED[first]
        elif first in _SIZED:
            width = _SIZED[first]
            at += width + int.from_bytes(body[at : at + width], "big")
        elif first in _CONTAINER:
            width, factor = _CONTAINER[first]
            elements = factor * int.from_bytes(body[at : at + width], "big")
            at += width
        elif first in _FIXEXT:
            at += 1 + _FIXEXT[first]
        elif first in _EXT:
            width = _EXT[first]
            at += width + 1 + int.from_bytes(body[at : at + width], "big")
        else:
            raise BadMessage("byte 0xc1 is no MessagePack")
        if elements >= 0:
            open_containers.append(elements)
            if len(open_containers) > max_depth:
                raise BadMessage(f"deeper than {max_depth} levels")
            if elements > max_nodes:
                raise BadMessage(f"more than {max_nodes} nodes")
        elif open_containers:
            open_containers[-1] -= 1
        while open_containers and open_containers[-1] == 0:
            open_containers.pop()
            if open_containers:
                open_containers[-1] -= 1
        if not open_containers:
            break
    if open_containers or at != size:
        raise BadMessage("a truncated text, or bytes after its end")
    return nodes
