"""Messages routed one way from senders that never wait, each to a receiver of its own (rows 2 to 4)."""

import os
import tempfile
import time
from functools import cache
from pathlib import Path

from benchmarks.floors import swap
from benchmarks.machine import cpu_seconds
from benchmarks.measure import Case, Effort, Sample
from benchmarks.processes import Cast, Part, Pipe
from benchmarks.wire import REQUEST, SNDMORE, BlockingPeer, broker
from rostra.protocol.bundles import MARK, bundled, unbundle

MESSAGES = 60_000
TOGETHER = 16
"""Messages that a coalescing sender has queued."""


def receiver(pipe: Pipe, address: str, name: str, count: int, keys: Path | None = None) -> None:
    """Takes `count` messages, then says when the last one came."""
    peer = BlockingPeer(address, name, keys)
    peer.welcomed()
    pipe.send("connected")
    recv = peer.recv
    for _ in range(count):
        recv(), recv(), recv()
    pipe.send(time.monotonic())
    pipe.recv()


def sender(pipe: Pipe, address: str, name: str, to: str, size: int, count: int, keys: Path | None = None) -> None:
    """Sends `count` messages as fast as it can, when told; says when it began."""
    peer = BlockingPeer(address, name, keys)
    peer.welcomed()
    pipe.send("connected")
    send, receiver_name, body = peer.send, to.encode(), os.urandom(size)
    pipe.recv()
    began = time.monotonic()
    for _ in range(count):
        send(receiver_name, SNDMORE)
        send(REQUEST, SNDMORE)
        send(body)
    pipe.send(began)
    pipe.recv()


def bundle_receiver(pipe: Pipe, address: str, name: str, count: int) -> None:
    """As `receiver`, for messages that come in bundles."""
    peer = BlockingPeer(address, name)
    peer.welcomed()
    pipe.send("connected")
    recv, taken = peer.recv, 0
    while taken < count:
        _, head, body = recv(), recv(), recv()
        taken += len(unbundle(body)) if head[:2] == MARK else 1
    pipe.send(time.monotonic())
    pipe.recv()


def bundle_sender(pipe: Pipe, address: str, name: str, to: str, size: int, count: int) -> None:
    """As `sender`, with what is queued, `TOGETHER` messages, in one bundle."""
    peer = BlockingPeer(address, name)
    peer.welcomed()
    pipe.send("connected")
    send, receiver_name, body = peer.send, to.encode(), os.urandom(size)
    pipe.recv()
    began = time.monotonic()
    for _ in range(count // TOGETHER):
        for head, together in bundled([(REQUEST, body)] * TOGETHER):
            send(receiver_name, SNDMORE)
            send(head, SNDMORE)
            send(together)
    pipe.send(began)
    pipe.recv()


def run(relay: Part | None, senders: list[Part], receivers: list[Part], messages: int) -> Sample:
    """Let the senders begin, and wait for the last message; `relay`: whose CPU time is wanted."""
    before = cpu_seconds(relay.pid) if relay else 0.0
    for part in senders:
        part.tell("go")
    began = min(part.hear() for part in senders)
    took = max(part.hear() for part in receivers) - began
    sample = {"messages_s": messages / took}
    if relay:
        sample["broker_us"] = (cpu_seconds(relay.pid) - before) / messages * 1e6
    return sample


def ours(pairs: int, size: int, messages: int, *, bundles: bool = False) -> Sample:
    """One sample through our broker."""
    each = messages // pairs // TOGETHER * TOGETHER
    give, take = (bundle_sender, bundle_receiver) if bundles else (sender, receiver)
    with Cast() as cast:
        relay, address = broker(cast)
        receivers = [cast.ready(take, address, f"to-{number}", each) for number in range(pairs)]
        senders = [cast.ready(give, address, f"from-{number}", f"to-{number}", size, each) for number in range(pairs)]
        return run(relay, senders, receivers, each * pairs)


@cache
def _library() -> Path:
    return swap.compile_loop(Path(tempfile.mkdtemp(prefix="rostra-bench-c-")))


def floor(pairs: int, size: int, messages: int) -> Sample:
    """One sample through the C loop."""
    each, library = messages // pairs, _library()
    with Cast() as cast:
        relay = cast.ready(swap.swap, cast.address(), library)
        receivers = [cast.start(swap.receiver, cast.address(), f"to-{number}", each) for number in range(pairs)]
        time.sleep(0.2)  # a ROUTER drops what is for a peer that has not connected yet
        senders = [
            cast.start(swap.sender, cast.address(), f"from-{number}", f"to-{number}", size, each) for number in range(pairs)
        ]
        for part in receivers:
            part.hear()
        return run(relay, senders, receivers, each * pairs)


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `routing`."""
    small, large = effort.count(MESSAGES), effort.count(MESSAGES // 3)
    return {
        "C loop, 4 pairs": lambda: floor(4, 256, small),
        "rostra, 4 pairs": lambda: ours(4, 256, small),
        "rostra in bundles, 4 pairs": lambda: ours(4, 256, small, bundles=True),
        "C loop, 16 pairs": lambda: floor(16, 256, small),
        "rostra, 16 pairs": lambda: ours(16, 256, small),
        "rostra in bundles, 16 pairs": lambda: ours(16, 256, small, bundles=True),
        "C loop, 4 KiB": lambda: floor(4, 4096, large),
        "rostra, 4 KiB": lambda: ours(4, 4096, large),
    }
