"""docs/performance.md and its plots, made from the record of a run."""

from pathlib import Path
from typing import Any

import msgspec

from .evaluate import Figure
from .figures import ROWS
from .plots import bars, curve
from .report import bound, number, spread
from .summary import Spread

BOUNDS = Path(__file__).with_name("bounds.md")
"""The part that a person writes."""
HEAD = """# Performance

Made by `make bench-page` (`python -m benchmarks --peers --write docs/performance.md`); the table is not written by hand.

Absolute times mean little on a shared machine, so every figure is a ratio to something measured in the same run: the cases of a
measurement take turns (A B A B …), a ratio is taken within a round, and the table gives the median of the rounds with the
smallest and the largest. Processes are real processes. Latencies are taken with all of them on one CPU, which keeps the lottery
of wake-ups across CPUs out; throughput on all. The product is measured through its own code: nothing in it knows of benchmarks.
A floor is the same work with nothing but pyzmq, sqlite3, a C compiler and the standard library; a peer is somebody else's system
in an environment of its own, at the version stated below. Differences within 20 % of 1 are ties.

"""


def write_page(path: Path, record: dict[str, Any]) -> None:
    """Write the page at `path`, and its plots into `performance/` beside it."""
    figures = [msgspec.convert(figure, Figure) for figure in record["figures"]]
    plots = path.parent / "performance"
    plots.mkdir(exist_ok=True)
    drawn = _plots(plots, record)
    text = HEAD + _machine(record) + _table(figures) + _how(figures) + BOUNDS.read_text() + _peers(record)
    if drawn:
        text += "\n## Plots\n\n" + "\n".join(f"![{title}](performance/{name})\n" for title, name in drawn)
    path.write_text(text.rstrip() + "\n")


def _machine(record: dict[str, Any]) -> str:
    machine, foreign = record["machine"], record["foreign_cpus"]
    text = (
        f"This run: {record['at'][:10]}, {machine['cpus']} CPUs ({machine['cpu']}), Linux {machine['kernel']}, "
        f"Python {machine['python']}, pyzmq {machine['pyzmq']}, libzmq {machine['libzmq']}, SQLite {machine['sqlite']}; "
        f"{record['rounds']} rounds, {record['seconds']:.0f} s."
    )
    if foreign:
        text += f" Strangers kept {foreign['median']:.2f} CPUs busy in the median sample and {foreign['high']:.2f} in the worst."
    return text + "\n\n"


def _table(figures: list[Figure]) -> str:
    lines = ["## The figures\n", "| # | figure | beside | measured | gate | goal | |", "|---|---|---|---|---|---|---|"]
    for row in ROWS:
        parts = [figure for figure in figures if figure.row == row.number]
        for place, figure in enumerate(parts):
            title, beside = (row.title, row.beside) if place == 0 else ("", "")
            value = figure.reason if figure.verdict == "skipped" else spread(figure.value, figure.unit)
            mark = {"goal": "**goal**", "gate": "gate", "missed": "missed", "skipped": "–"}[figure.verdict]
            label = f"{title} · *{figure.part}*" if len(parts) > 1 and title else title or f"*{figure.part}*"
            cells = [str(row.number) if place == 0 else "", label, beside, value]
            cells += [bound(figure, figure.gate), bound(figure, figure.goal), mark]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


def _how(figures: list[Figure]) -> str:
    lines = ["## How each was taken, and what it was in absolute terms\n"]
    for row in ROWS:
        if not row.note:
            continue
        values = [
            f"{figure.part}: {number(figure.ours.median)}" for figure in figures if figure.row == row.number and figure.ours
        ]
        lines.append(f"- **{row.number}.** {row.note}" + (f" ({'; '.join(values)})" if values else ""))
    return "\n".join(lines) + "\n\n"


def _peers(record: dict[str, Any]) -> str:
    versions = record.get("peer_versions") or {}
    if not versions:
        return ""
    lines = "\n".join(f"- {name}: {version}" for name, version in sorted(versions.items()))
    return f"\n## The peers\n\n{lines}\n"


def _plots(directory: Path, record: dict[str, Any]) -> list[tuple[str, str]]:
    drawn = []
    for measurement, metric, unit, title in (
        ("latency", "p50_us", "µs", "Round trip p50, one message in flight, one CPU"),
        ("routing", "messages_s", "/s", "Messages routed a second"),
        ("asks", "asks_s", "/s", "Asks a second, 64 in flight"),
        ("events", "deliveries_s", "/s", "Event deliveries a second"),
        ("chats", "turns_s", "/s", "Turns a second in a group chat"),
    ):
        lines = []
        for case, measured in record["samples"].get(measurement, {}).items():
            values = [sample[metric] for sample in measured["samples"] if metric in sample]
            if values:
                lines.append((case, Spread.of(values), "goal" if case.startswith("rostra") else "plain"))
        if lines:
            name = f"{measurement}.svg"
            (directory / name).write_text(bars(title, lines, unit))
            drawn.append((title, name))
    length = record["samples"].get("chat length", {}).get("rostra", {}).get("samples", [])
    points = sorted(
        (float(key[6:]), value) for sample in length[-1:] for key, value in sample.items() if key.startswith("us_at_")
    )
    if points:
        title = "Time of a turn along one chat"
        (directory / "length.svg").write_text(curve(title, points, "turns", "µs a turn"))
        drawn.append((title, "length.svg"))
    return drawn
