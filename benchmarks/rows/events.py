"""Events published once and delivered to many processes (row 9)."""

import asyncio
import os
import time
from collections.abc import Callable

from benchmarks.floors import fanout
from benchmarks.measure import Case, Effort, Sample
from benchmarks.peers.environments import case as peer
from benchmarks.processes import Cast, Part, Pipe
from benchmarks.wire import SNDMORE, BlockingPeer, broker
from rostra.protocol import Client, events_address
from rostra.protocol.frames import encode_head
from rostra.protocol.messages import Publish

EVENTS = 100_000
"""Deliveries and publications together."""
SIZE = 256
PACE = 250
"""Events an SDK publisher sends before it waits for the broker to have taken them."""


def publisher(pipe: Pipe, address: str, size: int, count: int) -> None:
    """A blocking peer that publishes; as `fanout.publisher`."""
    peer = BlockingPeer(address, "publisher")
    peer.welcomed()
    send, body = peer.send, os.urandom(size)
    topic, number = fanout.TOPIC.decode(), 0
    while not pipe.poll(0.03):
        number += 1
        send(b"", SNDMORE)
        send(encode_head(Publish(topic, peer.boot, number)), SNDMORE)
        send(fanout.SYNC)
    pipe.recv()
    pipe.send("ready")
    pipe.recv()
    began = time.monotonic()
    for sequence in range(number + 1, number + 1 + count):
        send(b"", SNDMORE)
        send(encode_head(Publish(topic, peer.boot, sequence)), SNDMORE)
        send(body)
    pipe.send(began)
    pipe.recv()


def sdk_subscriber(pipe: Pipe, address: str, number: int, count: int) -> None:
    """Takes `count` events through `Client.subscribe`, decoded; says when it is subscribed, and when the last one came."""

    async def main() -> None:
        async with Client.connect(address, name=f"reader-{number}") as client, client.subscribe("bench.news") as events:
            pipe.send("synced")
            taken = 0
            async for event in events:
                assert event.payload
                taken += 1
                if taken + events.missed >= count:
                    break
            pipe.send((time.monotonic(), events.missed))

    asyncio.run(main())
    pipe.recv()


def sdk_publisher(pipe: Pipe, address: str, size: int, count: int) -> None:
    """Publishes `count` events through `Client.publish`, never more ahead of the broker than `PACE`; says when it began."""

    async def main() -> None:
        async with Client.connect(address, name="publisher") as client:
            payload = {"content": "x" * size}
            pipe.send("ready")
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
            began = time.monotonic()
            for number in range(count):
                client.publish("bench.news", payload)
                if number % PACE == PACE - 1:
                    await client.request("", "ping")
            pipe.send(began)
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    asyncio.run(main())


def _run(publishing: Part, subscribers: list[Part], deliveries: int, *, syncs: bool) -> Sample:
    for part in subscribers:
        part.hear()
    if syncs:
        publishing.tell("synced")
    publishing.hear()
    time.sleep(0.1)  # what is left of the syncs
    publishing.tell("go")
    began = publishing.hear()
    ends = [part.hear() for part in subscribers]
    return {"deliveries_s": deliveries / (max(ends) - began)}


def raw(processes: int, count: int) -> Sample:
    """One sample of bare SUB sockets at our broker."""
    with Cast() as cast:
        _, address = broker(cast)
        back = events_address(address)
        subscribers = [cast.start(fanout.subscriber, back, 3, count) for _ in range(processes)]
        return _run(cast.start(publisher, address, SIZE, count), subscribers, count * processes, syncs=True)


def floor(processes: int, count: int) -> Sample:
    """One sample of bare SUB sockets at the C proxy."""
    with Cast() as cast:
        front, back = cast.address("front"), cast.address("back")
        cast.ready(fanout.proxy, front, back)
        subscribers = [cast.start(fanout.subscriber, back, 2, count) for _ in range(processes)]
        return _run(cast.start(fanout.publisher, front, SIZE, count), subscribers, count * processes, syncs=True)


def sdk(processes: int, count: int) -> Sample:
    """One sample of our clients."""
    with Cast() as cast:
        _, address = broker(cast)
        subscribers = [cast.start(sdk_subscriber, address, number, count) for number in range(processes)]
        for part in subscribers:
            part.hear()
        publishing = cast.start(sdk_publisher, address, SIZE, count)
        publishing.hear()
        publishing.tell("go")
        began = publishing.hear()
        ends = [part.hear() for part in subscribers]
        missed = sum(lost for _, lost in ends)
        return {"deliveries_s": (count * processes - missed) / (max(end for end, _ in ends) - began), "missed": missed}


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `events`."""

    def case(run: Callable[[int, int], Sample], processes: int, events: int = EVENTS) -> Case:
        count = effort.count(events) // (processes + 2)
        return lambda: run(processes, count)

    cases = {
        "XSUB–XPUB in C, 10 processes": case(floor, 10),
        "rostra raw, 10 processes": case(raw, 10),
        "XSUB–XPUB in C, 50 processes": case(floor, 50),
        "rostra raw, 50 processes": case(raw, 50),
        "rostra SDK, 10 processes": case(sdk, 10, EVENTS // 2),
    }
    if effort.peers:
        many, few = effort.count(EVENTS // 2) // 12, effort.count(EVENTS // 40) // 12
        cases["nats-py, 10 processes"] = peer("nats", "nats_bus", case="fan", subscribers=10, size=SIZE, count=many)
        cases["autogen-ext gRPC, 10 processes"] = peer(
            "autogen", "autogen_grpc", case="fan", subscribers=10, size=SIZE, count=few
        )
    return cases
