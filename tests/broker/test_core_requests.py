"""The broker's core: to whom a request goes, and what is answered when nobody can answer it."""

import pytest

from rostra.broker.core import HELD_SECONDS
from rostra.broker.outputs import ToPeer
from rostra.protocol.directory import Peer, Peers, Replay
from rostra.protocol.frames import decode_body, encode_body, encode_head
from rostra.protocol.messages import Bye, Cancel, Error, Hello, Reply, Request, Working

from .bench import ID, Bench, boot, errors


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
