"""What one name may send in a second, and that nobody else notices."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rostra.broker.access import Access, BadAccess, Rules
from rostra.broker.core import Core
from rostra.broker.outputs import ToAll, ToDisk, ToPeer
from rostra.broker.rates import Meter, Rate
from rostra.broker.server import Server
from rostra.protocol import ChatMessage, Client, RateLimited, Service
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.limits import MAX_FRAME
from rostra.protocol.messages import (
    NO_REQUEST,
    Beat,
    Error,
    Header,
    Hello,
    Mail,
    Publish,
    Reject,
    Reply,
    Request,
    Welcome,
    Working,
)

ID = b"0123456789abcdef"
SLOW = Access({"ada": Rules(messages_per_second=2.0)})


class Bench:
    """A core whose ada may send two messages a second; ben is as free as ever."""

    def __init__(self, access: Access = SLOW) -> None:
        self.core = Core(b"K" * 16, 100.0, access=access)

    def say(self, name: str, header: Header, peer: str = "", body: bytes = b"") -> list[object]:
        outputs = self.core.received(name.encode(), peer.encode(), encode_head(header), body)
        self.passed = [one for one in outputs if isinstance(one, ToPeer) and one.route != name.encode()]
        self.kept = [one for one in outputs if isinstance(one, ToDisk)]
        self.events = [one for one in outputs if isinstance(one, ToAll)]
        self.told = [one for one in outputs if isinstance(one, ToPeer) and one.route == name.encode()]
        return [decode_head(one.head) for one in self.told]

    def join(self, name: str, boot: bytes = b"b" * 16) -> None:
        assert isinstance(self.say(name, Hello(name, boot, False))[0], Welcome)

    def spend(self) -> None:
        """Let ada send what it may send at once."""
        for _ in range(4):
            self.say("ada", Request(ID, "work", 0), "ben")
            assert self.passed


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.join("ada")
    bench.join("ben")
    bench.spend()
    return bench


@pytest.mark.requirement("R-RATE-1")
def test_a_request_beyond_the_rate_is_answered_with_the_time_to_wait(bench: Bench) -> None:
    (answer,) = bench.say("ada", Request(ID, "work", 0), "ben")
    assert answer == Error(ID, "rate_limited", "ada sends more than it may")
    assert decode_body(bench.told[0].body) == {"retry_after": 0.5}
    assert not bench.passed
    bench.core.now += 0.5
    assert bench.say("ada", Request(ID, "work", 0), "ben") == []
    assert bench.passed


def test_a_letter_beyond_the_rate_is_rejected_and_not_stored(bench: Bench) -> None:
    (answer,) = bench.say("ada", Mail(ID, 1), "ben")
    assert answer == Reject(ID, 1, "rate_limited", "ada sends more than it may")
    assert decode_body(bench.told[0].body) == {"retry_after": 0.5}
    assert bench.told[0].peer == b"ben"
    assert not bench.kept


def test_an_event_beyond_the_rate_is_complained_about_and_seen_by_nobody(bench: Bench) -> None:
    (answer,) = bench.say("ada", Publish("news", b"b" * 16, 1), body=b"\xc0")
    assert isinstance(answer, Error)
    assert (answer.id, answer.code) == (NO_REQUEST, "rate_limited")
    assert not bench.events


@pytest.mark.requirement("R-RATE-3")
def test_answers_and_signs_of_life_pass_however_much_was_sent(bench: Bench) -> None:
    for header in (Reply(ID), Error(ID, "failed", "no"), Working(ID)):
        assert bench.say("ada", header, "ben") == []
        assert bench.passed
    assert bench.say("ada", Beat(7)) == [Beat(7)]
    assert bench.say("ada", Request(ID, "ping", 0)) == [Reply(ID)]
    (answer,) = bench.say("ada", Request(ID, "peers", 0))
    assert isinstance(answer, Error)


@pytest.mark.requirement("R-RATE-2")
def test_another_process_of_the_name_has_no_more(bench: Bench) -> None:
    bench.join("ada", b"c" * 16)
    (answer,) = bench.say("ada", Request(ID, "work", 0), "ben")
    assert isinstance(answer, Error)


def test_others_notice_nothing(bench: Bench) -> None:
    for _ in range(1000):
        assert bench.say("ben", Request(ID, "work", 0), "ada") == []
        assert bench.passed


def test_bytes_count_too_and_one_whole_frame_is_always_possible() -> None:
    meter = Meter(Rate(bytes=1000.0), 0.0)
    assert meter.lacks(0.0, MAX_FRAME) == 0.0
    meter.take(0.0, MAX_FRAME)
    assert meter.lacks(0.0, 500) == pytest.approx(0.5)
    assert meter.lacks(0.5, 500) == 0.0
    assert not meter.idle(0.5)
    assert meter.idle(MAX_FRAME / 1000)


def test_a_meter_that_nobody_needs_is_forgotten() -> None:
    bench = Bench()
    bench.join("ada")
    bench.join("ben")
    bench.spend()
    bench.core.now += 400.0
    bench.core.tick()  # the lease has ended
    assert not bench.core._meters


def test_a_rate_for_all_is_not_for_those_who_answer_for_all() -> None:
    access = Access({"default": Rules(messages_per_second=5.0), "ben": Rules(messages_per_second=7.0)}, Rate(1.0))
    assert [access.rate(name).messages for name in ("ada", "ben", "coordinator", "models", "console-0123ab")] == [5, 7, 0, 0, 0]
    assert Access(rate=Rate(1.0)).rate("ada") == Rate(1.0)
    assert not Access().rate("ada")


def test_a_negative_rate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "access.toml").write_text("[ada]\nmessages_per_second = -1\n")
    with pytest.raises(BadAccess):
        Access.load(tmp_path / "access.toml")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    server = Server(f"ipc://{tmp_path}/b", tmp_path / "mail.db", access=Access({"ada": Rules(messages_per_second=2.0)}))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.ready.wait(10.0)
        yield server.address
    finally:
        server.stop()
        thread.join()


async def test_a_flood_is_refused_with_a_typed_error_and_starves_nobody(address: str) -> None:
    async with (
        Client.connect(address, name="ada") as ada,
        Client.connect(address, name="ben") as ben,
        Client.connect(address, name="cyd") as cyd,
    ):
        service = Service(cyd)

        async def ask(message: ChatMessage, _: object) -> ChatMessage:
            return message

        service.method("ask", ChatMessage, ask)
        outcomes = await asyncio.gather(*(ada.ask("cyd", "flood", timeout=20.0) for _ in range(1000)), return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, RateLimited)]
        answered = [one for one in outcomes if isinstance(one, ChatMessage)]
        assert len(refused) + len(answered) == 1000
        assert len(refused) >= 500
        assert answered
        assert 0 < refused[0].retry_after <= 0.5

        told = await asyncio.gather(*(ada.tell("cyd", "flood", timeout=20.0) for _ in range(300)), return_exceptions=True)
        rejected = [one for one in told if isinstance(one, RateLimited)]
        assert rejected
        assert rejected[0].retry_after > 0
        assert [one for one in told if one is not None and one not in rejected] == []

        flood = asyncio.create_task(_flood(ada))
        try:
            answers = await asyncio.gather(*(ben.ask("cyd", str(n), timeout=20.0) for n in range(300)))
        finally:
            flood.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flood
        assert [answer.text for answer in answers] == [str(n) for n in range(300)]
        await asyncio.sleep(0)
        await ben.tell("cyd", "a letter")


async def _flood(client: Client) -> None:
    while True:
        await asyncio.gather(*(client.ask("cyd", "flood", timeout=20.0) for _ in range(100)), return_exceptions=True)


def test_a_body_of_details_is_what_clients_read() -> None:
    assert decode_body(encode_body({"retry_after": 0.5})) == {"retry_after": 0.5}
    assert RateLimited("no", details={"retry_after": 0.5}).retry_after == 0.5
    assert RateLimited("no").retry_after == 0.0
