"""What the state machines of a peer want done: the outputs of `Session`. The shell that owns socket and clock does it."""

from typing import Any

import msgspec

from .errors import RequestError


class Effect(msgspec.Struct, frozen=True, gc=False):
    """Base of every effect."""


class Send(Effect, frozen=True):
    """Put these three frames on the connection to the broker."""

    peer: bytes
    head: bytes
    body: bytes = b""


class Listen(Effect, frozen=True):
    """Open (or close) the event socket for topics that begin with `prefix`."""

    prefix: bytes
    on: bool = True


class Bound(Effect, frozen=True):
    """The broker knows us as `address`; `fresh`: it is another broker process than before."""

    address: str
    fresh: bool


class Ended(Effect, frozen=True):
    """The session is over for good; None: of our own accord."""

    error: RequestError | None


class Answered(Effect, frozen=True):
    """The call `id` has its reply."""

    id: bytes
    body: bytes


class Failed(Effect, frozen=True):
    """The call `id` will not have a reply."""

    id: bytes
    error: RequestError


class Incoming(Effect, frozen=True):
    """`sender` asks for `method`; answer with `Session.reply` or `Session.fail`."""

    id: bytes
    sender: str
    method: str
    body: bytes
    deadline: float | None
    """On the session's clock, seconds."""
    traceparent: str


class Posted(Effect, frozen=True):
    """The letter `token` is on the broker's disk."""

    token: bytes


class NotPosted(Effect, frozen=True):
    """The letter `token` was refused."""

    token: bytes
    error: RequestError


class Lettered(Effect, frozen=True):
    """A letter for us; end with `Session.mail_done` or `mail_failed`."""

    delivery: int
    sender: str
    epoch: bytes
    sequence: int
    attempt: int
    body: bytes


class CancelIncoming(Effect, frozen=True):
    """Nobody waits any more for the request `id` of `sender`."""

    id: bytes
    sender: str


class Delivered(Effect, frozen=True):
    """An event for the subscription `number`."""

    number: int
    topic: str
    event: Any
    body: bytes


class Missed(Effect, frozen=True):
    """`count` events of `topic` are lost to the subscription `number`, exactly."""

    number: int
    topic: str
    count: int


class Open(Effect, frozen=True):
    """The path of the subscription `number` is proven: whatever is published from now on arrives, or is counted."""

    number: int


class Closed(Effect, frozen=True):
    """The subscription `number` was refused."""

    number: int
    error: RequestError
