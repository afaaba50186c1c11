"""What can go wrong, a class each. `code` is the word that travels in an ERROR message (SPEC §8)."""

from collections.abc import Mapping
from typing import Any, ClassVar


class RostraError(Exception):
    """Whatever rostra raises."""

    code: ClassVar[str] = "failed"


class BadName(RostraError):
    """A name, a topic or a pattern breaks the grammar."""

    code = "bad_name"

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name!r}: {rule}")
        self.name, self.rule = name, rule


class BadMessage(RostraError):
    """Frames that are no message: wrong version, unknown type, malformed header or payload, a limit passed."""

    code = "bad_message"


class TooLarge(BadMessage):
    """A frame is larger than a message may be."""

    code = "too_large"


class RequestError(RostraError):
    """A request got no answer; `peer` is whom it was for."""

    def __init__(self, message: str, *, peer: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.peer, self.details = peer, dict(details or {})


class NoSuchAgent(RequestError):
    """Nobody of that name is connected."""

    code = "no_such_agent"


class PeerLost(RequestError):
    """The peer died, or gave no sign of life, before it answered."""

    code = "peer_lost"


class BrokerLost(RequestError):
    """The broker cannot be reached."""

    code = "broker_lost"


class TimedOut(RequestError):
    """The deadline passed before the answer came."""

    code = "timed_out"


class MailboxFull(RequestError):
    """The peer has as many requests waiting as it accepts."""

    code = "mailbox_full"


class RateLimited(RequestError):
    """This name sends more than it may; nothing was passed on. `retry_after`: seconds until it may send again."""

    code = "rate_limited"

    @property
    def retry_after(self) -> float:
        """Seconds; 0 where nothing was said of it."""
        told = self.details.get("retry_after", 0.0)
        return float(told) if isinstance(told, int | float) else 0.0


class StorageFull(RequestError):
    """The broker's disk takes nothing at the moment; nothing was stored."""

    code = "storage_full"


class Refused(RequestError):
    """The peer may not do this, or the request makes no sense to whom it was sent."""

    code = "refused"


class Stopping(RequestError):
    """The peer is shutting down and takes nothing more."""

    code = "stopping"


class Cancelled(RequestError):
    """The request was cancelled by its caller."""

    code = "cancelled"


class Superseded(RequestError):
    """A newer process has taken this name."""

    code = "superseded"


class Unsupported(RequestError):
    """The peer does not know this method or message type."""

    code = "unsupported"


class RemoteError(RequestError):
    """The peer's handler raised; the message is its own."""

    code = "failed"


BY_CODE: dict[str, type[RequestError]] = {
    kind.code: kind
    for kind in (
        NoSuchAgent,
        PeerLost,
        BrokerLost,
        TimedOut,
        MailboxFull,
        RateLimited,
        StorageFull,
        Refused,
        Stopping,
        Cancelled,
        Superseded,
        Unsupported,
        RemoteError,
    )
}


class UnknownCode(RemoteError):
    """An ERROR whose code this version does not know; `wire_code` is that code."""

    def __init__(self, wire_code: str, message: str, *, peer: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{wire_code}: {message}", peer=peer, details=details)
        self.wire_code = wire_code


def from_wire(code: str, message: str, *, peer: str, details: Mapping[str, Any] | None = None) -> RequestError:
    """The exception for an ERROR with `code`; `UnknownCode` for one this version does not know."""
    kind = BY_CODE.get(code)
    return kind(message, peer=peer, details=details) if kind else UnknownCode(code, message, peer=peer, details=details)
