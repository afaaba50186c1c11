"""Requests on their way out: sent again until answered, refused, or out of time (SPEC §6.2).

The same id is sent again after silence; the callee answers a repeated id from its reply cache. A sign of life (WORKING)
extends the patience, never the deadline.
"""

import msgspec

from .effects import Answered, Effect, Failed, Send
from .errors import BrokerLost, NoSuchAgent, PeerLost, RequestError, TimedOut
from .frames import encode_head
from .messages import Cancel, Request

FIRST_REPEAT = 1.0
"""Seconds of silence before a request is sent again the first time."""
REPEAT = 3.0
"""Seconds of silence before it is sent again later."""
SILENCE = 8.0
"""Seconds of silence after which the peer is given up."""
RETURN = 3.0
"""Seconds that peers have to come back after another broker has taken the place of the one before."""
ABSENT_PAUSE = 0.25
"""Seconds between two tries while the peer is absent and the caller wants to wait for it."""


class _Call(msgspec.Struct, gc=False):
    peer: str
    method: str
    body: bytes
    deadline: float | None
    absent_until: float
    sign: float
    repeat_at: float
    traceparent: str
    absent: RequestError | None = None

    def due(self) -> float:
        at = self.repeat_at
        if self.absent is None:
            at = min(at, max(self.sign + SILENCE, self.absent_until))
        return at if self.deadline is None else min(at, self.deadline)


class Calls:
    """The pending requests of one peer."""

    def __init__(self) -> None:
        self._calls: dict[bytes, _Call] = {}
        self.bound = False
        self._returning = float("-inf")
        """Until when an absent peer may be one that has not come back yet."""
        self.due = float("inf")
        """When `tick` wants to be called next, at the earliest."""

    def __len__(self) -> int:
        return len(self._calls)

    def start(
        self,
        id: bytes,  # noqa: A002 - the wire's word
        peer: str,
        method: str,
        body: bytes,
        now: float,
        timeout: float | None,
        absent: float,
        traceparent: str = "",
    ) -> list[Effect]:
        """Begin a call; `timeout` and `absent` (how long an absent peer is waited for) in seconds. Raises `BadMessage`."""
        deadline = None if timeout is None else now + timeout
        call = _Call(peer, method, body, deadline, now + absent, now, now + FIRST_REPEAT, traceparent)
        request = self._request(id, call, now)  # what cannot be sent is refused here, bound or not
        self._calls[id] = call
        due = call.repeat_at if deadline is None or deadline > call.repeat_at else deadline
        if due < self.due:
            self.due = due
        return [request] if self.bound else []

    def rebound(self, now: float, *, other: bool = False) -> list[Effect]:
        """The broker knows us (again): whatever has no answer is sent again. `other`: it is another broker than before."""
        self.bound = True
        if other:
            self._returning = now + RETURN
        effects: list[Effect] = []
        for id_, call in self._calls.items():
            call.sign, call.repeat_at = now, now + FIRST_REPEAT
            effects.append(self._request(id_, call, now))
        self.due = self._next()
        return effects

    def unbound(self) -> None:
        """The connection is gone, or the broker does not know it."""
        self.bound = False

    def replied(self, id: bytes, sender: str, body: bytes) -> list[Effect]:  # noqa: A002
        """A REPLY arrived."""
        call = self._calls.get(id)
        if call is None or not _is_from(sender, call.peer):
            return []
        del self._calls[id]
        return [Answered(id, body)]

    def failed(self, id: bytes, sender: str, error: RequestError, now: float) -> list[Effect]:  # noqa: A002
        """An ERROR arrived, from the peer itself or from the broker."""
        call = self._calls.get(id)
        if call is None or (sender and not _is_from(sender, call.peer)):
            return []
        error.peer = call.peer
        if isinstance(error, NoSuchAgent | PeerLost) and now < max(call.absent_until, self._returning):
            call.absent, call.repeat_at = error, now + ABSENT_PAUSE
            self.due = min(self.due, call.due())
            return []
        del self._calls[id]
        return [Failed(id, error)]

    def working(self, id: bytes, sender: str, now: float) -> None:  # noqa: A002
        """A WORKING arrived: patience begins anew."""
        call = self._calls.get(id)
        if call is not None and _is_from(sender, call.peer):
            call.sign, call.repeat_at, call.absent = now, now + REPEAT, None

    def cancel(self, id: bytes) -> list[Effect]:  # noqa: A002
        """The caller lost interest; the callee is told."""
        call = self._calls.pop(id, None)
        if call is None or not self.bound:
            return []
        return [Send(call.peer.encode(), encode_head(Cancel(id)))]

    def forget(self, id: bytes) -> None:  # noqa: A002
        """Drop a call without a word to anyone."""
        self._calls.pop(id, None)

    def close(self, error: RequestError) -> list[Effect]:
        """Fail whatever is pending."""
        effects: list[Effect] = [Failed(id_, error) for id_ in self._calls]
        self._calls.clear()
        self.bound, self.due = False, float("inf")
        return effects

    def tick(self, now: float) -> list[Effect]:
        """Repeat what is silent, end what is out of time."""
        effects: list[Effect] = []
        for id_, call in list(self._calls.items()):
            if call.due() > now:
                continue
            error = self._verdict(call, now)
            if error is not None:
                effects += self.cancel(id_)
                effects.append(Failed(id_, error))
                continue
            if self.bound:
                effects.append(self._request(id_, call, now))
            call.repeat_at = now + (REPEAT if call.absent is None else ABSENT_PAUSE)
            if call.absent is not None:
                call.sign, call.absent = now, None
        self.due = self._next()
        return effects

    def _verdict(self, call: _Call, now: float) -> RequestError | None:
        if call.deadline is not None and now >= call.deadline:
            return TimedOut(f"{call.peer or 'the broker'} did not answer in time", peer=call.peer)
        if now < call.sign + SILENCE or now < call.absent_until:
            return None
        if not self.bound:
            return BrokerLost("the broker cannot be reached", peer=call.peer)
        return PeerLost(f"{call.peer or 'the broker'} gave no sign of life for {SILENCE:.0f} s", peer=call.peer)

    def _next(self) -> float:
        return min((call.due() for call in self._calls.values()), default=float("inf"))

    @staticmethod
    def _request(id: bytes, call: _Call, now: float) -> Send:  # noqa: A002
        left = 0 if call.deadline is None else max(1, round((call.deadline - now) * 1000))
        return Send(call.peer.encode(), encode_head(Request(id, call.method, left, call.traceparent)), call.body)


def _is_from(sender: str, peer: str) -> bool:
    """Whether `sender` (a name, or a replica's `name~k`) may answer for `peer`."""
    return sender == peer or sender.partition("~")[0] == peer
