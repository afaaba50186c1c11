"""What the core wants done: frames to a peer, frames to all, work for the disk."""

import msgspec

from rostra.protocol.errors import RostraError

from .mail.operations import Operation


class ToPeer(msgspec.Struct, gc=False):
    """Send three frames to the connection `route`; if that is impossible, tell the core (`unreachable`)."""

    route: bytes
    peer: bytes
    head: bytes
    body: bytes = b""


class ToAll(msgspec.Struct, gc=False):
    """Publish on the event socket."""

    topic: bytes
    head: bytes
    body: bytes


class ToDisk(msgspec.Struct, gc=False):
    """Have the mail store do this; its results come back by `Core.stored`."""

    operation: Operation


Output = ToPeer | ToAll | ToDisk


def short(error: RostraError) -> str:
    """What is told of an error: it may quote what was sent, which may be long, and no text."""
    return str(error)[:500].encode(errors="replace").decode()
