"""The client: a peer on the bus, on asyncio."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from . import redaction
from .chat import ChatMessage
from .directory import BrokerStats, Peer, Peers
from .effects import (
    Answered,
    Bound,
    CancelIncoming,
    Closed,
    Delivered,
    Effect,
    Ended,
    Failed,
    Incoming,
    Lettered,
    Listen,
    Missed,
    NotPosted,
    Open,
    Posted,
    Send,
)
from .errors import BrokerLost, Cancelled, Refused, RequestError, TimedOut, Unsupported
from .failpoints import passing
from .frames import decode_body, encode_body
from .ids import new_id
from .names import BROKER, check_name, check_topic
from .session import Session
from .subscription import ReceivedEvent, Subscription
from .transport import Transport
from .voting import Method, Proposal, Tally, TieRule
from .waiting import Waiting
from .zmq_transport import open_transport

T = TypeVar("T")


class Client:
    """A peer on the bus: asks and answers, publishes and subscribes.

    Use as `async with Client.connect(address, name="probe") as bus`. All methods belong to the loop that entered it.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        info: dict[str, Any] | None = None,
        shared: bool = False,
        boot: bytes = b"",
    ) -> None:
        self.name = check_name(name)
        self.session = Session(name, info, shared=shared, boot=boot)
        self.address = ""
        """What others see as our sender; empty until bound."""
        self.on_request: Callable[[Incoming], None] | None = None
        """Called with each new request; without it requests are refused."""
        self.on_cancel: Callable[[CancelIncoming], None] | None = None
        self.on_bound: Callable[[bool], None] | None = None
        """Called when the broker knows us (again); True: it is another broker process than before."""
        self.ended: asyncio.Future[RequestError | None]
        """Done when the session is over for good; holds why, or None after `aclose`."""
        self._transport = transport
        self._calls: Waiting[bytes] = Waiting()
        self._letters: Waiting[None] = Waiting()
        self._read: Callable[[Lettered], None] | None = None
        self._unread: list[Lettered] = []
        self._subscriptions: dict[int, Subscription] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self.keeps = False
        """Whether what others send is kept here, on disk: then secrets in it are masked when it comes in, too."""
        self._begun = self._closed = False

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        name: str,
        info: dict[str, Any] | None = None,
        shared: bool = False,
        keys: Path | str | None = None,
    ) -> "Client":
        """A client of the broker at `address`; connects when entered.

        `keys`: the directory of the key ring, needed for TCP; without it the environment's ROSTRA_KEYS. Raises `BadName` for
        a bad address or name, `NoKey` for a missing key.
        """
        return cls(open_transport(address, name, keys), name=name, info=info, shared=shared)

    async def __aenter__(self) -> Self:
        """Connect and wait until the broker knows us: at most 10 s, then `BrokerLost`."""
        await self.open()
        try:
            await self.bound(10.0)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Begin to connect; returns at once."""
        self._loop = asyncio.get_running_loop()
        self.ended, self._first_bound = self._loop.create_future(), self._loop.create_future()
        self._begun = True
        self._transport.open(self)

    async def bound(self, timeout: float) -> None:
        """Wait until the broker knows us, at most `timeout` seconds; raises `BrokerLost`, or why it refused us."""
        waiting = {self._first_bound, self.ended}
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if self.ended.done():
            raise self.ended.result() or Cancelled("the client was closed")
        if not self._first_bound.done():
            raise BrokerLost("the broker cannot be reached")

    async def aclose(self) -> None:
        """Say BYE, flush, close. Pending requests fail with `Cancelled`, subscriptions end."""
        if self._closed or not self._begun:
            return
        self._apply(self.session.leave())
        self._closed = True
        if self._timer:
            self._timer.cancel()
        await self._transport.aclose()

    # ---- verbs

    async def ask(
        self, name: str, content: str | ChatMessage, *, timeout: float | None = 60.0, absent: float = 0.0
    ) -> ChatMessage:
        """Ask the agent `name` and return its answer.

        `timeout` is the hard limit in seconds (None: as long as it shows signs of life); `absent`: how long to wait for an
        agent that is not there. Raises `NoSuchAgent`, `PeerLost`, `BrokerLost`, `TimedOut`, `MailboxFull`, `RemoteError`, …
        """
        message = ChatMessage(content=content, name=self.name) if isinstance(content, str) else content
        answer: ChatMessage = await self.request(name, "ask", message, reply=ChatMessage, timeout=timeout, absent=absent)
        return answer

    async def request(
        self,
        name: str,
        method: str,
        payload: Any = None,
        *,
        reply: type[T] | Any = Any,
        timeout: float | None = 60.0,
        absent: float = 0.0,
        id: bytes | None = None,  # noqa: A002
    ) -> Any:
        """Ask the peer `name` ("" = the broker) for `method` and return its answer as `reply`.

        `payload`: a typed struct or plain values. `id`: 16 bytes; the same id is worked on once by one peer. Raises as `ask`,
        and `BadMessage` for an answer that is no `reply`.
        """
        body = redaction.own.body(encode_body(payload))
        id_ = id or new_id()
        if id_ in self._calls:
            raise Refused(f"a request with the id {id_.hex()} is under way", peer=name)
        effects = self.session.request(id_, name, method, body, self._loop.time(), timeout=timeout, absent=absent)
        future = self._calls.add(id_, self._loop)
        self._apply(effects)
        try:
            answer = await future
        except asyncio.CancelledError:
            if self._calls.forget(id_):
                self._apply(self.session.cancel(id_))
            raise
        return decode_body(self.visible(answer), reply)

    async def tell(self, name: str, content: str | ChatMessage, *, timeout: float | None = 60.0) -> None:
        """Send a letter to `name`, who may be away; returns when the broker has it on disk.

        It is delivered in order, and again until it is handled. Raises `MailboxFull`, `StorageFull`, `Refused`; `TimedOut`
        after `timeout` seconds, when it may be stored all the same.
        """
        message = ChatMessage(content=content, name=self.name) if isinstance(content, str) else content
        await self.tell_raw(check_name(name), redaction.own.body(encode_body(message)), timeout=timeout)

    async def tell_raw(self, name: str, body: bytes, *, timeout: float | None = 60.0) -> None:
        """As `tell`, with a body that is encoded already."""
        token = new_id()
        future = self._letters.add(token, self._loop)
        self._apply(self.session.tell(token, name, body, self._loop.time()))
        passing("sender.told")
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            raise TimedOut(f"the broker did not confirm the letter to {name} in time; it may be stored", peer=name) from None
        finally:
            self._letters.forget(token)

    def publish(self, topic: str, payload: Any) -> None:
        """Publish an event on `topic`: at most once to each subscriber, and what is lost is counted there."""
        self._apply(self.session.publish(check_topic(topic), redaction.own.body(encode_body(payload))))

    def subscribe(
        self, pattern: str, *, since: int | None = None, on_gap: Callable[[str, int], None] | None = None
    ) -> Subscription:
        """A subscription to the topics under `pattern` (`*` one token, a final `>` one or more).

        `since`: begin after this sequence of the topic, as far as the broker retains it; without it, with what comes now.
        Iterate it, or enter it first (`async with`) to be sure that it is in place.
        """
        return Subscription(self, pattern, since, on_gap)

    async def vote(
        self,
        text: str,
        options: Sequence[str],
        *,
        members: Sequence[str],
        method: Method = "majority",
        quorum: int = 0,
        timeout: float = 60.0,
        tie: TieRule = "none",
        chair: str = "",
        weights: Mapping[str, float] | None = None,
        secret: bool = False,
    ) -> Tally:
        """Let the agents `members` vote on `text`, and count what came back within `timeout` seconds; see `Proposal`.

        A voter who is dead, silent or unable is absent in the tally, and raises nothing. Raises `BadProposal`.
        """
        from .vote import vote  # counting is loaded where votes are held

        rules: dict[str, Any] = {"tie": tie, "chair": chair, "weights": dict(weights or {}), "secret": secret}
        proposal = Proposal(text=text, options=tuple(options), method=method, quorum=quorum, seconds=timeout, **rules)
        return await vote(self, proposal, members)

    async def peers(self) -> list[Peer]:
        """Who is connected."""
        peers: list[Peer] = []
        page = None
        while page is None or page:
            wish = Peers(after=page[-1].address) if page else None
            page = await self.request(BROKER, "peers", wish, reply=list[Peer], timeout=10.0)
            peers += page
        return peers

    async def broker_stats(self) -> BrokerStats:
        """The broker's counters."""
        stats: BrokerStats = await self.request(BROKER, "stats", reply=BrokerStats, timeout=10.0)
        return stats

    # ---- answering

    def reply(self, request: Incoming, payload: Any) -> None:
        """Answer a request; raises `BadMessage` when the payload cannot be sent."""
        body = redaction.own.body(encode_body(payload))
        self._apply(self.session.serving.reply(request.sender, request.id, body))

    def visible(self, body: bytes) -> bytes:
        """A body that came in, as far as it may be seen here."""
        return redaction.own.body(body) if self.keeps else body

    def fail(self, request: Incoming, error: RequestError) -> None:
        """Answer a request with an error; secrets in what it says are masked."""
        self._apply(self.session.serving.fail(request.sender, request.id, error, redaction.own))

    def read_mail(self, reader: Callable[[Lettered], None]) -> None:
        """Have `reader` called with each letter, one at a time: the next comes after `mail_done` or `mail_failed`."""
        self._read = reader
        unread, self._unread = self._unread, []
        for letter in unread:
            reader(letter)

    def mail_done(self, letter: Lettered) -> None:
        """A letter is handled: it will not come again."""
        self._apply(self.session.mail_done(letter))

    def mail_failed(self, letter: Lettered, reason: str) -> None:
        """A letter could not be handled: it comes again, at most five times, then it is a dead letter."""
        self._apply(self.session.mail_failed(letter, reason))

    # ---- what the transport sees (Listener)

    def connected(self) -> None:
        """See `Listener`."""
        self._apply(self.session.connected(self._loop.time()))

    def disconnected(self) -> None:
        """See `Listener`."""
        self._apply(self.session.disconnected())

    def events_connected(self) -> None:
        """See `Listener`."""
        self._apply(self.session.events_connected(self._loop.time()))

    def received(self, peer: bytes, head: bytes, body: bytes) -> None:
        """See `Listener`."""
        self._apply(self.session.received(peer, head, body, self._loop.time()))

    def received_event(self, topic: bytes, head: bytes, body: bytes) -> None:
        """See `Listener`."""
        self._apply(self.session.received_event(topic, head, body, self._loop.time()))

    # ---- inside

    def _subscribe(self, subscription: Subscription, since: int | None) -> int:
        number, effects = self.session.subscribe(subscription.pattern, since, self._loop.time())
        self._subscriptions[number] = subscription
        self._apply(effects)
        return number

    def _unsubscribe(self, number: int) -> None:
        self._subscriptions.pop(number, None)
        self._apply(self.session.subscriptions.unsubscribe(number))

    def _taken(self, number: int) -> None:
        subscriptions = self.session.subscriptions
        subscriptions.taken(number)
        if subscriptions.asks:
            self._apply(self.session.asked(self._loop.time()))

    def _tick(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        self._apply(self.session.tick(self._loop.time()))

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self._transport.send(effect.peer, effect.head, effect.body)
                case Answered():
                    self._calls.came(effect.id, effect.body)
                case Delivered():
                    if subscription := self._subscriptions.get(effect.number):
                        subscription._deliver(ReceivedEvent(effect.topic, effect.event, effect.body))
                case Incoming():
                    self._incoming(effect)
                case Failed():
                    self._calls.failed(effect.id, effect.error)
                case Posted():
                    self._letters.came(effect.token, None)
                case NotPosted():
                    self._letters.failed(effect.token, effect.error)
                case Lettered():
                    if self._read:
                        self._read(effect)
                    else:
                        self._unread.append(effect)
                case CancelIncoming():
                    if self.on_cancel:
                        self.on_cancel(effect)
                case Missed():
                    if subscription := self._subscriptions.get(effect.number):
                        subscription._gap(effect.topic, effect.count)
                case Listen():
                    self._transport.listen(effect.prefix, on=effect.on)
                case Open():
                    if (subscription := self._subscriptions.get(effect.number)) and not subscription._opened.done():
                        subscription._opened.set_result(None)
                case Closed():
                    if subscription := self._subscriptions.pop(effect.number, None):
                        subscription._finish(effect.error)
                case Bound():
                    self.address = effect.address
                    if not self._first_bound.done():
                        self._first_bound.set_result(None)
                    if self.on_bound:
                        self._loop.call_soon(self.on_bound, effect.fresh)
                case Ended():
                    self._finish(effect.error)
        due = self.session.due
        if due < self._timer_at:
            self._arm(due)

    def _incoming(self, request: Incoming) -> None:
        if self.on_request:
            self.on_request(request)
        else:
            self.fail(request, Unsupported(f"{self.name} answers no requests"))

    def _finish(self, error: RequestError | None) -> None:
        for subscription in list(self._subscriptions.values()):
            subscription._finish(error)
        self._subscriptions.clear()
        with contextlib.suppress(asyncio.InvalidStateError):
            self.ended.set_result(error)

    def _arm(self, due: float) -> None:
        if not self._closed:
            if self._timer:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self._loop.call_at(due, self._tick)
