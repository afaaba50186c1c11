"""Between the core and the mailboxes: letters in, confirmations and deliveries out."""

from collections.abc import Callable, Iterable

from rostra.protocol.errors import BadName
from rostra.protocol.failpoints import passing
from rostra.protocol.mailing import OUT_OF_ORDER
from rostra.protocol.messages import Ack, Error, Header, Mail, Reject, Reply, Request, Stored
from rostra.protocol.names import check_name

from .office import Handing, Office, Step
from .operations import Buried, Declined, Inspect, Inspected, Kept, Letter, Loaded, Operation, Result, Store

Sender = Callable[[bytes, Header, bytes, bytes], None]
"""Sends (route, header, body, first frame)."""
METHODS = frozenset({"mail.list", "mail.show", "mail.requeue"})


class Desk:
    """Speaks mail's four message types. `send` reaches a connection, `ask` the disk; answers come back by `stored`."""

    def __init__(self, send: Sender, ask: Callable[[Operation], None]) -> None:
        self._send, self._ask = send, ask
        self._office = Office()
        self._behind: set[tuple[bytes, str, int]] = set()
        """(sender's route, recipient, round) that were told to go back, and have not yet."""

    def post(self, route: bytes, source: str, peer: bytes, header: Mail, body: bytes) -> str | None:
        """Take a letter from `source`; returns why not when the recipient cannot be one."""
        try:
            recipient = check_name(peer.decode())
        except (BadName, UnicodeDecodeError) as error:
            return str(error)
        letter = Letter(0, recipient, source, header.epoch, header.sequence, body, header.traceparent)
        self._ask(Store(route, letter, header.previous, header.round))
        return None

    def inspect(self, route: bytes, request: Request, body: bytes) -> None:
        """Answer one of `METHODS`."""
        self._ask(Inspect(route, request.id, request.method, body))

    def arrived(self, name: str, route: bytes, now: float) -> None:
        """A recipient is connected."""
        self._do(self._office.arrived(name, route, now))

    def greeted(self, route: bytes, now: float) -> None:
        """A recipient has said HELLO once more."""
        self._do(self._office.greeted(route, now))

    def left(self, route: bytes, now: float, *, died: bool) -> None:
        """A recipient's connection is gone."""
        self._behind = {one for one in self._behind if one[0] != route}
        self._do(self._office.left(route, now, died=died))

    def acknowledged(self, route: bytes, ack: Ack, now: float) -> None:
        """ACK arrived."""
        self._do(self._office.acknowledged(route, ack, now))

    def undelivered(self, route: bytes, header: Mail) -> None:
        """A connection took no delivery: it is full at the moment."""
        self._office.undelivered(route, header.delivery)

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._do(self._office.tick(now))

    def stored(self, results: Iterable[Result], now: float) -> None:
        """The disk has answered."""
        answers = list(results)
        self._confirm(answers)
        for result in answers:
            match result:
                case Kept():
                    passing("mail.before_delivery")
                    self._do(self._office.kept(result, now))
                case Declined():
                    pass  # said above
                case Loaded():
                    self._do(self._office.loaded(result, now))
                case Buried():
                    self._do(self._office.buried(result, now))
                case Inspected():
                    answer = Error(result.request, "refused", result.error) if result.error else Reply(result.request)
                    self._send(result.route, answer, result.body, b"")
                    for recipient in result.requeued:
                        self._do(self._office.requeued(recipient, now))

    def _confirm(self, results: list[Result]) -> None:
        """Tell the senders what is stored, the highest number of each pair once, and what is not, in the order of the letters."""
        highest: dict[tuple[bytes, str, bytes], Letter] = {}
        for result in results:
            if not isinstance(result, Kept | Declined):
                continue
            route, letter = result.route, result.letter
            lane = (route, letter.recipient, letter.epoch)
            if isinstance(result, Kept):
                if self._behind:
                    self._behind = {one for one in self._behind if one[:2] != lane[:2]}
                if lane not in highest or highest[lane].sequence < letter.sequence:
                    highest[lane] = letter
                continue
            if lane in highest:
                self._stored(route, highest.pop(lane))
            self._declined(result)
        for lane, letter in highest.items():
            self._stored(lane[0], letter)

    def _stored(self, route: bytes, letter: Letter) -> None:
        self._send(route, Stored(letter.epoch, letter.sequence), b"", letter.recipient.encode())

    def _declined(self, result: Declined) -> None:
        letter, pair = result.letter, (result.route, result.letter.recipient, result.round)
        if result.code == OUT_OF_ORDER and pair in self._behind:
            return  # said once; what follows is behind too
        self._behind.add(pair)
        reject = Reject(letter.epoch, letter.sequence, result.code, result.message, result.round)
        self._send(result.route, reject, b"", letter.recipient.encode())

    def _do(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, Handing):
                letter = step.letter
                header = Mail(letter.epoch, letter.sequence, letter.traceparent, step.delivery, letter.attempts + 1)
                self._send(step.route, header, letter.body, letter.source.encode())
            else:
                self._ask(step)
