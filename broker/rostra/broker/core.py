"""The broker's logic as a pure state machine: frames in, frames out; no socket, no clock (SPEC §7)."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from rostra.protocol.bundles import unbundle
from rostra.protocol.directory import BrokerStats, State
from rostra.protocol.errors import BadMessage, BadName, RostraError
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.ids import ID_SIZE, new_id
from rostra.protocol.keys import CONSOLE_KEY, may_be
from rostra.protocol.limits import MAX_INFO, MAX_INFO_DEPTH, MAX_INFO_NODES, check_body, count_nodes
from rostra.protocol.messages import (
    NO_REQUEST,
    Ack,
    Beat,
    Bundle,
    Bye,
    Cancel,
    Error,
    Header,
    Hello,
    Mail,
    Publish,
    Reject,
    Reply,
    Request,
    Welcome,
    Who,
    Working,
)
from rostra.protocol.names import check_name
from rostra.protocol.subscriptions import NONCE_MARK

from .access import Access, Denied, named
from .events import Events
from .mail.desk import METHODS, Desk
from .mail.operations import Result
from .outputs import Output, ToDisk, ToPeer, short
from .questions import Questions
from .rates import Meters, refusal
from .registry import Connection, Registry, replica_for
from .succession import Succession

log = logging.getLogger(__name__)

MIN_LEASE, MAX_LEASE = 1.0, 300.0
QUIET = 6.0
"""Seconds without a word, a BEAT included, after which the broker tries whether the connection is still there: a socket tells of
one that is gone only when it is used."""
TRY = 0.5
HELD_SECONDS = 20.0
"""A replica of which nothing is heard about a request for so long does not work on it: the answer, or the cancel, was lost."""
MAX_NUMBER = 2**63


class Core:
    """The broker. `wall_ms` (milliseconds since 1970) and `now` (monotonic seconds) are the shell's clocks."""

    def __init__(self, boot: bytes = b"", now: float = 0.0, *, guarded: bool = False, access: Access | None = None) -> None:
        self.boot = boot or new_id()
        self.registry = Registry()
        self._guarded, self._access = guarded, access or Access()
        self._admitted: set[str] | None = None
        self.knows: Callable[[str], bool] = lambda user: user in (self._admitted or ())
        """Whether someone may be connected. The guard's own answer is newer than what `admit` was told last."""
        self.routed = self.refused = self.unreached = 0
        self.now, self.wall_ms = now, 0
        self._meters = Meters()
        self._succession = Succession()
        self._started = now
        self._out: list[Output] = []
        self.events = Events(self.boot, lambda output: self._out.append(output))
        self._questions = Questions(self.registry, self.events, self._access, self._stats)
        self._mail = Desk(self._send, lambda operation: self._out.append(ToDisk(operation)))

    @property
    def awaits_nonce(self) -> bool:
        """Whether a subscription is announced that has not arrived on the event socket yet."""
        return self.events.awaits_nonce

    def may_subscribe(self, user: str, prefix: bytes) -> bool:
        """Whether the holder of the key `user` may have events on topics that begin with `prefix`."""
        if self._guarded and not self.knows(user):
            return False
        return prefix.startswith(NONCE_MARK) or self._access.allows(named(user), "subscribe", prefix.decode(errors="replace"))

    def admit(self, users: set[str]) -> bool:
        """Only these (`Guard.identities`) may be connected; True when one of before is no longer among them."""
        if users == self._admitted:
            return False
        gone = (self._admitted or users) - users
        self._admitted = users
        for connection in self.registry:
            if connection.user in gone:
                self._send(connection.route, Error(b"", "refused", "the key was revoked"))
                self._drop(connection, "lost")
        return bool(gone)

    # ---- inputs

    def received(self, route: bytes, peer: bytes, head: bytes, body: bytes, user: str = "") -> list[Output]:
        """A message arrived from a connection; `user` is the name of the key it was made with."""
        connection = self.registry.of_route(route)
        if connection is not None and connection.user != user:
            log.warning("a connection of %s with the key of %r was refused", connection.name, named(user))
            self._drop(connection, "lost")  # a routing id is no name: whoever came by it starts anew
            connection = None
        try:
            header = decode_head(head)
            if not peer.isascii():
                raise BadMessage("a name is ASCII")
            if connection is None:
                if isinstance(header, Hello) and not peer:
                    self._hello(route, header, body, user)
                else:
                    self._send(route, Who(self.boot))
            elif isinstance(header, Bundle):
                for inner, payload in unbundle(body, for_broker=not peer):
                    self._take(connection, peer, inner, payload)
            else:
                self._pass(connection, peer, header, head, body)
        except RostraError as error:
            self.refused += 1
            self._send(route, Error(NO_REQUEST if connection else b"", error.code, short(error)))
        return self._flush()

    def _take(self, connection: Connection, peer: bytes, head: bytes, body: bytes) -> None:
        """One message of a bundle; what is wrong with it is no fault of the others."""
        try:
            self._pass(connection, peer, decode_head(head), head, body)
        except RostraError as error:
            self.refused += 1
            self._send(connection.route, Error(NO_REQUEST, error.code, short(error)))

    def _pass(self, connection: Connection, peer: bytes, header: Header, head: bytes, body: bytes) -> None:
        if connection.meter:
            size = len(head) + len(body)
            lacking = connection.meter.lacks(self.now, size)
            answer = refusal(header, f"{connection.name} sends more than it may", between_peers=bool(peer)) if lacking else None
            if answer is not None:
                self.refused += 1
                details = encode_body({"retry_after": round(lacking, 3)})
                self._send(connection.route, answer, details, peer if isinstance(header, Mail) else b"")
                return
            if not lacking:
                connection.meter.take(self.now, size)
        if peer:
            self._route(connection, peer, header, head, body)
        else:
            self._serve(connection, header, body)

    def malformed(self, route: bytes, why: str) -> list[Output]:
        """A connection sent something that is not three frames."""
        self.refused += 1
        if self.registry.of_route(route) is None:
            self._send(route, Who(self.boot))
        log.warning("malformed message: %s", why)
        return self._flush()

    def heard(self, subscription: bytes) -> list[Output]:
        """The event socket saw a new subscription."""
        self.events.heard(subscription, self.now)
        return self._flush()

    def unreachable(self, output: ToPeer) -> list[Output]:
        """The connection of `output` is gone."""
        self.unreached += 1
        connection = self.registry.of_route(output.route)
        if connection is not None:
            self._drop(connection, "lost")
        self._bounce(output, "peer_lost", "the peer's connection is gone")
        return self._flush()

    def congested(self, output: ToPeer) -> list[Output]:
        """The connection of `output` takes nothing more at the moment."""
        self.refused += 1
        self._bounce(output, "mailbox_full", "the peer's connection is full")
        return self._flush()

    def stored(self, results: Iterable[Result]) -> list[Output]:
        """The mail store has answered."""
        self._mail.stored(results, self.now)
        return self._flush()

    def tick(self) -> list[Output]:
        """Time has passed: end leases that ran out."""
        for connection in self.registry:
            if self.now > connection.seen + connection.lease:
                log.info("%s gave no sign of life for %.0f s", connection.address.decode(), connection.lease)
                self._drop(connection, "lost")
                continue
            if self.now > max(connection.seen + QUIET, connection.tried + TRY):
                connection.tried = self.now
                self._send(connection.route, Beat(0))
            if connection.held:
                silent = self.now - HELD_SECONDS
                connection.held = {key: sign for key, sign in connection.held.items() if sign > silent}
        self._mail.tick(self.now)
        self._meters.forget_idle({connection.name for connection in self.registry}, self.now)
        self.events.tick(self.now)
        return self._flush()

    # ---- connections

    def _hello(self, route: bytes, hello: Hello, body: bytes, user: str) -> None:
        try:
            name = check_name(hello.name)
            if self._guarded and not self.knows(user):
                log.warning("a key that was revoked was refused the name %s", name)
                raise Denied("the key was revoked")
            if self._guarded and not may_be(named(user), name):
                log.warning("the key of %s was refused the name %s", named(user), name)
                raise BadName(name, "this key is of another name")
            info = decode_body(check_body(body, MAX_INFO, MAX_INFO_NODES, MAX_INFO_DEPTH), dict[str, Any]) if body else {}
        except (BadName, BadMessage, Denied) as error:
            self.refused += 1
            self._send(route, Error(b"", "refused", short(error)))
            return
        if self._succession.is_over(name, hello.boot):
            self._send(route, Error(b"", "superseded", f"a newer process is {name} now"))
            return
        before = self.registry.of_route(route)
        if before is not None and not before.is_of(hello):
            self._drop(before, "left")
        lease = min(MAX_LEASE, max(MIN_LEASE, hello.lease_ms / 1000))
        connection = Connection(route, name, name.encode(), hello.boot, hello.shared, lease, self.now, self.wall_ms, user, info)
        connection.weight = (len(body), count_nodes(body) if body else 1)
        connection.meter = self._meters.of(name, self._access.rate(name), self.now)
        again = False
        for other in self.registry.holder(name):
            if other.is_of(hello):  # the same process, over a new connection or because it did not hear us
                again, connection.address, connection.held, connection.since_ms = True, other.address, other.held, other.since_ms
                self.registry.remove(other)
                if other.route != route:
                    self._mail.left(other.route, self.now, died=False)
            elif not (other.shared and hello.shared):
                self._send(other.route, Error(b"", "superseded", f"a newer process is {name} now"))
                self._succession.took(name, hello.boot, of=other.boot)
                self._drop(other, "superseded")
        self._succession.took(name, hello.boot)
        if hello.shared and not again:
            connection.address = self.registry.replica_address(name)
        self.registry.add(connection, free=self._access.free(name))
        self._send(route, Welcome(connection.address.decode(), self.boot, round(lease * 1000)))
        if not again:
            self.events.presence(connection, "online", self.wall_ms)
        if again and before is not None and before.is_of(hello):
            self._mail.greeted(route, self.now)
        else:
            self._mail.arrived(name, route, self.now)

    def _drop(self, connection: Connection, state: State) -> None:
        self.registry.remove(connection)
        if state == "lost" and not connection.shared:
            self._succession.lost(connection.name, connection.boot)
        self._mail.left(connection.route, self.now, died=state in ("lost", "superseded"))
        self._lose(connection)
        self.events.presence(connection, state, self.wall_ms)

    def _lose(self, connection: Connection) -> None:
        """Answer what a replica held; the requests of other peers are repeated by their callers."""
        for caller, id_ in connection.held:
            route = self.registry.routes.get(caller)
            if route is not None:
                self._send(route, Error(id_, "peer_lost", f"{connection.address.decode()} went away before it answered"))
        connection.held = {}

    # ---- between peers

    def _route(self, source: Connection, peer: bytes, header: Header, head: bytes, body: bytes) -> None:
        if isinstance(header, Mail):
            self._post(source, peer, header, body)
            return
        if not isinstance(header, Request | Reply | Error | Working | Cancel):
            raise BadMessage(f"{type(header).__name__} is for the broker only")
        self.routed += 1
        if isinstance(header, Request) and not self._access.allows(source.name, "ask", peer.decode().partition("~")[0]):
            self._deny(source, f"ask {peer.decode()}", Error(header.id, "refused", f"{source.name} may not ask {peer.decode()}"))
            return
        if isinstance(header, Reply | Error):
            source.held.pop((peer, header.id), None)
        elif isinstance(header, Working) and (peer, header.id) in source.held:
            source.held[peer, header.id] = self.now
        replicas = self.registry.replicas(peer)
        if replicas is not None:
            target = replica_for(replicas, source.address, header, self.now)
        else:
            route = self.registry.routes.get(peer)
            target = self.registry.of_route(route) if route else None
        if target is not None:
            self._out.append(ToPeer(target.route, source.address, head, body))
        elif isinstance(header, Request):
            name = peer.decode(errors="replace")
            self._send(source.route, Error(header.id, "no_such_agent", f"nobody called {name!r} is connected"))

    def _bounce(self, output: ToPeer, code: str, why: str) -> None:
        """Tell the sender of a request that could not be delivered."""
        try:
            header = decode_head(output.head)
            messages = unbundle(output.body) if isinstance(header, Bundle) else []
        except BadMessage:  # what goes between bound names is not looked into on its way
            return
        for head, body in messages:
            self._bounce(ToPeer(output.route, output.peer, head, body), code, why)
        if isinstance(header, Mail):
            self._mail.undelivered(output.route, header)
        if not isinstance(header, Request):
            return
        target = self.registry.of_route(output.route)
        if target is not None:
            target.held.pop((output.peer, header.id), None)
        route = self.registry.routes.get(output.peer)
        if route is not None:
            self._send(route, Error(header.id, code, why))

    def _post(self, source: Connection, peer: bytes, header: Mail, body: bytes) -> None:
        if len(header.epoch) != ID_SIZE or not 0 <= header.previous < header.sequence < MAX_NUMBER or header.round < 0:
            raise BadMessage("an epoch has 16 bytes, and numbers rise from 1")
        recipient = peer.decode(errors="replace")
        if not self._access.allows(source.name, "tell", recipient):
            why: str | None = f"{source.name} may not tell {recipient}"
        else:
            why = self._mail.post(source.route, source.name, peer, header, body)
        if why:
            self._deny(source, f"tell {recipient!r}", Reject(header.epoch, header.sequence, "refused", why, header.round), peer)

    # ---- the broker's own services

    def _serve(self, connection: Connection, header: Header, body: bytes) -> None:
        connection.seen = self.now
        match header:
            case Beat():
                self._send(connection.route, header)
            case Publish():
                if not self._access.allows(connection.name, "publish", header.topic):
                    raise Denied(f"{connection.name} may not publish on {header.topic}")
                self.events.publish(connection, header, body, self.wall_ms)
            case Request():
                self._request(connection, header, body)
            case Ack():
                self._mail.acknowledged(connection.route, header, self.now)
            case Hello():
                self._hello(connection.route, header, body, connection.user)
            case Bye():
                self._drop(connection, "left")
            case Error() | Cancel() | Working():
                pass
            case _:
                raise BadMessage(f"{type(header).__name__} is not for the broker")

    def _request(self, connection: Connection, request: Request, body: bytes) -> None:
        if request.method in METHODS:
            if self._guarded and named(connection.user) != CONSOLE_KEY:
                error = Error(request.id, "refused", "letters are looked into from a console only")
                self._deny(connection, request.method, error)
            else:
                self._mail.inspect(connection.route, request, body)
            return
        try:
            answer = encode_body(self._questions.answer(connection.name, request.method, body, self.now))
        except RostraError as error:
            self.refused += 1
            code = "refused" if isinstance(error, BadName | BadMessage) else error.code
            self._send(connection.route, Error(request.id, code, short(error)))
        else:
            self._send(connection.route, Reply(request.id), answer)

    def _stats(self) -> BrokerStats:
        return BrokerStats(
            boot=self.boot,
            uptime_seconds=round(self.now - self._started, 3),
            peers=len(self.registry),
            topics=len(self.events.topics),
            routed=self.routed,
            published=self.events.published,
            refused=self.refused,
            unreachable=self.unreached,
            retained_bytes=self.events.topics.retained,
        )

    def _deny(self, source: Connection, what: str, answer: Header, peer: bytes = b"") -> None:
        self.refused += 1
        log.warning("%s may not %s", source.name, what)
        self._send(source.route, answer, peer=peer)

    # ---- output

    def _send(self, route: bytes, header: Header, body: bytes = b"", peer: bytes = b"") -> None:
        self._out.append(ToPeer(route, peer, encode_head(header), body))

    def _flush(self) -> list[Output]:
        out, self._out = self._out, []
        return out
