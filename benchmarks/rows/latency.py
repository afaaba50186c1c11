"""Round trips with one message in flight, every process on one CPU (rows 1 and 5)."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.floors import pingpong
from benchmarks.machine import cpu_seconds, pinned
from benchmarks.measure import Case, Effort, Sample
from benchmarks.processes import Cast, Part, Pipe
from benchmarks.summary import latency
from benchmarks.wire import REPLY, REQUEST, SNDMORE, BlockingPeer, broker
from rostra.protocol import ChatMessage, Client, Incoming, Service

SIZE = 256
TRIPS = 4000


def echo(pipe: Pipe, address: str, keys: Path | None = None) -> None:
    """A blocking peer that answers whoever asks."""
    peer = BlockingPeer(address, "echo", keys)
    peer.welcomed()
    pipe.send("up")
    send, recv = peer.send, peer.recv
    while True:
        sender, _, body = recv(), recv(), recv()
        send(sender, SNDMORE)
        send(REPLY, SNDMORE)
        send(body)


def trips(pipe: Pipe, address: str, size: int, count: int, keys: Path | None = None) -> None:
    """A blocking peer that asks; says the duration of each round trip in nanoseconds."""
    peer = BlockingPeer(address, "asker", keys)
    peer.welcomed()
    send, recv, body = peer.send, peer.recv, os.urandom(size)
    clock, durations = time.perf_counter_ns, []
    for number in range(count + count // 10):
        began = clock()
        send(b"echo", SNDMORE)
        send(REQUEST, SNDMORE)
        send(body)
        recv(), recv(), recv()
        if number >= count // 10:
            durations.append(clock() - began)
    pipe.send(durations)
    pipe.recv()


def answering(pipe: Pipe, address: str, keys: Path | None = None) -> None:
    """An asyncio agent that answers `ask` with what it was told."""

    async def main() -> None:
        async with Client.connect(address, name="echo", keys=keys) as client:
            service = Service(client, concurrency=256)

            async def answer(message: ChatMessage, _: Incoming) -> ChatMessage:
                return ChatMessage(content=message.content, role="assistant", name="echo")

            service.method("ask", ChatMessage, answer)
            pipe.send("up")
            await asyncio.Event().wait()

    asyncio.run(main())


def asking(pipe: Pipe, address: str, size: int, count: int) -> None:
    """An asyncio agent that asks; says the duration of each ask in nanoseconds."""

    async def main() -> None:
        async with Client.connect(address, name="asker") as client:
            content, clock = "x" * size, time.perf_counter_ns
            durations = []
            for number in range(count + count // 10):
                began = clock()
                await client.ask("echo", content)
                if number >= count // 10:
                    durations.append(clock() - began)
            pipe.send(durations)

    asyncio.run(main())
    pipe.recv()


def through_broker(server: Callable[..., None], client: Callable[..., None], size: int, count: int) -> Sample:
    """One sample of round trips over our broker."""
    with pinned(), Cast() as cast:
        bus, address = broker(cast)
        cast.ready(server, address)
        return _trip(cast.start(client, address, size, count), bus, count)


def _trip(client: Part, relay: Part, count: int) -> Sample:
    before = cpu_seconds(relay.pid)
    sample = latency(client.hear())
    return {**sample, "broker_us": (cpu_seconds(relay.pid) - before) / count * 1e6}


def _direct(size: int, count: int) -> Sample:
    with pinned(), Cast() as cast:
        cast.ready(pingpong.echo_router, cast.address())
        return latency(cast.start(pingpong.trips, cast.address(), size, count).hear())


def _proxy(size: int, count: int) -> Sample:
    with pinned(), Cast() as cast:
        front, back = cast.address("front"), cast.address("back")
        relay = cast.ready(pingpong.proxy, front, back)
        cast.ready(pingpong.echo_dealer, back)
        return _trip(cast.start(pingpong.trips, front, size, count), relay, count)


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `latency`."""
    count = effort.count(TRIPS)
    return {
        "zmq.proxy in C": lambda: _proxy(SIZE, count),
        "rostra, blocking peers": lambda: through_broker(echo, trips, SIZE, count),
        "rostra, Client.ask": lambda: through_broker(answering, asking, SIZE, count // 2),
        "DEALER–ROUTER, no broker": lambda: _direct(SIZE, count),
    }
