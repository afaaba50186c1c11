"""The broker's core: who has which name, since when, and how long it is believed to be there."""

from typing import Any

import pytest

from rostra.broker.outputs import ToPeer
from rostra.protocol.frames import encode_body, encode_head
from rostra.protocol.limits import MAX_INFO
from rostra.protocol.messages import Beat, Bye, Error, Header, Hello, Publish, Request, Welcome, Who

from .bench import ID, Bench, boot, errors


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


@pytest.mark.requirement("R-HELLO-7")
@pytest.mark.parametrize("seconds", [1.0, 1000.0])
def test_who_slept_while_a_newer_process_took_its_name_does_not_take_it_back(seconds: float) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.core.now += seconds
    bench.core.tick()
    bench.heard(bench.core.received(b"r2", b"", encode_head(Hello("anna", boot(b"r2"))), b""))
    for route in (b"r1", b"r9"):
        assert errors(bench.say(route, Hello("anna", boot(b"r1")))) == [(route, b"", "superseded")]
    bench.say(b"r2", Bye())
    assert errors(bench.say(b"r9", Hello("anna", boot(b"r1")))) == [(b"r9", b"", "superseded")], "it is the older one still"


@pytest.mark.requirement("R-HELLO-5")
def test_who_was_given_up_comes_back_when_nobody_took_its_name() -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    bench.core.now += 1000.0
    bench.core.tick()
    assert bench.join(b"r1", "anna") == "anna"
    bench.core.now += 1000.0
    bench.core.tick()
    assert isinstance(bench.say(b"r2", Hello("anna", boot(b"r1")))[0][2], Welcome)


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
