"""Many simulated lives, each told apart by its seed, in as many processes as there are processors."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from tests.protocol import test_simulation

from rostra.broker import topics
from rostra.protocol import session

from . import mail_simulation

BRIEF = 0.3
"""Of five lives four are this part of a long one: seeds find more than length does, as long as every bound is met."""


def lengths(seed: int) -> float:
    """How long the life of a seed is."""
    return 1.0 if seed % 5 == 0 else BRIEF


def mail_life(seed: int) -> Counter[str]:
    """One life of the simulation of mail; raises AssertionError, which names the seed."""
    try:
        world = mail_simulation.live(seed, lengths(seed))
        mail_simulation.check(world)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    dead = world.store._db.execute("SELECT count(*) FROM dead").fetchone()[0]
    world.store.close()
    return Counter({"letters confirmed": len(world.confirmed), "refused": len(world.refused), "steps": world.steps, "dead": dead})


def session_life(seed: int) -> Counter[str]:
    """One life of the simulation of requests and events; raises as `mail_life`."""
    try:
        world = test_simulation.live(seed, lengths(seed))
        test_simulation.check(world)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    return Counter({"steps": world.steps})


def lived(life: Callable[[int], Counter[str]], seeds: range) -> Counter[str]:
    """The sum of what the lives of `seeds` counted; raises the first failure."""
    counts: Counter[str] = Counter()
    workers = min(4, len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _small_bounds) as pool:
        try:
            for one in pool.map(life, seeds, chunksize=20):
                counts += one
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return counts


def _small_bounds() -> None:
    """So that every bound is met within a short life."""
    mail_simulation.small_bounds()
    topics.RING_EVENTS = 12
    session.OUTBOX = 4
