"""The typed headers of the wire, one class a message type (SPEC §5)."""

from enum import IntEnum
from typing import Annotated

import msgspec


class Type(IntEnum):
    """The second byte of a head."""

    HELLO = 1
    WELCOME = 2
    WHO = 3
    BEAT = 4
    BYE = 5
    REQUEST = 16
    REPLY = 17
    ERROR = 18
    WORKING = 19
    CANCEL = 20
    BUNDLE = 21
    MAIL = 32
    STORED = 33
    ACK = 34
    REJECT = 35
    PUBLISH = 48
    EVENT = 49
    SUBSCRIBED = 50


Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""Whatever identifies something has 16 bytes: a request, a boot, a nonce."""


NO_REQUEST = bytes(16)
"""The id in an ERROR about a message that was no request: a complaint, which ends nothing."""


class Header(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of every header: a MessagePack array of the fields in order; a later version may append fields."""


class Hello(Header, frozen=True):
    """A peer names itself. The body is what others may know of it: a map (description, tools, …)."""

    name: str
    boot: Id
    """16 bytes, new with each start of the process."""
    shared: bool = False
    """Several processes serve this name together; false: the newest one takes it over."""
    lease_ms: int = 15_000


class Welcome(Header, frozen=True):
    """The broker has bound the connection to a name."""

    address: str
    """What others see as the sender: the name, or `name~k` for the k-th replica."""
    boot: Id
    """16 bytes, new with each start of the broker."""
    lease_ms: int


class Who(Header, frozen=True):
    """The broker does not know this connection: say HELLO and send again what has no answer."""

    boot: Id


class Beat(Header, frozen=True):
    """A sign of life from a peer's event loop; the broker answers with the same."""

    count: int


class Bye(Header, frozen=True):
    """A peer leaves of its own accord."""

    reason: str = ""


class Request(Header, frozen=True):
    """Asks a peer (or, with an empty destination, the broker) to do `method` with the body."""

    id: Id
    method: str
    deadline_ms: int
    """How long the caller will wait from now on; 0: no deadline."""
    traceparent: str = ""


class Reply(Header, frozen=True):
    """The answer to the request `id`, in the body."""

    id: Id


class Error(Header, frozen=True):
    """Why the request `id` (empty: the session itself, which is over) got no answer. The body may hold details, a map."""

    id: bytes
    code: str
    message: str


class Working(Header, frozen=True):
    """The request `id` is being worked on."""

    id: Id


class Cancel(Header, frozen=True):
    """The caller of `id` no longer wants the answer."""

    id: Id


class Bundle(Header, frozen=True):
    """Several messages to one peer (or to the broker) in one. The body is an array of [head, body]; see `bundles`."""

    count: int


class Mail(Header, frozen=True):
    """A letter. From a peer to the broker the frame before names the recipient; from the broker to a peer, the sender."""

    epoch: bytes
    """The sender's boot, 16 bytes."""
    sequence: int
    """Counts the sender's letters to this recipient in this epoch, from 1; the number of a refused one is not used again."""
    traceparent: str = ""
    delivery: int = 0
    """From the broker: counts the deliveries of this connection; the upper 32 bits count its failures."""
    attempt: int = 0
    """From the broker: how often it was delivered, this time included."""
    previous: int = 0
    """From a peer: the number of the letter before this one that was not refused. The broker takes none before that one."""
    round: int = 0
    """From a peer: how often it has begun to send again what was not confirmed."""


class Stored(Header, frozen=True):
    """The broker has every letter of `epoch` to the recipient named by the first frame on disk, up to `sequence`."""

    epoch: bytes
    sequence: int


class Ack(Header, frozen=True):
    """The recipient has handled every delivery before `delivery`, and `delivery` itself unless it says why it `failed`."""

    delivery: int
    failed: str = ""


class Reject(Header, frozen=True):
    """The broker did not take the letter; `out_of_order`: the one before it is missing, send from there."""

    epoch: bytes
    sequence: int
    code: str
    message: str
    round: int = 0
    """As in the letter. A verdict of an earlier round says nothing: the letter was sent again since, and may be taken."""


class Publish(Header, frozen=True):
    """An event for everyone who subscribed to `topic`, in the body."""

    topic: str
    epoch: Id
    """The publisher's boot."""
    sequence: int
    """Counts this publisher's events on this topic from 1, lost ones included."""
    traceparent: str = ""


class Event(Header, frozen=True):
    """A published event as the broker stamped it."""

    sender: str
    series: bytes
    """8 bytes, new whenever the broker begins to count the topic anew."""
    sequence: int
    """Counts the topic's events from 1."""
    time_ms: int
    """When the broker stamped it, in milliseconds since 1970."""
    epoch: bytes
    producer_sequence: int
    traceparent: str = ""


class Subscribed(Header, frozen=True):
    """Arrives over the event socket, on the topic of `nonce`: the path is open.

    The body is `directory.Heads`: where each topic under the pattern stands. What is too much for one message comes in several.
    """

    nonce: Id
    """As in `directory.Subscribe`."""
    part: int = 0
    """Counts from 0."""
    parts: int = 1


TYPES: dict[Type, type[Header]] = {
    Type.HELLO: Hello,
    Type.WELCOME: Welcome,
    Type.WHO: Who,
    Type.BEAT: Beat,
    Type.BYE: Bye,
    Type.REQUEST: Request,
    Type.REPLY: Reply,
    Type.ERROR: Error,
    Type.WORKING: Working,
    Type.CANCEL: Cancel,
    Type.BUNDLE: Bundle,
    Type.MAIL: Mail,
    Type.STORED: Stored,
    Type.ACK: Ack,
    Type.REJECT: Reject,
    Type.PUBLISH: Publish,
    Type.EVENT: Event,
    Type.SUBSCRIBED: Subscribed,
}
"""The header of each type."""
