"""CURVE, beside the same over TCP without it (row 10)."""

from pathlib import Path

from benchmarks.machine import pinned
from benchmarks.measure import Case, Effort, Sample
from benchmarks.processes import Cast
from benchmarks.summary import latency
from benchmarks.wire import broker, broker_on_tcp

from .latency import SIZE, TRIPS, echo, trips
from .routing import MESSAGES, receiver, run, sender

PAIRS = 4


def _latency(count: int, *, curve: bool) -> Sample:
    with pinned(), Cast() as cast:
        address, keys = _bus(cast, curve, "asker", "echo")
        cast.ready(echo, address, keys)
        return latency(cast.start(trips, address, SIZE, count, keys).hear())


def _throughput(messages: int, *, curve: bool) -> Sample:
    each = messages // PAIRS
    with Cast() as cast:
        names = [f"{end}-{number}" for end in ("to", "from") for number in range(PAIRS)]
        address, keys = _bus(cast, curve, *names)
        receivers = [cast.ready(receiver, address, f"to-{number}", each, keys) for number in range(PAIRS)]
        senders = [cast.ready(sender, address, f"from-{number}", f"to-{number}", SIZE, each, keys) for number in range(PAIRS)]
        return run(None, senders, receivers, each * PAIRS)


def _bus(cast: Cast, curve: bool, *names: str) -> tuple[str, Path | None]:
    if curve:
        _, address, keys = broker_on_tcp(cast, *names)
        return address, keys
    return broker(cast)[1], None


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `curve`. A broker takes TCP with CURVE only, so what stands beside it is ipc."""
    count, messages = effort.count(TRIPS // 2), effort.count(MESSAGES // 2)
    return {
        "ipc, one in flight": lambda: _latency(count, curve=False),
        "tcp with CURVE, one in flight": lambda: _latency(count, curve=True),
        "ipc, 4 pairs": lambda: _throughput(messages, curve=False),
        "tcp with CURVE, 4 pairs": lambda: _throughput(messages, curve=True),
    }
