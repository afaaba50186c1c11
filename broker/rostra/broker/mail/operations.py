"""What the broker's core asks of the mail store, and what the store answers: plain values that cross a thread."""

import msgspec

MAX_ATTEMPTS = 5
"""Deliveries of a letter; when the last has failed it is a dead letter."""


class Letter(msgspec.Struct, gc=False):
    """One row of a mailbox; `number` is its place, rising per recipient."""

    number: int
    recipient: str
    source: str
    epoch: bytes
    sequence: int
    body: bytes
    traceparent: str = ""
    attempts: int = 0
    """Deliveries that failed so far."""


class Store(msgspec.Struct, gc=False):
    """Put a letter into its mailbox (its `number` is yet 0); `route` is the connection that waits for STORED."""

    route: bytes
    letter: Letter
    previous: int = 0
    """The sender's letter before this one, which must be there first."""
    round: int = 0


class Remove(msgspec.Struct, gc=False):
    """These letters are delivered."""

    numbers: list[int]


class Fail(msgspec.Struct, gc=False):
    """A delivery of this letter failed; at the last attempt it becomes a dead letter, in the same transaction."""

    number: int
    reason: str


class Load(msgspec.Struct, gc=False):
    """Read letters of a mailbox beyond a number."""

    recipient: str
    after: int
    limit: int
    ticket: int = 0
    """Comes back in the answer: one that was asked for an earlier connection is no answer to a later one."""


class Inspect(msgspec.Struct, gc=False):
    """List or requeue, for a person: the request `mail.list`, `mail.show` or `mail.requeue` with its body."""

    route: bytes
    request: bytes
    method: str
    body: bytes


Operation = Store | Remove | Fail | Load | Inspect


class Kept(msgspec.Struct, gc=False):
    """The letter is committed under `letter.number`; `number` 0: it was already."""

    route: bytes
    letter: Letter


class Declined(msgspec.Struct, gc=False):
    """The letter is not stored, and why."""

    route: bytes
    letter: Letter
    code: str
    message: str
    round: int = 0


class Loaded(msgspec.Struct, gc=False):
    """Answer to `Load`."""

    recipient: str
    letters: list[Letter]
    ticket: int = 0


class Buried(msgspec.Struct, gc=False):
    """A letter became a dead letter."""

    recipient: str
    number: int


class Inspected(msgspec.Struct, gc=False):
    """Answer to `Inspect`: a REPLY's body, or an error."""

    route: bytes
    request: bytes
    body: bytes
    error: str = ""
    requeued: tuple[str, ...] = ()
    """Recipients that got letters back."""


Result = Kept | Declined | Loaded | Buried | Inspected
