"""Nobody is impersonated: who may connect over TCP, under which name, and what they may do. The spoofing table of SPEC §10."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio
from tests.conftest import until

from rostra.broker.access import Access, BadAccess, Rules
from rostra.broker.core import Core
from rostra.broker.guard import Guard, Unguarded
from rostra.broker.outputs import ToDisk, ToPeer
from rostra.broker.server import Server
from rostra.protocol import Client, NoSuchAgent, Refused, RequestError
from rostra.protocol.directory import MailQuery, Replay, Subscribe
from rostra.protocol.errors import BrokerLost
from rostra.protocol.frames import decode_head, encode_body, encode_head
from rostra.protocol.keys import Credentials, KeyRing, NoKey
from rostra.protocol.messages import Ack, Beat, Error, Header, Hello, Publish, Reject, Reply, Request, Welcome, Who
from rostra.protocol.service import Service
from rostra.protocol.subscriptions import NONCE_MARK

NAMES = ("ada", "ben", "eve", "console")
ID = b"i" * 16


def free_port() -> int:
    import socket

    while True:  # the port beside it is for events
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            with contextlib.suppress(OSError):
                two.bind(("127.0.0.1", port + 1))
                return port


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    ring = KeyRing(tmp_path / "keys")
    ring.create()
    for name in NAMES:
        ring.add(name)
    return ring


class Running:
    """A broker on TCP with keys, in a thread."""

    def __init__(self, ring: KeyRing, mail: Path, access: Access | None = None) -> None:
        self.ring = ring
        self.server = Server(f"tcp://127.0.0.1:{free_port()}", mail, keys=ring, access=access)
        self.address = self.server.address
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.server.ready.wait(20)

    def _run(self) -> None:
        try:
            self.server.run()
        except Exception as error:  # noqa: BLE001 - the thread's outermost
            self.error = error

    def join(self, name: str) -> Client:
        return Client.connect(self.address, name=name, keys=self.ring.directory)

    def close(self) -> None:
        self.server.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.error is None, "the broker broke"


@pytest.fixture
def broker(ring: KeyRing, tmp_path: Path) -> Iterator[Running]:
    running = Running(ring, tmp_path / "mail.db")
    yield running
    running.close()


class Raw:
    """A connection that says whatever it likes, with any key, under any routing id."""

    def __init__(self, address: str, credentials: Credentials | None, *, kind: int = zmq.DEALER, route: bytes = b"") -> None:
        self.context: zmq.asyncio.Context = zmq.asyncio.Context()
        self.socket = self.context.socket(kind)
        self.socket.set(zmq.LINGER, 0)
        if route:
            self.socket.set(zmq.ROUTING_ID, route)
        if credentials:
            self.socket.set(zmq.CURVE_SERVERKEY, credentials.broker)
            self.socket.set(zmq.CURVE_PUBLICKEY, credentials.own.public)
            self.socket.set(zmq.CURVE_SECRETKEY, credentials.own.secret)
        self.socket.connect(address)

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.destroy(linger=0)

    async def send(self, header: Header, body: bytes = b"", peer: bytes = b"") -> None:
        await self.socket.send_multipart([peer, encode_head(header), body])

    async def receive(self, seconds: float = 20.0) -> tuple[bytes, Header, bytes]:
        async with asyncio.timeout(seconds):
            peer, head, body = await self.socket.recv_multipart()
        return peer, decode_head(head), body

    async def hears_nothing(self, seconds: float = 1.0) -> bool:
        return not await self.socket.poll(int(seconds * 1000))

    async def hello(self, name: str, boot: bytes = b"b" * 16) -> Header:
        await self.send(Hello(name, boot), encode_body({}))
        return (await self.receive())[1]


# ---- keys on disk


def test_a_secret_key_is_its_owners_alone(ring: KeyRing) -> None:
    assert os.stat(ring.directory).st_mode & 0o777 == 0o700
    assert os.stat(ring.directory / "ada.key").st_mode & 0o777 == 0o600


def test_a_file_that_holds_no_key_lets_one_name_out_and_not_all(ring: KeyRing) -> None:
    (ring.directory / "odd.pub").write_bytes(b"")
    assert sorted(ring.names().values()) == sorted(NAMES)


def test_a_key_that_changes_twice_within_a_tick_of_the_clock_is_seen(ring: KeyRing) -> None:
    guard = Guard(ring)
    ring.revoke("ada")
    guard.refresh()
    stamp = os.stat(ring.directory).st_mtime_ns
    ring.revoke("ben")
    os.utime(ring.directory, ns=(stamp, stamp))
    guard.refresh()
    assert sorted(guard.names.values()) == ["console", "eve"]


def test_tcp_without_keys_is_refused_on_both_sides(tmp_path: Path) -> None:
    with pytest.raises(NoKey):
        Server("tcp://127.0.0.1:5555")
    with pytest.raises(NoKey):
        Client.connect("tcp://127.0.0.1:5555", name="ada")
    with pytest.raises(NoKey):
        Server("tcp://127.0.0.1:5555", keys=KeyRing(tmp_path / "empty"))


# ---- the rules, pure


def test_a_console_is_under_the_rules_of_its_key() -> None:
    access = Access({"console": Rules(tell=()), "default": Rules(ask=())})
    assert not access.allows("console-0123ab", "tell", "ada")
    assert access.allows("console-0123ab", "ask", "ada")
    assert not access.allows("ada", "ask", "ben")


@pytest.mark.parametrize(
    ("wish", "allowed"),
    [("chat.1", True), ("chat.", True), ("chat", False), ("", False), ("chat.>", True), ("news", True), ("new", False)],
)
def test_a_subscription_is_covered_by_the_prefix_that_is_filtered_by(wish: str, allowed: bool) -> None:
    access = Access({"ada": Rules(subscribe=("chat.>", "news"))})
    assert access.allows("ada", "subscribe", wish) is allowed


@pytest.mark.parametrize("text", ["[ada]\nsing = []", "[ada]\nask = ['..']", "[ada]\nsubscribe = ['a.*']", "nonsense"])
def test_an_access_file_that_cannot_be_kept_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "access.toml").write_text(text)
    with pytest.raises(BadAccess):
        Access.load(tmp_path / "access.toml")


def guarded(access: Access | None = None) -> Core:
    core = Core(b"b" * 16, guarded=True, access=access)
    core.admit({"ada key1", "eve key2", "console key3"})
    return core


def said(outputs: list[Any]) -> list[Header]:
    return [decode_head(output.head) for output in outputs if isinstance(output, ToPeer)]


def test_the_holder_of_a_revoked_key_is_not_let_in_again_over_the_connection_it_still_has() -> None:
    core = guarded()
    hello = encode_head(Hello("ada", b"1" * 16))
    assert isinstance(said(core.received(b"1", b"", hello, b"", "ada key1"))[0], Welcome)
    assert core.admit({"eve key2"})
    core.tick()
    (answer,) = said(core.received(b"1", b"", hello, b"", "ada key1"))
    assert isinstance(answer, Error)
    assert answer.code == "refused"
    assert not core.may_subscribe("ada key1", b"x")


def test_a_name_with_a_new_key_does_not_let_in_the_old_one() -> None:
    core = guarded()
    hello = encode_head(Hello("ada", b"1" * 16))
    core.received(b"1", b"", hello, b"", "ada key1")
    assert core.admit({"ada key9", "eve key2"})
    core.tick()
    assert isinstance(said(core.received(b"1", b"", hello, b"", "ada key1"))[0], Error)
    assert isinstance(said(core.received(b"9", b"", hello, b"", "ada key9"))[0], Welcome)


def test_letters_of_others_are_not_for_the_holder_of_an_ordinary_key() -> None:
    core = guarded()
    request = encode_head(Request(ID, "mail.show", 0))
    for name, key in (("eve", "eve key2"), ("console-0123ab", "console key3")):
        core.received(name.encode()[:3], b"", encode_head(Hello(name, name[:1].encode() * 16)), b"", key)
    body = encode_body(MailQuery(recipient="ada"))
    (refused,) = said(core.received(b"eve", b"", request, body, "eve key2"))
    assert isinstance(refused, Error)
    (asked,) = core.received(b"con", b"", request, body, "console key3")
    assert isinstance(asked, ToDisk)


# ---- over the wire


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
