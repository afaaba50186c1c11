"""Keys that come and go while the broker runs, and an authenticator that dies."""

import asyncio
import contextlib

import pytest
import zmq
import zmq.asyncio
from tests.conftest import free_port, until

from rostra.broker.guard import Guard, Unguarded
from rostra.broker.server import Server
from rostra.protocol import Refused
from rostra.protocol.errors import BrokerLost
from rostra.protocol.frames import encode_head
from rostra.protocol.keys import KeyRing, NoKey
from rostra.protocol.messages import Hello

from .keyed import Raw, Running


async def test_a_revoked_key_ends_its_session_and_its_events_within_a_second(broker: Running) -> None:
    async with broker.join("ada") as ada, broker.join("eve") as eve:
        events = eve.subscribe("news")
        await events.__aenter__()
        loop = asyncio.get_running_loop()
        before = loop.time()
        broker.ring.revoke("eve")
        async with asyncio.timeout(10):
            error = await asyncio.shield(eve.ended)
        assert isinstance(error, Refused)
        assert loop.time() - before < 1.0
        ada.publish("news", "not for eve")
        async with ada.subscribe("news") as again:  # everyone else goes on
            ada.publish("news", "seen")
            assert (await anext(aiter(again))).payload == "seen"
        with pytest.raises(Refused):
            await anext(aiter(events))
    with pytest.raises(NoKey):
        broker.join("eve")


async def test_a_raw_subscriber_with_a_revoked_key_hears_nothing_more(broker: Running) -> None:
    host, _, port = broker.address.rpartition(":")
    with Raw(f"{host}:{int(port) + 1}", broker.ring.credentials("eve"), kind=zmq.SUB) as spy:
        spy.socket.set(zmq.SUBSCRIBE, b"news")
        async with broker.join("ada") as ada:
            while await spy.hears_nothing(0.05):
                ada.publish("news", "before")
            broker.ring.revoke("eve")
            await until(lambda: "eve" not in set(broker.server._guard.names.values()))  # type: ignore[union-attr]
            async with ada.subscribe("news"):  # proven over the new socket: the old one is closed
                pass
            while not await spy.hears_nothing(0.2):
                await spy.socket.recv_multipart()
            for _ in range(20):
                ada.publish("news", "after")
            assert await spy.hears_nothing()


async def test_a_key_that_is_added_gets_in_without_a_restart(broker: Running) -> None:
    broker.ring.add("new")
    async with broker.join("new") as new:
        assert new.address == "new"


async def test_nobody_gets_in_when_the_authenticator_is_dead(broker: Running) -> None:
    async with broker.join("ada") as ada:
        guard = broker.server._guard
        assert guard is not None
        authenticator = guard._authenticator
        await asyncio.to_thread(authenticator.stop)
        assert not authenticator.is_alive()
        client = broker.join("ben")
        await client.open()
        with pytest.raises(BrokerLost):
            await client.bound(2.0)
        await client.aclose()
        assert (await ada.peers())[0].name == "ada"  # who is in stays in
        guard._authenticator = None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_an_authenticator_that_breaks_lets_nobody_in_and_does_not_hold_up_the_end(
    broker: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = broker.server._guard
    assert guard is not None

    def stumble(*_: object) -> str:
        raise RuntimeError("no answer")

    monkeypatch.setattr(guard, "identity", stumble)
    with Raw(broker.address, broker.ring.credentials("eve")) as eve:
        with contextlib.suppress(zmq.Again):
            await eve.socket.send_multipart([b"", encode_head(Hello("eve", b"b" * 16)), b""], zmq.NOBLOCK)
        assert await eve.hears_nothing()


async def test_a_ring_that_cannot_be_read_for_a_moment_is_known_as_before(
    broker: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guard = broker.server._guard
    assert guard is not None

    def stumble() -> int:
        raise OSError("too many open files")

    monkeypatch.setattr(guard._ring, "stamp", stumble)
    async with broker.join("ada"):
        pass
    assert "too many open files" in caplog.text


def test_a_broker_whose_authenticator_lets_strangers_in_does_not_start(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "callback", lambda *_: True)
    with pytest.raises(Unguarded):
        Server(f"tcp://127.0.0.1:{free_port()}", keys=ring).run()
