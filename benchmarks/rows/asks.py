"""Many asks in flight between two asyncio agents (rows 6 to 8)."""

import asyncio
import socket
import time

from benchmarks.machine import cpu_seconds
from benchmarks.measure import Case, Effort, Sample
from benchmarks.processes import Cast, Pipe
from benchmarks.summary import latency
from benchmarks.wire import broker
from rostra.protocol import Client

from .latency import SIZE, answering

ASKS, IN_FLIGHT = 8000, 64


def free_ports() -> int:
    """A port that is free, and the next one too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def asking(pipe: Pipe, address: str, size: int, count: int) -> None:
    """Asks one by one, then with 64 in flight; says the durations of the former and the seconds of the latter."""

    async def main() -> None:
        async with Client.connect(address, name="asker") as client:
            content, clock = "x" * size, time.perf_counter_ns
            durations = []
            for number in range(count // 4 + 100):
                began = clock()
                await client.ask("echo", content)
                if number >= 100:
                    durations.append(clock() - began)
            turns = iter(range(count))

            async def worker() -> None:
                for _ in turns:
                    await client.ask("echo", content)

            start = time.perf_counter()
            await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
            pipe.send((durations, time.perf_counter() - start))

    asyncio.run(main())
    pipe.recv()


def ours(transport: str, count: int, size: int = SIZE) -> Sample:
    """One sample through our broker."""
    with Cast() as cast:
        bus, address = broker(cast, f"tcp://127.0.0.1:{free_ports()}" if transport == "tcp" else "")
        cast.ready(answering, address)
        client = cast.start(asking, address, size, count)
        before = cpu_seconds(bus.pid)
        durations, seconds = client.hear()
        asked = len(durations) + 100 + count
        broker_us = (cpu_seconds(bus.pid) - before) / asked * 1e6
        return {"asks_s": count / seconds, **latency(durations), "broker_us": broker_us}


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `asks`."""
    count = effort.count(ASKS)
    return {"rostra, ipc": lambda: ours("ipc", count), "rostra, tcp": lambda: ours("tcp", count)}
