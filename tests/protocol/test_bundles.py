"""Several messages in one: the effect of one after the other, refused as a whole or not at all, and no lone message waits."""

import asyncio
from random import Random
from typing import Any

import msgspec
import pytest

from rostra.broker.core import Core
from rostra.broker.outputs import Output, ToPeer
from rostra.protocol import Client, Incoming, NoSuchAgent, Service, Transport, ZmqTransport
from rostra.protocol.bundles import MARK, MAX_COUNT, SIZE, Message, bundled, count, may_bundle, unbundle
from rostra.protocol.effects import Effect
from rostra.protocol.effects import Incoming as Asked
from rostra.protocol.errors import BadMessage
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.ids import new_id
from rostra.protocol.messages import (
    Ack,
    Bundle,
    Bye,
    Cancel,
    Error,
    Hello,
    Mail,
    Publish,
    Reply,
    Request,
    Welcome,
    Working,
)
from rostra.protocol.session import Session

BOOT = b"b" * 16
pack = msgspec.msgpack.encode


def request(method: str = "ask") -> Message:
    return encode_head(Request(new_id(), method, 1000)), encode_body(method)


@pytest.mark.requirement("R-BUNDLE-1")
def test_what_was_bundled_comes_out_in_order() -> None:
    random = Random(6)
    for _ in range(50):
        messages = [
            (encode_head(Working(new_id())), random.randbytes(random.choice((0, 10, 5000))))
            for _ in range(random.randrange(1, 400))
        ]
        opened = []
        for head, body in bundled(messages):
            if head[:2] == MARK:
                assert count(body) == decode_head(head).count <= MAX_COUNT  # type: ignore[attr-defined]
                opened += unbundle(body)
            else:
                opened.append((head, body))
        assert opened == messages


def test_a_lone_message_is_no_bundle_and_a_large_one_travels_alone() -> None:
    lone, large = request(), (encode_head(Reply(new_id())), bytes(SIZE))
    assert list(bundled([lone])) == [lone]
    assert list(bundled([lone, large, lone])) == [lone, large, lone]
    assert list(bundled([])) == []


@pytest.mark.requirement("R-BUNDLE-2")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc0",
        pack([]),
        pack([list(request())] * (MAX_COUNT + 1)),
        b"\xdd\xff\xff\xff\xff",
        b"\xdc\x00\x02" + pack(list(request())),
        pack([[b"\x01\x13"]]),
        pack([["text", b""]]),
        pack([list(request()), [encode_head(Bye()), b""]]),
        pack([[encode_head(Mail(BOOT, 1)), b""]]),
        pack([[encode_head(Publish("news", BOOT, 1)), b""]]),
        pack([[encode_head(Bundle(1)), pack([list(request())])]]),
        pack([list(request())]) + b"\xc0",
    ],
    ids=lambda body: f"{len(body)} bytes",
)
def test_a_bundle_of_more_or_other_than_it_may_hold_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(BadMessage):
        unbundle(body)


def test_the_broker_is_sent_other_messages_in_bundles_than_peers_are() -> None:
    heads = [encode_head(Publish("news", BOOT, 1)), encode_head(Ack(1)), request()[0]]
    assert [may_bundle(b"", head) for head in heads] == [True, True, True]
    assert [may_bundle(b"coder", head) for head in heads] == [False, False, True]
    assert len(unbundle(pack([[head, b""] for head in heads]), for_broker=True)) == 3
    assert not may_bundle(b"coder", encode_head(Mail(BOOT, 1)))
    assert not may_bundle(b"", encode_head(Hello("coder", BOOT)))


def bound(name: str) -> Session:
    session = Session(name)
    session.connected(0.0)
    session.received(b"", encode_head(Welcome(name, BOOT, 15_000)), b"", 0.0)
    return session


def opened(session: Session, messages: list[Message], sender: bytes = b"anna") -> list[Effect]:
    return session.received(sender, encode_head(Bundle(len(messages))), pack(messages), 1.0)


@pytest.mark.requirement("R-BUNDLE-3")
def test_a_session_takes_each_message_of_a_bundle_and_what_is_wrong_with_one_harms_no_other() -> None:
    session = bound("coder")
    first, last = request("first"), request("last")
    effects = opened(session, [first, (b"\x01\x10\x90", b""), last])
    assert [effect.method for effect in effects if isinstance(effect, Asked)] == ["first", "last"]
    assert session.bad_messages == 1


def test_a_session_takes_no_bundle_from_the_broker_and_none_that_holds_a_welcome() -> None:
    session = bound("coder")
    assert opened(session, [request()], sender=b"") == []
    assert opened(session, [(encode_head(Welcome("other", BOOT, 1)), b"")]) == []
    assert session.bad_messages == 2


class Broker:
    """A core with peers that are bound."""

    def __init__(self, *names: str, shared: str = "") -> None:
        self.core = Core(b"K" * 16, 100.0)
        for name in names:
            self.core.received(name.encode(), b"", encode_head(Hello(name, new_id())), b"")
        for number in range(2 if shared else 0):
            self.core.received(f"{shared}{number}".encode(), b"", encode_head(Hello(shared, new_id(), True)), b"")

    def bundle(self, sender: str, to: str, messages: list[Message]) -> list[ToPeer]:
        return self.sent(self.core.received(sender.encode(), to.encode(), encode_head(Bundle(len(messages))), pack(messages)))

    @staticmethod
    def sent(outputs: list[Output]) -> list[ToPeer]:
        return [one for one in outputs if isinstance(one, ToPeer)]


def test_the_broker_opens_a_bundle_for_nobody_and_answers_each_request() -> None:
    first, second = new_id(), new_id()
    headers = [Request(first, "ask", 0), Cancel(new_id()), Request(second, "ask", 0)]
    sent = Broker("anna").bundle("anna", "nobody", [(encode_head(header), b"") for header in headers])
    errors = [decode_head(one.head) for one in sent]
    assert [(error.id, error.code) for error in errors if isinstance(error, Error)] == [
        (first, "no_such_agent"),
        (second, "no_such_agent"),
    ]


def test_the_broker_spreads_a_bundle_over_the_replicas_of_a_name() -> None:
    sent = Broker("anna", shared="coder").bundle("anna", "coder", [request() for _ in range(4)])
    assert sorted(one.route for one in sent) == [b"coder0", b"coder0", b"coder1", b"coder1"]


def test_the_broker_serves_each_message_of_a_bundle_and_complains_of_each_that_is_wrong() -> None:
    broker = Broker("anna")
    ping, wrong = request("ping"), (encode_head(Publish("no topic", BOOT, 1)), b"")
    sent = [decode_head(one.head) for one in broker.bundle("anna", "", [ping, wrong, ping])]
    assert [type(header) for header in sent] == [Reply, Error, Reply]
    assert broker.core.refused == 1


def test_each_request_of_a_bundle_to_a_connection_that_is_gone_is_answered() -> None:
    broker = Broker("anna", "coder")
    messages = [request(), request()]
    lost = ToPeer(b"coder", b"anna", encode_head(Bundle(2)), pack(messages))
    errors = [decode_head(one.head) for one in broker.sent(broker.core.unreachable(lost))]
    assert [error.code for error in errors if isinstance(error, Error)] == ["peer_lost", "peer_lost"]


@pytest.mark.parametrize(("head", "body"), [(encode_head(Bundle(1)), b"\xc1"), (b"\x01\x10\xc1", b"")])
def test_what_is_no_message_to_a_connection_that_is_gone_harms_nobody(head: bytes, body: bytes) -> None:
    broker = Broker("anna", "coder")
    assert broker.sent(broker.core.unreachable(ToPeer(b"coder", b"anna", head, body))) == []
    assert broker.sent(broker.core.congested(ToPeer(b"coder", b"anna", head, body))) == []


class Heard(Client):
    """A client that remembers what its transport was given."""

    def __init__(self, transport: Transport, **options: Any) -> None:
        super().__init__(transport, **options)
        self.heads: list[bytes] = []

    def received(self, peer: bytes, head: bytes, body: bytes) -> None:
        """See `Listener`."""
        self.heads.append(head[:2])
        super().received(peer, head, body)


async def _twice(payload: int, _: Incoming) -> int:
    return 2 * payload


@pytest.mark.requirement("R-BUNDLE-4")
async def test_many_asks_at_once_travel_in_bundles_and_one_at_a_time_does_not(broker_address: str) -> None:
    async with Heard(ZmqTransport(broker_address), name="coder") as coder:
        Service(coder).method("twice", int, _twice)
        async with Heard(ZmqTransport(broker_address), name="anna") as anna:
            for number in range(10):
                assert await anna.request("coder", "twice", number) == 2 * number
            assert MARK not in coder.heads + anna.heads
            for _ in range(3):
                numbers = list(range(300))
                assert await asyncio.gather(*(anna.request("coder", "twice", one) for one in numbers)) == [
                    2 * one for one in numbers
                ]
            assert MARK in coder.heads
            assert MARK in anna.heads
            with pytest.raises(NoSuchAgent):
                await asyncio.gather(*(anna.request("nobody", "twice", one) for one in range(50)))


async def test_a_burst_of_events_travels_in_bundles_and_none_is_lost_or_overtaken(broker_address: str) -> None:
    anna, bert = (Client.connect(broker_address, name=name) for name in ("anna", "bert"))
    async with anna, bert, bert.subscribe("news") as events:
        for number in range(500):
            anna.publish("news", number)
        assert [(await anext(events)).payload for _ in range(500)] == list(range(500))
        assert events.missed == 0


async def test_what_is_gathered_when_a_client_leaves_is_sent(broker_address: str) -> None:
    async with Client.connect(broker_address, name="bert") as bert, bert.subscribe("news") as events:
        async with Client.connect(broker_address, name="anna") as anna:
            for number in range(100):
                anna.publish("news", number)
        assert [(await anext(events)).payload for _ in range(100)] == list(range(100))


def test_a_bundle_decodes_as_the_specification_says() -> None:
    messages = [request("one"), request("two")]
    ((head, body),) = bundled(messages)
    assert decode_head(head) == Bundle(2)
    assert [tuple(one) for one in decode_body(body)] == messages
