"""Many asks in flight between two asyncio agents, and one at a time over TCP (rows 6 to 8)."""

import asyncio
import time
from pathlib import Path

from benchmarks.machine import cpu_seconds, pinned
from benchmarks.measure import Case, Effort, Sample
from benchmarks.peers.environments import case
from benchmarks.processes import Cast, Pipe
from benchmarks.summary import latency
from benchmarks.wire import broker, broker_on_tcp
from rostra.protocol import Client

from .latency import SIZE, answering

ASKS, IN_FLIGHT = 8000, 64


def asking(pipe: Pipe, address: str, size: int, count: int, keys: Path | None = None) -> None:
    """Asks one by one, then with 64 in flight; says the durations of the former and the seconds of the latter."""

    async def main() -> None:
        async with Client.connect(address, name="asker", keys=keys) as client:
            content, clock = "x" * size, time.perf_counter_ns
            durations = []
            for number in range(count // 4 + 50):
                began = clock()
                await client.ask("echo", content)
                if number >= 50:
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
        if transport == "tcp":
            bus, address, keys = broker_on_tcp(cast, "asker", "echo")
            cast.ready(answering, address, keys)
            client = cast.start(asking, address, size, count, keys)
        else:
            bus, address = broker(cast)
            cast.ready(answering, address)
            client = cast.start(asking, address, size, count)
        before = cpu_seconds(bus.pid)
        durations, seconds = client.hear()
        asked = len(durations) + 50 + count
        broker_us = (cpu_seconds(bus.pid) - before) / asked * 1e6
        return {"asks_s": count / seconds, **latency(durations), "broker_us": broker_us}


def _on_one_cpu(case: Case) -> Case:
    def run() -> Sample:
        with pinned():
            return case()

    return run


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `asks`."""
    count, few = effort.count(ASKS), effort.count(ASKS // 4)
    cases: dict[str, Case] = {"rostra, ipc": lambda: ours("ipc", count), "rostra, tcp with CURVE": lambda: ours("tcp", count)}
    if effort.peers:
        cases["nats-py"] = case("nats", "nats_bus", case="rpc", size=SIZE, count=count)
        cases["Redis pub/sub"] = case("redis", "redis_bus", case="rpc", size=SIZE, count=few)
        cases["Ray actor"] = case("ray", "ray_actors", case="rpc", size=SIZE, count=few)
        cases["autogen-ext gRPC"] = case("autogen", "autogen_grpc", case="rpc", size=SIZE, count=few)
    return cases


def tcp(effort: Effort) -> dict[str, Case]:
    """The cases of `tcp latency`: every process on one CPU."""
    count = effort.count(ASKS // 4)
    cases = {"rostra, tcp with CURVE": _on_one_cpu(lambda: ours("tcp", count))}
    if effort.peers:
        cases["nats-py"] = _on_one_cpu(case("nats", "nats_bus", case="rpc", size=SIZE, count=count))
    return cases
