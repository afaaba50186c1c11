"""Takes samples: the cases of a measurement in turns (A B A B …), each with the load that strangers made meanwhile."""

import sys
import time
import traceback
from collections.abc import Callable, Iterable

import msgspec

from .machine import busy_seconds, own_seconds

Sample = dict[str, float]
Case = Callable[[], Sample]
"""Takes one sample: starts its processes, measures, ends them; returns its metrics by name."""


class Unavailable(Exception):
    """A case cannot be measured here; the message says why."""


class Effort(msgspec.Struct, frozen=True):
    """How much is spent: rounds, and a factor on the number of messages; `peers`: those of others too."""

    rounds: int = 5
    scale: float = 1.0
    peers: bool = False

    def count(self, full: int, least: int = 20) -> int:
        """`full` scaled."""
        return max(least, int(full * self.scale))


FULL, QUICK = Effort(), Effort(rounds=2, scale=0.2)


class Measured(msgspec.Struct):
    """What was measured of one case: its samples, or why there are none."""

    samples: list[Sample] = []
    skipped: str = ""


Measurement = Callable[[Effort], dict[str, Case]]
FOREIGN = "foreign_cpus"
"""The metric, in every sample, of how many CPUs strangers kept busy meanwhile."""


def take(case: Case) -> Sample:
    """One sample, with the foreign load."""
    busy, own, began = busy_seconds(), own_seconds(), time.monotonic()
    sample = case()
    took = time.monotonic() - began
    foreign = ((busy_seconds() - busy) - (own_seconds() - own)) / took
    return {**sample, FOREIGN: round(max(0.0, foreign), 2)}


def interleave(
    cases: dict[str, Case], rounds: int, wanted: Iterable[str] | None = None, say: Callable[[str], None] = lambda _: None
) -> dict[str, Measured]:
    """Sample each (wanted) case once a round. A case that cannot be had is skipped with its reason; one that fails, too."""
    names = [name for name in cases if wanted is None or name in set(wanted)]
    measured = {name: Measured() for name in names}
    for round_ in range(rounds):
        for name in names:
            if measured[name].skipped:
                continue
            try:
                sample = take(cases[name])
            except Unavailable as reason:
                measured[name].skipped = str(reason)
                say(f"{name}: skipped, {reason}")
                continue
            except Exception as error:  # noqa: BLE001 - one case that fails must not take the others' figures with it
                traceback.print_exc(file=sys.stderr)
                measured[name].skipped = f"failed: {type(error).__name__}: {error}"
                measured[name].samples = []
                continue
            measured[name].samples.append(sample)
            say(f"{name} [{round_ + 1}/{rounds}]: " + " ".join(f"{key}={value:.4g}" for key, value in sample.items()))
    return measured
