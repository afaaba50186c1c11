"""The table on a terminal, and the record as JSON."""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from .evaluate import Figure, Results
from .figures import ROWS
from .machine import describe
from .measure import FOREIGN, Effort
from .summary import Spread

MARKS = {"goal": "goal", "gate": "gate", "missed": "MISSED", "skipped": "–"}


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(value: Spread | None, unit: str = "") -> str:
    """The median, and the smallest and largest sample."""
    if value is None:
        return "–"
    tail = f" {unit}" if unit else ""
    return f"{number(value.median)}{tail} [{number(value.low)}–{number(value.high)}]"


def bound(figure: Figure, value: float) -> str:
    """A gate or a goal as it is written in the table."""
    sign = "≤" if figure.better == "lower" else "≥"
    plus = "+ " if figure.kind == "difference" else ""
    return f"{sign} {plus}{value:g}{' ' + figure.unit if figure.unit else ''}"


def table(figures: Sequence[Figure]) -> str:
    """The figures in lines, for a terminal."""
    rows = {row.number: row for row in ROWS}
    cells = [("#", "figure", "ratio [min–max]", "gate", "goal", "reached", "ours")]
    for figure in figures:
        row = rows[figure.row]
        name = f"{row.title[:52]}{'…' if len(row.title) > 52 else ''}: {figure.part}"
        value = figure.reason if figure.verdict == "skipped" else spread(figure.value, figure.unit)
        cells.append(
            (
                str(figure.row),
                name,
                value,
                bound(figure, figure.gate),
                bound(figure, figure.goal),
                MARKS[figure.verdict],
                spread(figure.ours),
            )
        )
    widths = [max(len(line[column]) for line in cells if column != 2 or len(line[2]) < 40) for column in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def record(figures: Sequence[Figure], results: Results, effort: Effort, seconds: float) -> dict[str, Any]:
    """Everything, for a file: the machine, the figures, and every sample."""
    foreign = [
        sample[FOREIGN] for cases in results.values() for one in cases.values() for sample in one.samples if FOREIGN in sample
    ]
    return {
        "machine": describe(),
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "rounds": effort.rounds,
        "scale": effort.scale,
        "peers": effort.peers,
        "seconds": round(seconds, 1),
        "foreign_cpus": Spread.of(foreign)._asdict() if foreign else None,
        "figures": [msgspec.to_builtins(figure) for figure in figures],
        "samples": {name: {case: msgspec.to_builtins(one) for case, one in cases.items()} for name, cases in results.items()},
    }


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a record."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
