"""Letters: on the broker's disk before they are confirmed (row 11)."""

import asyncio
import time

from benchmarks.floors import storage
from benchmarks.measure import Case, Effort, Sample
from benchmarks.peers.environments import case
from benchmarks.processes import Cast, Pipe
from benchmarks.wire import broker
from rostra.protocol import Client

LETTERS = 4000
IN_FLIGHT = 64
TEXT = "x" * 500


def telling(pipe: Pipe, address: str, senders: int, count: int) -> None:
    """Sends `count` letters to somebody who is away, `senders` at once; says how many seconds it took to have them stored."""

    async def main() -> None:
        async with Client.connect(address, name="teller") as client:
            await client.tell("absent-0", TEXT)
            turns = iter(range(count))

            async def sender(number: int) -> None:
                for _ in turns:
                    await client.tell(f"absent-{number}", TEXT)

            began = time.perf_counter()
            await asyncio.gather(*(sender(number) for number in range(senders)))
            pipe.send(time.perf_counter() - began)

    asyncio.run(main())
    pipe.recv()


def pipelining(pipe: Pipe, address: str, recipients: int, count: int) -> None:
    """The same with everything told at once."""

    async def main() -> None:
        async with Client.connect(address, name="teller") as client:
            await client.tell("absent-0", TEXT)
            began = time.perf_counter()
            await asyncio.gather(*(client.tell(f"absent-{number % recipients}", TEXT) for number in range(count)))
            pipe.send(time.perf_counter() - began)

    asyncio.run(main())
    pipe.recv()


def _told(count: int, *, pipelined: bool, senders: int = IN_FLIGHT) -> Sample:
    with Cast() as cast:
        _, address = broker(cast, mail=cast.directory / "mail.sqlite")
        play, at_once = (pipelining, 4) if pipelined else (telling, senders)
        return {"rows_s": count / cast.start(play, address, at_once, count).hear(120)}


def _floor(synchronous: str, group: int, count: int) -> Sample:
    with Cast() as cast:
        return {"rows_s": storage.rows_per_second(cast.directory, synchronous=synchronous, group=group, count=count)}


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `mail`."""
    count, single = effort.count(LETTERS, least=256), effort.count(LETTERS // 8)
    cases: dict[str, Case] = {
        "SQLite FULL, single": lambda: _floor("FULL", 1, single),
        "SQLite FULL, 64 to a commit": lambda: _floor("FULL", IN_FLIGHT, count),
        "SQLite NORMAL, single": lambda: _floor("NORMAL", 1, count),
        "rostra tell, one sender": lambda: _told(single, pipelined=False, senders=1),
        "rostra tell, 64 senders": lambda: _told(count, pipelined=False),
        "rostra tell, pipelined": lambda: _told(count, pipelined=True),
    }
    if effort.peers:
        cases["NATS JetStream, 64 in flight"] = case("nats", "nats_bus", case="jetstream", count=count, in_flight=IN_FLIGHT)
        cases["Redis streams, fsync always, 64 in flight"] = case(
            "redis", "redis_bus", case="streams", count=count, in_flight=IN_FLIGHT
        )
    return cases
