"""The session of a peer with the broker, on a clock that only moves when told to."""

from typing import Any

import pytest

from rostra.protocol.effects import Bound, Effect, Ended, Failed, Incoming, Listen, Send
from rostra.protocol.errors import Cancelled, RemoteError, Superseded, TooLarge
from rostra.protocol.frames import decode_head, encode_body, encode_head
from rostra.protocol.limits import MAX_EVENT
from rostra.protocol.messages import Beat, Bye, Error, Header, Hello, Publish, Reply, Request, Welcome, Who, Working
from rostra.protocol.session import BEAT, DEAF, GREETING, OUTBOX, Session, State

ID, BOOT, OTHER = b"0123456789abcdef", b"B" * 16, b"C" * 16


def sent(effects: list[Effect]) -> list[Header]:
    return [decode_head(effect.head) for effect in effects if isinstance(effect, Send)]


def hear(session: Session, header: Header, now: float = 0.0, sender: bytes = b"", body: bytes = b"") -> list[Effect]:
    return session.received(sender, encode_head(header), body, now)


def bound(now: float = 0.0) -> Session:
    session = Session("anna", boot=BOOT)
    assert sent(session.connected(now)) == [Hello("anna", BOOT, False, 15_000)]
    assert hear(session, Welcome("anna", OTHER, 15_000), now) == [Bound("anna", True)]
    return session


@pytest.mark.requirement("R-SESSION-1")
def test_an_unanswered_hello_is_said_again() -> None:
    session = Session("anna", boot=BOOT)
    session.connected(0.0)
    assert session.due == GREETING
    assert sent(session.tick(GREETING)) == [Hello("anna", BOOT, False, 15_000)]
    assert session.due == 2 * GREETING


@pytest.mark.requirement("R-SESSION-2")
def test_who_makes_a_bound_session_greet_again_and_repeat_what_is_pending() -> None:
    session = bound()
    session.request(ID, "bert", "ask", b"\xc0", 0.0, timeout=60.0)
    assert [type(one) for one in sent(hear(session, Who(OTHER)))] == [Hello]
    assert session.state is State.GREETING
    assert hear(session, Who(OTHER)) == [], "one HELLO is under way"
    effects = hear(session, Welcome("anna", BOOT, 15_000), 1.0)
    assert effects[0] == Bound("anna", True), "another broker"
    assert [type(one) for one in sent(effects)] == [Request]


def test_a_beat_that_only_tries_the_connection_is_no_answer() -> None:
    session = bound()
    for count in range(1, 4):
        assert sent(session.tick(count * BEAT)) == [Beat(count)]
        hear(session, Beat(0), count * BEAT)
    assert isinstance(sent(session.tick(4 * BEAT))[0], Hello)


@pytest.mark.requirement("R-SESSION-3")
def test_a_deaf_broker_is_greeted_anew_after_three_beats() -> None:
    session = bound()
    kinds = []
    while session.due < 100 and session.state is State.BOUND:
        kinds += [type(one) for one in sent(session.tick(session.due))]
    assert kinds == [Beat] * DEAF + [Hello]
    session = bound()
    for count in range(1, 30):
        assert sent(session.tick(count * BEAT)) == [Beat(count)]
        hear(session, Beat(count), count * BEAT)


@pytest.mark.requirement("R-SESSION-4")
@pytest.mark.parametrize("state", ["away", "greeting", "bound"])
def test_events_wait_for_a_broker_that_is_away_and_the_oldest_give_way(state: str) -> None:
    session = Session("anna", boot=BOOT)
    if state != "away":
        session = bound()
        hear(session, Who(OTHER))
    if state == "bound":
        hear(session, Welcome("anna", OTHER, 15_000))
        assert sent(session.publish("news", b"\xc0")) == [Publish("news", BOOT, 1)]
        return
    for _ in range(OUTBOX + 3):
        assert session.publish("news", b"\xc0") == []
    session.connected(0.0)
    numbers = [one.sequence for one in sent(hear(session, Welcome("anna", OTHER, 15_000))) if isinstance(one, Publish)]
    assert numbers == list(range(4, OUTBOX + 4))


@pytest.mark.requirement("R-LIMIT-4")
def test_an_event_that_could_not_be_replayed_is_too_large() -> None:
    with pytest.raises(TooLarge):
        bound().publish("news", bytes(MAX_EVENT + 1))


@pytest.mark.requirement("R-SESSION-5")
def test_a_superseded_session_ends_for_good_and_says_so_to_every_caller() -> None:
    session = bound()
    session.request(ID, "bert", "ask", b"\xc0", 0.0, timeout=None)
    effects = hear(session, Error(b"", "superseded", "a newer process is anna now"))
    assert [type(one) for one in effects] == [Failed, Ended]
    assert isinstance(effects[0].error, Superseded)  # type: ignore[attr-defined]
    assert session.due == float("inf")
    assert session.tick(1e9) == []
    assert session.connected(1.0) == []
    assert hear(session, Request(ID, "ask", 0), sender=b"bert") == []
    (failed,) = session.request(ID, "bert", "ask", b"\xc0", 1.0, timeout=None)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, Superseded)
    assert session.publish("news", b"\xc0") == []


@pytest.mark.requirement("R-SESSION-6")
def test_leaving_says_bye_fails_what_is_pending_and_ends_without_an_error() -> None:
    session = bound()
    session.request(ID, "bert", "ask", b"\xc0", 0.0, timeout=None)
    effects = session.leave("done")
    assert sent(effects) == [Bye("done")]
    assert isinstance(effects[1], Failed)
    assert isinstance(effects[1].error, Cancelled)
    assert effects[2] == Ended(None)
    assert isinstance(session.request(ID, "bert", "ask", b"", 0.0, timeout=None)[0], Failed), "silence"


@pytest.mark.requirement("R-SESSION-7")
@pytest.mark.parametrize("header", [Welcome("anna", BOOT, 1), Who(BOOT), Beat(1), Error(b"", "superseded", "spoofed")])
def test_what_only_a_broker_says_is_ignored_from_a_peer(header: Header) -> None:
    session = bound()
    assert hear(session, header, sender=b"bert") == []
    assert session.state is State.BOUND
    assert session.bad_messages == 1


@pytest.mark.parametrize(
    "frames",
    [(b"\xff", b"\x01\x04\x91\x01", b""), (b"", b"", b""), (b"", b"\x09\x04\x91\x01", b""), (b"", b"\x01\x30\x93\xa1a", b"")],
)
def test_what_is_no_message_is_counted_and_dropped(frames: tuple[bytes, bytes, bytes]) -> None:
    session = bound()
    assert session.received(*frames, 0.0) == []
    assert session.received_event(*frames, 0.0) == []
    assert session.bad_messages >= 1


@pytest.mark.requirement("R-CALL-9")
@pytest.mark.parametrize("body", [b"\xc1", b"\x93", encode_body([1]), b"\x81\x01\x01"])
def test_an_error_with_broken_details_is_an_error_all_the_same(body: bytes) -> None:
    session = bound()
    session.request(ID, "bert", "ask", b"\xc0", 0.0, timeout=None)
    (failed,) = hear(session, Error(ID, "failed", "no"), sender=b"bert", body=body)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RemoteError)


def test_an_answer_to_a_replay_that_is_none_does_not_wedge_the_subscription() -> None:
    from rostra.protocol.directory import Head
    from rostra.protocol.messages import Subscribed

    session = bound()
    _, effects = session.subscribe("news", 0, 0.0)
    nonce = next(one.prefix for one in effects if isinstance(one, Listen) and one.prefix[:1] == b"\0")
    heads: dict[str, Any] = {"news": Head(b"S" * 8, 3)}
    asked = session.received_event(nonce, encode_head(Subscribed(nonce[1:])), encode_body(heads), 0.0)
    (replay,) = [one for one in sent(asked) if isinstance(one, Request)]
    assert replay.method == "replay"
    hear(session, Reply(replay.id), 0.1, body=encode_body("nonsense"))
    assert session.due <= 5.0
    again: list[Header] = []
    while session.due < 5.0:
        again += sent(session.tick(session.due))
    assert "subscribe" in [one.method for one in again if isinstance(one, Request)]


def test_requests_reach_the_program_and_signs_do_not() -> None:
    session = bound()
    (incoming,) = hear(session, Request(ID, "ask", 1500), 10.0, sender=b"bert", body=b"\x01")
    assert incoming == Incoming(ID, "bert", "ask", b"\x01", 11.5, "")
    assert hear(session, Working(ID), sender=b"bert") == []
