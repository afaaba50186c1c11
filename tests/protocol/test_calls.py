"""A peer's requests, on a clock that only moves when told to."""

import pytest

from rostra.protocol.calls import ABSENT_PAUSE, FIRST_REPEAT, REPEAT, RETURN, SILENCE, Calls
from rostra.protocol.effects import Answered, Effect, Failed, Send
from rostra.protocol.errors import BrokerLost, NoSuchAgent, PeerLost, RequestError, TimedOut
from rostra.protocol.frames import decode_head
from rostra.protocol.messages import Cancel, Request

ID = b"0123456789abcdef"


def bound() -> Calls:
    calls = Calls()
    calls.rebound(0.0)
    return calls


def begin(calls: Calls, *, timeout: float | None = 60.0, absent: float = 0.0) -> list[Effect]:
    return calls.start(ID, "coder", "ask", b"\xc0", 0.0, timeout, absent)


def run(calls: Calls, until: float) -> list[tuple[float, Effect]]:
    """Tick as a shell does: whenever it is due."""
    seen: list[tuple[float, Effect]] = []
    while calls.due <= until:
        now = calls.due
        seen += [(now, effect) for effect in calls.tick(now)]
        assert calls.due > now, "a tick that does not advance"
    return seen


def failure(effects: list[tuple[float, Effect]]) -> tuple[float, RequestError]:
    (at, failed) = next((at, one) for at, one in effects if isinstance(one, Failed))
    assert isinstance(failed, Failed)
    return at, failed.error


@pytest.mark.requirement("R-CALL-2")
def test_silence_repeats_the_same_id_then_gives_the_peer_up_and_says_cancel() -> None:
    calls = bound()
    begin(calls)
    seen = run(calls, 100.0)
    headers = [(at, decode_head(one.head)) for at, one in seen if isinstance(one, Send)]
    assert [at for at, header in headers if isinstance(header, Request)] == [
        FIRST_REPEAT,
        FIRST_REPEAT + REPEAT,
        FIRST_REPEAT + 2 * REPEAT,
    ]
    assert all(header.id == ID for _, header in headers if isinstance(header, Request))
    at, error = failure(seen)
    assert at == SILENCE
    assert isinstance(error, PeerLost)
    assert isinstance(headers[-1][1], Cancel)
    assert len(calls) == 0


@pytest.mark.requirement("R-CALL-3")
def test_a_sign_of_life_extends_the_patience_but_not_the_deadline() -> None:
    calls = bound()
    begin(calls, timeout=30.0)
    seen: list[tuple[float, Effect]] = []
    for second in range(2, 60, 2):
        seen += run(calls, float(second))
        calls.working(ID, "coder~2", float(second))
    at, error = failure(seen)
    assert at == 30.0
    assert isinstance(error, TimedOut)


@pytest.mark.requirement("R-CALL-4")
def test_the_deadline_that_is_sent_shrinks_with_every_repetition() -> None:
    calls = bound()
    (first,) = begin(calls, timeout=5.0)
    (_, again), *_ = run(calls, 1.0)
    assert isinstance(first, Send)
    assert isinstance(again, Send)
    sent = [decode_head(first.head), decode_head(again.head)]
    assert [header.deadline_ms for header in sent if isinstance(header, Request)] == [5000, 4000]


@pytest.mark.requirement("R-CALL-5")
def test_an_absent_peer_fails_at_once_without_a_window() -> None:
    calls = bound()
    begin(calls)
    (failed,) = calls.failed(ID, "", NoSuchAgent("nobody"), 0.01)
    assert isinstance(failed, Failed)
    assert failed.error.peer == "coder"


@pytest.mark.requirement("R-CALL-5")
def test_an_absent_peer_is_asked_again_until_the_window_ends() -> None:
    calls = bound()
    begin(calls, absent=2.0)
    now, tries = 0.0, 0
    while True:
        effects = calls.failed(ID, "", NoSuchAgent("nobody"), now)
        if effects:
            break
        now = calls.due
        assert any(isinstance(effect, Send) for effect in calls.tick(now))
        tries += 1
    assert 2.0 <= now <= 2.0 + ABSENT_PAUSE
    assert tries == 8


@pytest.mark.requirement("R-CALL-6")
def test_a_broker_that_never_comes_is_named_as_the_reason() -> None:
    calls = Calls()
    assert begin(calls, timeout=None) == []
    at, error = failure(run(calls, 100.0))
    assert at == SILENCE
    assert isinstance(error, BrokerLost)


@pytest.mark.requirement("R-CALL-7")
def test_whatever_is_pending_is_sent_again_after_the_broker_came_back() -> None:
    calls = bound()
    begin(calls)
    calls.unbound()
    run(calls, 6.0)
    (again,) = calls.rebound(6.0)
    assert isinstance(again, Send)
    assert failure(run(calls, 100.0))[0] == 6.0 + SILENCE


@pytest.mark.requirement("R-CALL-10")
def test_after_another_brokers_welcome_an_absent_peer_is_waited_for_a_little() -> None:
    calls = bound()
    begin(calls)
    calls.unbound()
    calls.rebound(1.0, other=True)
    assert calls.failed(ID, "", NoSuchAgent("not back yet"), 1.1) == []
    repeats = [at for at, effect in run(calls, 1.4) if isinstance(effect, Send)]
    assert repeats == [1.1 + ABSENT_PAUSE]
    (failed,) = calls.failed(ID, "", NoSuchAgent("still not"), 1.0 + RETURN)
    assert isinstance(failed, Failed)


@pytest.mark.requirement("R-CALL-10")
def test_after_the_same_brokers_welcome_an_absent_peer_is_absent() -> None:
    calls = bound()
    begin(calls)
    calls.unbound()
    calls.rebound(1.0)
    assert len(calls.failed(ID, "", NoSuchAgent("gone"), 1.1)) == 1


@pytest.mark.requirement("R-CALL-8")
@pytest.mark.parametrize("sender", ["critic", "code", "coder2", "critic~1", "~coder"])
def test_what_another_peer_says_about_a_request_is_ignored(sender: str) -> None:
    calls = bound()
    begin(calls)
    assert calls.replied(ID, sender, b"\xc0") == []
    assert calls.failed(ID, sender, PeerLost("spoofed"), 1.0) == []
    calls.working(ID, sender, 7.0)
    assert failure(run(calls, 100.0))[0] == SILENCE


@pytest.mark.requirement("R-CALL-8")
@pytest.mark.parametrize("sender", ["coder", "coder~1"])
def test_the_peer_and_its_replicas_may_answer(sender: str) -> None:
    calls = bound()
    begin(calls)
    assert calls.replied(ID, sender, b"\x01") == [Answered(ID, b"\x01")]
    assert calls.replied(ID, sender, b"\x02") == [], "answered twice"


def test_a_cancelled_call_tells_the_callee_and_ends_without_a_word() -> None:
    calls = bound()
    begin(calls)
    (send,) = calls.cancel(ID)
    assert isinstance(send, Send)
    assert decode_head(send.head) == Cancel(ID)
    assert calls.cancel(ID) == []
    assert run(calls, 100.0) == []
