"""One long chat: what a turn costs at its end, beside its beginning (row 14)."""

import itertools
import sqlite3
import statistics
import time
from pathlib import Path

from benchmarks.measure import Case, Effort, Sample
from benchmarks.processes import Cast
from benchmarks.team import assemble, watching

TURNS = 10_000
WINDOW = 100


def _bytes(database: Path) -> tuple[int, int]:
    """Rows of the transcript, and the bytes of the database's pages; (0, 0) before it has tables."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        pages: int = connection.execute("PRAGMA page_count").fetchone()[0] * connection.execute("PRAGMA page_size").fetchone()[0]
        rows: int = connection.execute("SELECT count(*) FROM row").fetchone()[0]
        return rows, pages
    except sqlite3.OperationalError:
        return 0, 0
    finally:
        connection.close()


def _sample(turns: int) -> Sample:
    with Cast() as cast:
        address, database = assemble(cast)
        watcher = cast.start(watching, address, 1, turns)
        began, early = time.monotonic(), (0, 0)
        while early[0] < turns // 10 and time.monotonic() - began < 120:
            time.sleep(0.05)
            if database.exists():
                early = _bytes(database)
        times = watcher.hear(600)[0]
        late = _bytes(database)
    spans = [(after - before) * 1e6 for before, after in itertools.pairwise(times)]
    sample = {"us_first": _window(spans, WINDOW), "us_last": _window(spans, min(len(spans), turns // 10))}
    for at in (100, 1000, 10_000):
        scaled = max(WINDOW, at * turns // TURNS)
        sample[f"us_at_{at}"] = _window(spans, scaled)
    sample["bytes_early"] = early[1] / early[0]
    sample["bytes_late"] = (late[1] - early[1]) / (late[0] - early[0])
    return sample


def _window(spans: list[float], end: int) -> float:
    return statistics.median(spans[max(0, end - WINDOW) : end])


def measurement(effort: Effort) -> dict[str, Case]:
    """The case of `chat length`."""
    turns = effort.count(TURNS, least=1000)
    return {"rostra": lambda: _sample(turns)}
