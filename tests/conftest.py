"""What tests share: a real broker on a socket of its own, one in memory, and clients of either."""

import asyncio
import os
import random
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from rostra.broker.memory import MemoryBroker
from rostra.broker.server import Server
from rostra.protocol import Client, Transport, ZmqTransport

Join = Callable[..., Awaitable[Client]]

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # a shared machine may be slow, which is no failure

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a shell SIGINT is ignored, and the processes that tests interrupt would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ORDER = ("system", "console", "examples", "team", "agents", "protocol")
"""The folders with the longest files: those whose tests run whole teams of processes and mostly wait, then those that compute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits begins first, then what is long, and what is short fills the gaps: no worker ends long after the others."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = os.path.relpath(item.path, here).partition(os.sep)[0]
        return ORDER.index(folder) if folder in ORDER else len(ORDER)

    items.sort(key=place)


@pytest.fixture
def broker_address(tmp_path: Path) -> Iterator[str]:
    """The address of a broker on real sockets, in a thread of this process."""
    server = Server(f"ipc://{tmp_path}/bus/broker")
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(10)
    yield server.address
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture(params=["memory", "zmq"])
def transport(request: pytest.FixtureRequest) -> Callable[[], Transport]:
    """Makes transports to one broker: once in memory, once over ZeroMQ."""
    if request.param == "memory":
        return MemoryBroker().transport
    address: str = request.getfixturevalue("broker_address")
    return lambda: ZmqTransport(address)


@pytest.fixture
async def join(transport: Callable[[], Transport]) -> AsyncIterator[Join]:
    """Connects a client to the broker; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def connect(name: str, **options: Any) -> Client:
            return await stack.enter_async_context(Client(transport(), name=name, **options))

        yield connect


@pytest.fixture(scope="session")
def sandbox() -> None:
    """A sandbox works here; else the test is skipped with the reason, but fails in CI."""
    from rostra.agents.code.sandbox import SandboxUnavailable, probe

    try:
        asyncio.run(probe())
    except SandboxUnavailable as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until `condition` holds; fails after `seconds`. For what cannot be awaited."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait on
            await asyncio.sleep(0.01)


def free_port() -> int:
    """A TCP port of this machine that is free, and the one after it (a broker's events) too.

    It is below those that the kernel gives to whoever connects somewhere, so that nobody has it by chance when it is needed.
    """
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as one, socket.socket() as two, suppress(OSError):
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            return port
