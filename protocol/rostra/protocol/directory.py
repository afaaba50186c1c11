"""Requests that the broker itself answers, and what it tells of those connected to it (SPEC §7)."""

from typing import Any, Literal, NamedTuple

from .chat import Payload
from .messages import Id

PRESENCE = "presence"
"""The topic of `Presence` events."""

State = Literal["online", "left", "lost", "superseded"]


class Peer(Payload, frozen=True, kw_only=True):
    """One connected process; `peers` is answered with a list of these, an empty one after the last."""

    name: str
    address: str
    boot: bytes
    info: dict[str, Any] = {}
    since_ms: int = 0
    """When it was bound, milliseconds since 1970."""


class Presence(Payload, frozen=True, kw_only=True):
    """A peer came or went."""

    name: str
    address: str
    boot: bytes
    state: State
    info: dict[str, Any] = {}


class Subscribe(Payload, frozen=True, kw_only=True):
    """Body of the request `subscribe`: the peer is about to subscribe to `pattern`, and to the topic of `nonce`."""

    pattern: str
    nonce: Id


class Position(NamedTuple):
    """How far a publisher has come on a topic."""

    sender: str
    epoch: bytes
    number: int
    """What it called its newest event there."""


class Head(NamedTuple):
    """Where a topic stands."""

    series: bytes
    last: int
    """The newest sequence."""
    producers: tuple[Position, ...] = ()


Heads = dict[str, Head]
"""Body of SUBSCRIBED: topic → where it stands."""


class Peers(Payload, frozen=True, kw_only=True):
    """Body of the request `peers`, which is answered in pages: those after the address `after`, in its order."""

    after: str = ""


class Replay(Payload, frozen=True, kw_only=True):
    """Body of the request `replay`: what is retained of `topic` after the sequence `after`."""

    topic: str
    after: int
    limit: int = 256


class Forgotten(NamedTuple):
    """What is no longer retained of one publisher's events on a topic."""

    sender: str
    epoch: bytes
    first: int
    """What it called the first of them that arrived in this series."""
    newest: int
    """What it called the newest of them that is no longer retained."""


class Replayed(Payload, frozen=True, kw_only=True):
    """Answer to `replay`. `events` are (head, body) of EVENT messages, byte for byte as first published."""

    series: bytes
    first: int
    """The oldest sequence retained; one more than `last` when nothing is."""
    last: int
    """The newest sequence published."""
    events: tuple[tuple[bytes, bytes], ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    """Per publisher; given when `first` is beyond what was asked for."""


class BrokerStats(Payload, frozen=True, kw_only=True):
    """Answer to `stats`."""

    boot: bytes
    uptime_seconds: float
    peers: int
    topics: int
    routed: int
    published: int
    refused: int
    unreachable: int
    retained_bytes: int


class MailboxInfo(Payload, frozen=True, kw_only=True):
    """One mailbox; `mail.list` is answered with a list of these."""

    recipient: str
    letters: int = 0
    size: int = 0
    oldest_ms: int = 0
    dead: int = 0
    """Dead letters: those whose delivery failed five times."""


class MailQuery(Payload, frozen=True, kw_only=True):
    """Body of the request `mail.show`."""

    recipient: str
    dead: bool = False
    after: int = 0
    limit: int = 50


class MailRef(Payload, frozen=True, kw_only=True):
    """Body of the request `mail.requeue`, answered with how many: puts dead letters back; `number` 0: all of the recipient."""

    recipient: str
    number: int = 0


class LetterInfo(Payload, frozen=True, kw_only=True):
    """A waiting or dead letter; `mail.show` is answered with a list of these. `body` holds its first 4 KiB."""

    number: int
    recipient: str
    sender: str
    body: bytes
    attempts: int = 0
    stored_ms: int = 0
    died_ms: int = 0
    reason: str = ""
