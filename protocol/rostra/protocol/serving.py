"""Requests that came in: each id is worked on once, however often it arrives (SPEC §6.3)."""

from collections import OrderedDict

from .effects import CancelIncoming, Effect, Incoming, Send
from .errors import BadMessage, RequestError
from .frames import encode_body, encode_head
from .messages import Error, Reply, Request, Working
from .redaction import Redactor

FIRST_SIGN = 0.5
"""Seconds until the first WORKING."""
SIGN = 2.0
"""Seconds between two WORKING."""
KEPT_REPLIES = 512
KEPT_BYTES = 8 * 1024 * 1024


class Serving:
    """The requests that this peer is working on, and the replies it may have to give once more."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, bytes], float] = {}
        """Sender and id → when the next sign of life is due."""
        self._replies: OrderedDict[tuple[str, bytes], Send] = OrderedDict()
        self._bytes = 0
        self.due = float("inf")

    def __len__(self) -> int:
        return len(self._open)

    def request(self, sender: str, header: Request, body: bytes, now: float) -> list[Effect]:
        """A REQUEST arrived: new, repeated while we work, or repeated after the answer."""
        key = (sender, header.id)
        kept = self._replies.get(key)
        if kept is not None:
            return [kept]
        if key in self._open:
            return [_working(key)]
        self._open[key] = sign_at = now + FIRST_SIGN
        if sign_at < self.due:
            self.due = sign_at
        deadline = now + header.deadline_ms / 1000 if header.deadline_ms else None
        return [Incoming(header.id, sender, header.method, body, deadline, header.traceparent)]

    def cancelled(self, sender: str, id: bytes) -> list[Effect]:  # noqa: A002
        """A CANCEL arrived."""
        return [] if self._open.pop((sender, id), None) is None else [CancelIncoming(id, sender)]

    def reply(self, sender: str, id: bytes, body: bytes) -> list[Effect]:  # noqa: A002
        """Answer an open request; nothing when it was cancelled meanwhile."""
        return self._close((sender, id), Send(sender.encode(), encode_head(Reply(id)), body), keep=True)

    def fail(self, sender: str, id: bytes, error: RequestError, redactor: Redactor | None = None) -> list[Effect]:  # noqa: A002
        """Answer an open request with an error. Errors are not kept: a repeated id is a new try."""
        redactor = redactor or Redactor()
        message = redactor.text(str(error))[:2000].encode(errors="replace").decode()
        try:
            body = redactor.body(encode_body(error.details)) if error.details else b""
        except BadMessage:  # the caller must have its answer, if without the details
            body = b""
        head = encode_head(Error(id, error.code, message))
        return self._close((sender, id), Send(sender.encode(), head, body), keep=False)

    def tick(self, now: float) -> list[Effect]:
        """Show signs of life."""
        effects: list[Effect] = []
        for key, sign_at in self._open.items():
            if sign_at <= now:
                self._open[key] = now + SIGN
                effects.append(_working(key))
        self.due = min(self._open.values(), default=float("inf"))
        return effects

    def _close(self, key: tuple[str, bytes], answer: Send, *, keep: bool) -> list[Effect]:
        if self._open.pop(key, None) is None:
            return []
        if keep:
            self._replies[key] = answer
            self._bytes += len(answer.body)
            while len(self._replies) > KEPT_REPLIES or self._bytes > KEPT_BYTES:
                self._bytes -= len(self._replies.popitem(last=False)[1].body)
        return [answer]


def _working(key: tuple[str, bytes]) -> Send:
    return Send(key[0].encode(), encode_head(Working(key[1])))
