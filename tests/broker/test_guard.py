"""Nobody is impersonated: who may connect over TCP, under which name, and what they may do. The spoofing table of SPEC §10."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from rostra.broker.access import Access, Rules
from rostra.protocol import NoSuchAgent, Refused, RequestError
from rostra.protocol.directory import Replay, Subscribe
from rostra.protocol.frames import encode_body, encode_head
from rostra.protocol.keys import Credentials, KeyRing
from rostra.protocol.messages import Ack, Beat, Error, Hello, Publish, Reject, Reply, Request, Welcome, Who
from rostra.protocol.service import Service
from rostra.protocol.subscriptions import NONCE_MARK

from .keyed import ID, Raw, Running


async def test_a_key_of_the_ring_gets_in_under_its_own_name_only(broker: Running, caplog: pytest.LogCaptureFixture) -> None:
    async with broker.join("ada") as ada, broker.join("console-0123ab"):
        assert {one.name for one in await ada.peers()} == {"ada", "console-0123ab"}
    with Raw(broker.address, broker.ring.credentials("eve")) as eve:
        for name in ("ada", "coordinator", "console-0123ab", "broker", ""):
            answer = await eve.hello(name)
            assert isinstance(answer, Error)
            assert answer.code == "refused"
        assert isinstance(await eve.hello("eve"), Welcome)
    assert "the key of eve was refused the name ada" in caplog.text


async def test_a_stranger_or_a_client_without_a_key_or_for_another_broker_is_not_heard(broker: Running) -> None:
    known = broker.ring.credentials("ada")
    stranger = KeyRing(broker.ring.directory.parent / "stranger")
    stranger.create()
    stranger.add("ada")
    own = stranger.credentials("ada")
    for credentials in (None, Credentials(known.broker, own.own), Credentials(own.broker, known.own)):
        with Raw(broker.address, credentials) as raw:
            with contextlib.suppress(zmq.Again):
                await raw.socket.send_multipart([b"", encode_head(Hello("ada", b"b" * 16)), b""], zmq.NOBLOCK)
            assert await raw.hears_nothing()


async def test_a_stranger_hears_no_events(broker: Running) -> None:
    host, _, port = broker.address.rpartition(":")
    async with broker.join("ada") as ada, ada.subscribe("news") as seen:
        with Raw(f"{host}:{int(port) + 1}", None, kind=zmq.SUB) as spy:
            spy.socket.set(zmq.SUBSCRIBE, b"")
            for number in range(10):
                ada.publish("news", number)
            for _ in range(10):
                await anext(aiter(seen))
            assert await spy.hears_nothing()


async def test_the_broker_goes_on_when_subscribers_leave(broker: Running) -> None:
    """libzmq itself unsubscribes for them, and says no name."""
    for _ in range(3):
        async with broker.join("ada") as ada, ada.subscribe("news.>"):
            pass
        with Raw(
            f"tcp://127.0.0.1:{int(broker.address.rpartition(':')[2]) + 1}", broker.ring.credentials("eve"), kind=zmq.SUB
        ) as raw:
            raw.socket.set(zmq.SUBSCRIBE, b"news.1")
            await asyncio.sleep(0)
    async with broker.join("ben") as ben, ben.subscribe("news.>") as seen:
        ben.publish("news.1", 1)
        assert (await anext(aiter(seen))).payload == 1


async def test_a_foreign_routing_id_inherits_no_name(broker: Running, caplog: pytest.LogCaptureFixture) -> None:
    async with broker.join("ben") as ben:
        asked: list[str] = []

        async def answer(_: Any, request: Any) -> str:
            asked.append(request.sender)
            return "secret"

        Service(ben).method("secret", Any, answer)
        with Raw(broker.address, broker.ring.credentials("ada"), route=b"the-route") as ada:
            assert isinstance(await ada.hello("ada"), Welcome)
        with Raw(broker.address, broker.ring.credentials("eve"), route=b"the-route") as eve:
            heard = None
            while not isinstance(heard, Who):  # until the broker has let go of the routing id of before
                await eve.send(Request(ID, "secret", 5000), encode_body(None), b"ben")
                with contextlib.suppress(TimeoutError):
                    heard = (await eve.receive(0.5))[1]
                    assert not isinstance(heard, Reply)
            assert isinstance(await eve.hello("ada"), Error)
        assert asked == []
    assert "was refused" in caplog.text


async def test_a_reply_by_someone_who_was_not_asked_is_no_reply(broker: Running) -> None:
    async with broker.join("ada") as ada, broker.join("ben") as ben:
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        release = asyncio.Event()

        async def answer(_: Any, request: Any) -> str:
            started.set_result(None)
            await release.wait()
            return "from ben"

        Service(ben).method("who", Any, answer)
        asking = asyncio.create_task(ada.request("ben", "who", id=ID))
        await started
        with Raw(broker.address, broker.ring.credentials("eve")) as eve:
            await eve.hello("eve")
            await eve.send(Reply(ID), encode_body("from eve"), b"ada")
            await eve.send(Error(ID, "failed", "from eve"), b"", b"ada")
            await eve.send(Beat(1))
            assert isinstance((await eve.receive())[1], Beat)  # what was sent before it is routed
        release.set()
        assert await asking == "from ben"


async def test_what_is_the_brokers_to_say_is_not_taken_from_a_peer(broker: Running) -> None:
    with Raw(broker.address, broker.ring.credentials("eve")) as eve:
        await eve.hello("eve")
        for header in (Welcome("ada", b"b" * 16, 1), Who(b"b" * 16), Ack(1), Reject(b"e" * 16, 1, "refused", "")):
            await eve.send(header, b"", b"ada")
            answer = (await eve.receive())[1]
            assert isinstance(answer, Error)
            assert answer.code == "bad_message"
        await eve.send(Publish("presence", b"b" * 16, 1), encode_body({"name": "ada", "state": "lost"}))
        assert isinstance((await eve.receive())[1], Error)
        await eve.send(Publish("news", b"another's boot  ", 1), encode_body(1))
        assert isinstance((await eve.receive())[1], Error)


RULES = Access(
    {
        "eve": Rules(ask=("ben",), tell=("ben",), publish=("eve.>",), subscribe=("eve.>",)),
        "default": Rules(),
    }
)


async def test_what_the_rules_forbid_is_refused_and_logged(
    ring: KeyRing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Running(ring, tmp_path / "mail.db", RULES)
    try:
        async with broker.join("ada") as ada, broker.join("eve") as eve, ada.subscribe("news") as seen:
            with pytest.raises(Refused):
                await eve.ask("ada", "hello")
            with pytest.raises(NoSuchAgent):
                await eve.ask("ben", "hello")
            with pytest.raises(Refused):
                await eve.tell("ada", "hello")
            await eve.tell("ben", "hello")
            with pytest.raises(Refused):
                async with eve.subscribe("news"):
                    pass
            with pytest.raises(RequestError) as refusal:
                await eve.request("", "replay", Replay(topic="news", after=0))
            assert refusal.value.code == "refused"
            eve.publish("news", "forbidden")
            eve.publish("eve.1", "allowed")
            ada.publish("news", "from ada")
            assert (await anext(aiter(seen))).payload == "from ada"
        host, _, port = broker.address.rpartition(":")
        with Raw(f"{host}:{int(port) + 1}", ring.credentials("eve"), kind=zmq.SUB) as spy:
            for prefix in (b"", b"news", b"eve."):
                spy.socket.set(zmq.SUBSCRIBE, prefix)
            with Raw(broker.address, ring.credentials("eve")) as raw:
                await raw.hello("eve")
                nonce = b"n" * 16
                await raw.send(Request(ID, "subscribe", 0), encode_body(Subscribe(pattern="eve.1", nonce=nonce)))
                spy.socket.set(zmq.SUBSCRIBE, NONCE_MARK + nonce)
                topic, _, _ = await spy.receive()
                assert topic == NONCE_MARK + nonce  # the subscriptions before it have been looked at
            async with broker.join("ada") as ada:
                ada.publish("news", "not for eve")
                ada.publish("eve.2", "for eve")
                assert (await spy.receive())[0] == b"eve.2"
    finally:
        broker.close()
    for what in ("ask ada", "tell 'ada'", "subscribe"):
        assert f"eve may not {what}" in caplog.text
