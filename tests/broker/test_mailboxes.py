"""Mail between clients, over both transports and over a broker that is killed: all of it, in order, each letter once."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import until

from rostra.broker.mail import office as office_module
from rostra.broker.mail.operations import MAX_ATTEMPTS
from rostra.broker.memory import MemoryBroker
from rostra.broker.server import Server
from rostra.protocol import Client, Transport, ZmqTransport
from rostra.protocol.directory import LetterInfo, MailQuery, MailRef
from rostra.protocol.effects import Lettered
from rostra.protocol.errors import Refused
from rostra.protocol.frames import encode_body
from rostra.protocol.service import Service


class Reader:
    """A recipient that remembers what it handled; `fail` says whether it fails a letter."""

    def __init__(self, client: Client, fail: Callable[[bytes], bool] = lambda body: False) -> None:
        self.client, self.attempts = client, 0
        self.read: list[tuple[str, bytes]] = []
        self._fail = fail
        Service(client).mail(bytes, self._take)

    async def _take(self, body: bytes, letter: Lettered) -> None:
        self.attempts += 1
        if self._fail(body):
            raise ValueError("not this one")
        self.read.append((letter.sender, body))


@pytest.fixture(params=["memory", "zmq"])
def mail_transport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Transport]]:
    if request.param == "memory":
        yield MemoryBroker().transport
        return
    server = Server(f"ipc://{tmp_path}/bus/broker", tmp_path / "mail.db")
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(20)
    yield lambda: ZmqTransport(server.address)
    server.stop()
    thread.join(20)


@pytest.fixture
async def join(mail_transport: Callable[[], Transport]) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    async with AsyncExitStack() as stack:

        async def connect(name: str, **options: Any) -> Client:
            return await stack.enter_async_context(Client(mail_transport(), name=name, **options))

        yield connect


Join = Callable[..., Awaitable[Client]]


def body(number: int) -> bytes:
    return encode_body(number.to_bytes(4, "big"))


def wanted(sender: str, count: int) -> list[tuple[str, bytes]]:
    return [(sender, number.to_bytes(4, "big")) for number in range(count)]


async def test_letters_to_one_who_is_away_wait_and_come_in_order(join: Join) -> None:
    ada = await join("ada")
    await asyncio.gather(*(ada.tell_raw("ben", body(number)) for number in range(300)))
    ben = Reader(await join("ben"))
    await until(lambda: len(ben.read) >= 300)
    assert ben.read == wanted("ada", 300)


async def test_letters_to_one_who_is_here_come_at_once(join: Join) -> None:
    ada, ben = await join("ada"), Reader(await join("ben"))
    for number in range(20):
        await ada.tell_raw("ben", body(number))
    await until(lambda: len(ben.read) >= 20)
    assert ben.read == wanted("ada", 20)


async def test_a_letter_that_fails_five_times_is_dead_can_be_looked_at_and_put_back(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_module, "RETRY_PAUSE", 0.01)
    refusing = True
    ada, console = await join("ada"), await join("console-0123ab")
    ben = Reader(await join("ben"), lambda body: refusing and body == (1).to_bytes(4, "big"))
    for number in range(3):
        await ada.tell_raw("ben", body(number))
    await until(lambda: len(ben.read) >= 2, 30.0)
    assert [one for _, one in ben.read] == [number.to_bytes(4, "big") for number in (0, 2)]
    assert ben.attempts == 2 + MAX_ATTEMPTS
    (dead,) = await console.request("", "mail.show", MailQuery(recipient="ben", dead=True), reply=list[LetterInfo])
    assert (dead.sender, dead.attempts, dead.reason) == ("ada", 5, "ValueError: not this one")
    refusing = False
    assert await console.request("", "mail.requeue", MailRef(recipient="ben"), reply=int) == 1
    await until(lambda: len(ben.read) >= 3)
    assert ben.read[-1] == ("ada", (1).to_bytes(4, "big"))


async def test_a_reader_that_begins_late_has_the_letter_that_came_before(join: Join) -> None:
    ada, ben = await join("ada"), await join("ben")
    await ada.tell_raw("ben", body(0))
    await until(lambda: bool(ben._unread))
    ben.connected()  # greets again, as after a lost connection
    await until(lambda: ben.session.state.value == "bound")
    reader = Reader(ben)
    await until(lambda: len(reader.read) >= 1)
    assert reader.read == wanted("ada", 1)


async def test_replicas_share_letters_and_none_is_read_twice(join: Join) -> None:
    ada = await join("ada")
    team = [Reader(await join("team", shared=True)) for _ in range(3)]
    await asyncio.gather(*(ada.tell_raw("team", body(number)) for number in range(150)))
    await until(lambda: sum(len(one.read) for one in team) >= 150)
    assert sorted(pair for one in team for pair in one.read) == wanted("ada", 150)
    assert all(one.read for one in team)


async def test_a_name_that_is_none_cannot_be_written_to(join: Join) -> None:
    ada = await join("ada")
    with pytest.raises(Refused):
        await ada.tell_raw("Not A Name", body(0))


BROKER = (
    "import sys; from pathlib import Path; from rostra.broker.server import Server; Server(sys.argv[1], Path(sys.argv[2])).run()"
)


async def test_a_broker_that_is_killed_with_kill_9_loses_and_doubles_nothing(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/bus/broker"

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", BROKER, address, str(tmp_path / "mail.db")])

    broker = start()
    try:
        async with Client.connect(address, name="ada") as ada, Client.connect(address, name="ben") as client:
            ben = Reader(client)
            telling = [asyncio.create_task(ada.tell_raw("ben", body(number))) for number in range(2000)]
            for kill in range(1, 4):
                await until(lambda: len(ben.read) > 150 * kill)  # noqa: B023 - awaited at once
                os.kill(broker.pid, signal.SIGKILL)
                broker.wait()
                broker = start()
            await asyncio.gather(*telling)
            await until(lambda: len(ben.read) >= 2000, 60.0)
            assert ben.read == wanted("ada", 2000)
    finally:
        broker.terminate()
        broker.wait(20)
