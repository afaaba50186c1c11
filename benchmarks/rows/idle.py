"""The broker with a thousand peers that do nothing (row 18)."""

import resource
import time

import zmq

from benchmarks.machine import memory, pinned
from benchmarks.measure import Case, Effort, Sample
from benchmarks.processes import Cast, Pipe
from benchmarks.summary import latency
from benchmarks.wire import BlockingPeer, broker

from .latency import SIZE, TRIPS, echo, trips

PEERS = 1000


def crowd(pipe: Pipe, address: str, peers: int) -> None:
    """A process with `peers` connections, each welcomed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard > 0 else soft, hard))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, peers + 16)
    everyone = [BlockingPeer(address, f"idle-{number}", context=context) for number in range(peers)]
    for peer in everyone:
        peer.welcomed()
    pipe.send(len(everyone))
    pipe.recv()


def _sample(peers: int, count: int) -> Sample:
    with pinned(), Cast() as cast:
        bus, address = broker(cast)
        sample = {}
        if peers:
            before = memory(bus.pid)["rss_mb"]
            cast.ready(crowd, address, peers)
            time.sleep(0.2)  # the presence of the last ones is still on its way
            sample["kb_per_peer"] = (memory(bus.pid)["rss_mb"] - before) * 1024 / peers
        cast.ready(echo, address)
        return {**latency(cast.start(trips, address, SIZE, count).hear()), **sample}


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `idle peers`."""
    count, peers = effort.count(TRIPS), effort.count(PEERS, least=50)
    return {"no idle peers": lambda: _sample(0, count), "1000 idle peers": lambda: _sample(peers, count)}
