"""The broker's logic, frames in and frames out."""

from random import Random
from typing import Any

import pytest

from rostra.broker.core import HELD_SECONDS, Core
from rostra.broker.outputs import Output, ToAll, ToPeer
from rostra.broker.topics import MAX_TOPICS
from rostra.protocol.directory import Heads, Peer, Peers, Presence, Replay, Subscribe
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.limits import MAX_EVENT, MAX_FRAME, MAX_INFO
from rostra.protocol.messages import (
    NO_REQUEST,
    Beat,
    Bye,
    Cancel,
    Error,
    Event,
    Header,
    Hello,
    Publish,
    Reply,
    Request,
    Subscribed,
    Type,
    Welcome,
    Who,
    Working,
)

ID, NONCE = b"0123456789abcdef", b"n" * 16


def boot(route: bytes) -> bytes:
    return route.ljust(16, b".")


class Bench:
    """A core and what it said last."""

    def __init__(self) -> None:
        self.core = Core(b"K" * 16, 100.0)

    def say(self, route: bytes, header: Header, body: bytes = b"", peer: bytes = b"") -> list[tuple[bytes, bytes, Header]]:
        return self.heard(self.core.received(route, peer, encode_head(header), body))

    def heard(self, outputs: list[Output]) -> list[tuple[bytes, bytes, Header]]:
        self.events = [(one.topic.decode(), decode_head(one.head), one.body) for one in outputs if isinstance(one, ToAll)]
        self.sent = [one for one in outputs if isinstance(one, ToPeer)]
        return [(one.route, one.peer, decode_head(one.head)) for one in self.sent]

    def join(self, route: bytes, name: str, *, shared: bool = False, info: Any = None) -> str:
        body = b"" if info is None else encode_body(info)
        ((to, _, welcome),) = self.say(route, Hello(name, boot(route), shared), body)
        assert to == route
        assert isinstance(welcome, Welcome)
        return welcome.address

    def ask(self, route: bytes, method: str, payload: Any = None) -> Any:
        ((_, _, reply),) = self.say(route, Request(ID, method, 0), encode_body(payload))
        assert reply == Reply(ID), reply
        return decode_body(self.sent[0].body)

    def presence(self) -> list[tuple[str, str]]:
        seen = [decode_body(body, Presence) for topic, _, body in self.events if topic == "presence"]
        return [(one.address, one.state) for one in seen]


def errors(said: list[tuple[bytes, bytes, Header]]) -> list[tuple[bytes, bytes, str]]:
    """(route, id, code) of each ERROR."""
    return [(route, header.id, header.code) for route, _, header in said if isinstance(header, Error)]


@pytest.mark.requirement("R-WHO-1")
@pytest.mark.parametrize("header", [Beat(1), Publish("news", ID, 1), Request(ID, "ping", 0), Bye()])
def test_an_unknown_route_is_asked_who_it_is(header: Header) -> None:
    assert Bench().say(b"r1", header) == [(b"r1", b"", Who(b"K" * 16))]


@pytest.mark.requirement("R-HELLO-1")
def test_hello_binds_a_name_and_others_see_it_come() -> None:
    bench = Bench()
    assert bench.join(b"r1", "anna", info={"kind": "test"}) == "anna"
    assert bench.presence() == [("anna", "online")]
    assert bench.say(b"r1", Request(ID, "ask", 0), peer=b"anna") == [(b"r1", b"anna", Request(ID, "ask", 0))]


@pytest.mark.requirement("R-HELLO-2")
@pytest.mark.parametrize("name", ["", "Anna", "all", "a~1", "x" * 64, "a.b"])
def test_a_bad_name_is_refused(name: str) -> None:
    assert errors(Bench().say(b"r1", Hello(name, ID))) == [(b"r1", b"", "refused")]


@pytest.mark.requirement("R-HELLO-3")
@pytest.mark.parametrize(
    "info", [{"x": "y" * MAX_INFO}, {"x": list(range(2000))}, {"x": [[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]}, [1], "x"]
)
def test_too_much_said_of_oneself_is_refused(info: Any) -> None:
    bench = Bench()
    assert errors(bench.say(b"r1", Hello("anna", ID), encode_body(info))) == [(b"r1", b"", "refused")]
    assert len(bench.core.registry) == 0


@pytest.mark.requirement("R-HELLO-4")
def test_the_newest_process_takes_the_name_and_the_older_is_told() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    said = bench.say(b"r2", Hello("anna", boot(b"r2")))
    assert errors(said) == [(b"r1", b"", "superseded")]
    assert [(route, type(header)) for route, _, header in said] == [(b"r1", Error), (b"r2", Welcome)]
    assert bench.presence() == [("anna", "superseded"), ("anna", "online")]
    assert bench.say(b"r1", Beat(1)) == [(b"r1", b"", Who(b"K" * 16))]


@pytest.mark.requirement("R-HELLO-5")
@pytest.mark.parametrize("route", [b"r1", b"r9"])
@pytest.mark.parametrize("shared", [False, True])
def test_the_same_process_says_hello_again_and_stays_who_it_is(route: bytes, shared: bool) -> None:
    bench = Bench()
    bench.join(b"r0", "anna")
    address = bench.join(b"r1", "team", shared=shared)
    bench.say(b"r0", Request(ID, "ask", 0), peer=b"team")
    said = bench.say(route, Hello("team", boot(b"r1"), shared))
    assert [(to, header) for to, _, header in said] == [(route, Welcome(address, b"K" * 16, 15_000))]
    assert bench.presence() == [], "nobody came or went"
    assert bench.say(b"r0", Request(ID, "ask", 0), peer=b"team") == [(route, b"anna", Request(ID, "ask", 0))]


@pytest.mark.requirement("R-HELLO-6")
def test_another_identity_on_a_bound_connection_ends_the_first() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.say(b"r1", Hello("bert", boot(b"r2")))
    assert bench.presence() == [("anna", "left"), ("bert", "online")]
    assert [one["name"] for one in bench.ask(b"r1", "peers")] == ["bert"]


@pytest.mark.requirement("R-HELLO-4")
def test_a_shared_name_taken_alone_leaves_no_ghosts() -> None:
    bench = Bench()
    assert [bench.join(route, "team", shared=True) for route in (b"r1", b"r2")] == ["team~1", "team~2"]
    said = bench.say(b"r1", Hello("team", boot(b"r1"), False))
    assert (b"r1", b"", Welcome("team", b"K" * 16, 15_000)) in said
    assert [one["address"] for one in bench.ask(b"r1", "peers")] == ["team"]
    bench.join(b"r4", "anna")
    assert bench.say(b"r4", Request(ID, "ask", 0), peer=b"team")[0][0] == b"r1"


@pytest.mark.requirement("R-ROUTE-1")
@pytest.mark.parametrize("peer", [b"nobody", b"team~9", b"NO", b"a" * 300])
def test_a_request_to_nobody_is_answered_at_once(peer: bytes) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    assert errors(bench.say(b"r1", Request(ID, "ask", 0), peer=peer)) == [(b"r1", ID, "no_such_agent")]
    assert bench.say(b"r1", Reply(ID), peer=peer) == [], "only requests are answered"


@pytest.mark.requirement("R-REPLICA-1")
def test_requests_go_to_the_replica_that_works_least_and_a_repeated_id_to_the_same() -> None:
    bench = Bench()
    bench.join(b"r0", "anna")
    for route in (b"r1", b"r2"):
        bench.join(route, "team", shared=True)
    ids = [bytes([n]) * 16 for n in range(6)]
    first = [bench.say(b"r0", Request(one, "ask", 0), peer=b"team")[0][0] for one in ids]
    assert sorted(first) == [b"r1"] * 3 + [b"r2"] * 3
    assert [bench.say(b"r0", Request(one, "ask", 0), peer=b"team")[0][0] for one in ids] == first
    assert [bench.say(b"r0", Cancel(one), peer=b"team")[0][0] for one in ids] == first


@pytest.mark.requirement("R-REPLICA-2")
def test_what_a_dead_replica_held_is_answered_and_the_others_go_on() -> None:
    bench = Bench()
    bench.join(b"r0", "anna")
    for route in (b"r1", b"r2"):
        bench.join(route, "team", shared=True)
    ids = [bytes([n]) * 16 for n in range(4)]
    held = {one: bench.say(b"r0", Request(one, "ask", 0), peer=b"team")[0][0] for one in ids}
    lost = bench.heard(bench.core.unreachable(ToPeer(b"r1", b"anna", encode_head(Request(ids[0], "ask", 0)))))
    told = {id_ for route, id_, code in errors(lost) if (route, code) == (b"r0", "peer_lost")}
    assert told == {one for one in ids if held[one] == b"r1"} | {ids[0]}
    assert bench.presence() == [("team~1", "lost")]
    for one in ids:
        assert bench.say(b"r0", Request(one, "ask", 0), peer=b"team")[0][0] == b"r2"


@pytest.mark.requirement("R-REPLICA-2")
def test_the_caller_that_reconnected_meanwhile_is_told_too() -> None:
    bench = Bench()
    bench.join(b"r0", "anna")
    bench.join(b"r1", "team", shared=True)
    bench.say(b"r0", Request(ID, "ask", 0), peer=b"team")
    bench.say(b"r5", Hello("anna", boot(b"r0")))
    assert errors(bench.say(b"r1", Bye())) == [(b"r5", ID, "peer_lost")]


@pytest.mark.requirement("R-REPLICA-3")
@pytest.mark.parametrize("end", ["reply", "error", "cancel", "full", "silence"])
def test_a_replica_is_not_believed_to_work_on_what_has_ended(end: str) -> None:
    bench = Bench()
    bench.join(b"r0", "anna")
    bench.join(b"r1", "team", shared=True)
    bench.say(b"r0", Request(ID, "ask", 0), peer=b"team")
    replica = bench.core.registry.of_route(b"r1")
    assert replica is not None
    assert len(replica.held) == 1
    match end:
        case "reply":
            bench.say(b"r1", Reply(ID), peer=b"anna")
        case "error":
            bench.say(b"r1", Error(ID, "failed", "no"), peer=b"anna")
        case "cancel":
            bench.say(b"r0", Cancel(ID), peer=b"team")
        case "full":
            full = bench.heard(bench.core.congested(ToPeer(b"r1", b"anna", encode_head(Request(ID, "ask", 0)))))
            assert errors(full) == [(b"r0", ID, "mailbox_full")]
        case "silence":
            replica.lease = 300.0
            for _ in range(3):
                bench.core.now += HELD_SECONDS - 1
                bench.say(b"r1", Working(ID), peer=b"anna")
                bench.core.tick()
                assert len(replica.held) == 1, "it shows signs of life"
            bench.core.now += HELD_SECONDS + 1
            bench.core.tick()
    assert replica.held == {}


@pytest.mark.requirement("R-REPLICA-4")
def test_a_replica_can_be_addressed_itself() -> None:
    bench = Bench()
    bench.join(b"r0", "anna")
    for route in (b"r1", b"r2"):
        bench.join(route, "team", shared=True)
    for _ in range(3):
        assert bench.say(b"r0", Request(ID, "ask", 0), peer=b"team~2") == [(b"r2", b"anna", Request(ID, "ask", 0))]
    bench.say(b"r2", Bye())
    assert errors(bench.say(b"r0", Request(ID, "ask", 0), peer=b"team~2")) == [(b"r0", ID, "no_such_agent")]


def test_one_callers_answer_does_not_end_anothers_request_of_the_same_id() -> None:
    bench = Bench()
    bench.join(b"r0", "anna")
    bench.join(b"r9", "bert")
    bench.join(b"r1", "team", shared=True)
    bench.say(b"r0", Request(ID, "ask", 0), peer=b"team")
    bench.say(b"r9", Request(ID, "ask", 0), peer=b"team")
    bench.say(b"r1", Reply(ID), peer=b"bert")
    assert [route for route, _, _ in errors(bench.say(b"r1", Bye()))] == [b"r0"]


@pytest.mark.requirement("R-LEASE-3")
def test_whether_a_silent_connection_is_still_there_is_tried_twice_a_second() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    tried = []
    for _ in range(80):
        bench.core.now += 0.1
        tried += [(round(bench.core.now - 100, 1), *one) for one in bench.heard(bench.core.tick())]
    assert [one[1:] for one in tried] == [(b"r1", b"", Beat(0))] * len(tried)
    assert 6.0 <= tried[0][0] <= 6.2
    assert 3 <= len(tried) <= 4
    bench.heard(bench.core.unreachable(bench.sent[0] if bench.sent else ToPeer(b"r1", b"", encode_head(Beat(0)))))
    assert bench.presence() == [("anna", "lost")]


@pytest.mark.requirement("R-LEASE-1")
def test_a_lease_that_is_not_renewed_ends() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.join(b"r2", "bert")
    gone: list[tuple[str, str]] = []
    for _ in range(4):
        bench.core.now += 5.0
        assert bench.say(b"r2", Beat(1)) == [(b"r2", b"", Beat(1))]
        bench.heard(bench.core.tick())
        gone += bench.presence()
    assert gone == [("anna", "lost")]
    assert [one["name"] for one in bench.ask(b"r2", "peers")] == ["bert"]


@pytest.mark.requirement("R-LEASE-2")
@pytest.mark.parametrize(("asked", "given"), [(-5, 1000), (0, 1000), (10**15, 300_000), (20_000, 20_000)])
def test_a_lease_is_bounded_on_both_sides(asked: int, given: int) -> None:
    ((_, _, welcome),) = Bench().say(b"r1", Hello("anna", ID, False, asked))
    assert isinstance(welcome, Welcome)
    assert welcome.lease_ms == given


def subscribe(bench: Bench, pattern: str = ">", nonce: bytes = NONCE) -> None:
    bench.say(b"r1", Request(ID, "subscribe", 0), encode_body(Subscribe(pattern=pattern, nonce=nonce)))


@pytest.mark.requirement("R-SUB-1")
@pytest.mark.parametrize("order", ["announced first", "seen first"])
def test_a_path_is_proven_whichever_is_first(order: str) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.say(b"r1", Publish("news", boot(b"r1"), 4))
    if order == "announced first":
        subscribe(bench)
        assert bench.events == []
        assert bench.core.awaits_nonce
        bench.heard(bench.core.heard(b"\0" + NONCE))
    else:
        bench.heard(bench.core.heard(b"\0" + NONCE))
        assert bench.events == []
        subscribe(bench)
    ((topic, header, body),) = bench.events
    assert (topic, header) == ("\0" + NONCE.decode(), Subscribed(NONCE))
    heads = decode_body(body, Heads)
    assert heads["news"].last == 1
    assert [tuple(one) for one in heads["news"].producers] == [("anna", boot(b"r1"), 4)]
    assert not bench.core.awaits_nonce


def test_a_nonce_that_never_comes_is_forgotten() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    subscribe(bench)
    for junk in (b"\0", b"\0short", b"\0" + b"x" * 5000, b"", b"news"):
        bench.core.heard(junk)
    bench.core.heard(b"\0" + b"z" * 16)
    assert len(bench.core.events._seen) == 1
    bench.core.now += 6.0
    bench.core.tick()
    assert not bench.core.awaits_nonce
    assert not bench.core.events._seen


@pytest.mark.requirement("R-SUB-2")
def test_four_thousand_topics_are_proven_in_parts_that_fit() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    for number in range(MAX_TOPICS + 10):
        bench.say(b"r1", Publish(f"chat.{number}.{'x' * 60}", boot(b"r1"), 1))
    assert len(bench.core.events.topics) == MAX_TOPICS
    subscribe(bench)
    bench.heard(bench.core.heard(b"\0" + NONCE))
    heads: Heads = {}
    for number, (_, header, body) in enumerate(bench.events):
        assert header == Subscribed(NONCE, number, len(bench.events))
        heads |= decode_body(body, Heads)
    assert len(heads) == MAX_TOPICS


@pytest.mark.requirement("R-PUBLISH-1")
def test_an_event_is_stamped_and_can_be_replayed_byte_for_byte() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.core.wall_ms = 1234
    bench.say(b"r1", Publish("news", boot(b"r1"), 7, "trace"), b"\x01")
    ((topic, header, body),) = bench.events
    assert isinstance(header, Event)
    assert (topic, body) == ("news", b"\x01")
    assert header == Event("anna", header.series, 1, 1234, boot(b"r1"), 7, "trace")
    replayed = bench.ask(b"r1", "replay", Replay(topic="news", after=0))
    assert replayed["events"] == [[encode_head(header), b"\x01"]]


@pytest.mark.requirement("R-PUBLISH-2")
@pytest.mark.parametrize(
    "header",
    [
        Publish("presence", boot(b"r1"), 1),
        Publish("news", ID, 1),
        Publish("*", boot(b"r1"), 1),
        Publish("\0" + "n" * 16, boot(b"r1"), 1),
    ],
)
def test_what_may_not_be_published_is_complained_about_and_nobody_sees_it(header: Publish) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    ((_, id_, _),) = errors(bench.say(b"r1", header))
    assert id_ == NO_REQUEST
    assert bench.events == []


@pytest.mark.requirement("R-LIMIT-4")
def test_the_largest_event_can_be_replayed_and_a_larger_one_is_refused() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.say(b"r1", Publish("news", boot(b"r1"), 1), bytes(MAX_EVENT))
    assert len(bench.events) == 1
    ((_, _, reply),) = bench.say(b"r1", Request(ID, "replay", 0), encode_body(Replay(topic="news", after=0)))
    assert reply == Reply(ID)
    assert MAX_EVENT < len(bench.sent[0].body) < MAX_FRAME
    assert errors(bench.say(b"r1", Publish("news", boot(b"r1"), 2), bytes(MAX_EVENT + 1))) == [(b"r1", NO_REQUEST, "too_large")]
    assert bench.events == []


@pytest.mark.requirement("R-PEERS-1")
def test_peers_come_in_pages_that_fit_whatever_they_say_of_themselves() -> None:
    bench = Bench()
    for number in range(1300):
        info = {"description": "x" * (60_000 if number % 50 == 0 else 10), "tools": ["t"] * 90}
        bench.join(b"r%d" % number, f"a{number:04}", info=info)
    seen: list[str] = []
    while True:
        page = bench.ask(b"r1", "peers", Peers(after=seen[-1]) if seen else None)
        if not page:
            break
        seen += [decode_body(encode_body(one), Peer).address for one in page]
    assert seen == [f"a{number:04}" for number in range(1300)]


@pytest.mark.requirement("R-BROKER-1")
@pytest.mark.parametrize(
    ("method", "body"),
    [("nonsense", b""), ("replay", b"\xc1"), ("subscribe", b""), ("replay", encode_body(Replay(topic="x", after=0)))],
)
def test_a_bad_request_to_the_broker_is_refused_by_its_id(method: str, body: bytes) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    assert errors(bench.say(b"r1", Request(ID, method, 0), body)) == [(b"r1", ID, "refused")]


@pytest.mark.requirement("R-ERROR-1")
@pytest.mark.parametrize(
    ("peer", "head"),
    [
        (b"", b""),
        (b"", b"\x01\x10\x91\xa1\xff"),
        (b"", b"\x01\x01\x92\xa1\xff\xc4\x10" + ID),
        (b"\xff\xfe", encode_head(Request(ID, "ask", 0))),
        (b"anna", encode_head(Beat(1))),
    ],
)
def test_what_is_no_message_is_complained_about_and_the_session_goes_on(peer: bytes, head: bytes) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    ((_, id_, _),) = errors(bench.heard(bench.core.received(b"r1", peer, head, b"")))
    assert id_ == NO_REQUEST
    assert bench.ask(b"r1", "ping") is None


@pytest.mark.requirement("R-ERROR-1")
@pytest.mark.parametrize("seed", range(20))
def test_noise_never_breaks_the_broker(seed: int) -> None:
    bench, random = Bench(), Random(seed)
    bench.join(b"r1", "anna")
    bench.join(b"r2", "team", shared=True)
    headers = (
        Hello("bert", ID),
        Request(ID, "replay", 5),
        Publish("news", boot(b"r1"), 1),
        Reply(ID),
        Error(ID, "x", "y"),
        Cancel(ID),
    )
    heads = [encode_head(one) for one in headers]
    far = Replay(topic="news", after=-(2**40), limit=-1)
    bodies = [b"", b"\xc0", encode_body(far), encode_body(Subscribe(pattern="*", nonce=NONCE))]
    for _ in range(400):
        head = bytearray(random.choice(heads))
        for _ in range(random.choice([0, 0, 1, 3])):
            head[random.randrange(len(head))] = random.randrange(256)
        if random.random() < 0.2:
            head[1] = random.choice(list(Type))
        peer = random.choice([b"", b"", b"anna", b"team", b"team~1", b"\xff", b"~", random.randbytes(4)])
        body = random.choice([*bodies, random.randbytes(random.randrange(20))])
        bench.core.received(random.choice([b"r1", b"r2", b"r3"]), peer, bytes(head), body)
        bench.core.heard(random.choice([b"\0" + NONCE, random.randbytes(17), b"\0"]))
        bench.core.now += random.choice([0.0, 0.1, 5.0])
        bench.core.tick()
