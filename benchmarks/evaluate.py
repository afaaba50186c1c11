"""From samples to the figures of the table: each part of each row with its value and whether it holds."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from .figures import ROWS, Part, Row, Source
from .measure import Measured
from .summary import Spread, paired

Results = Mapping[str, Mapping[str, Measured]]
"""Measurement → case → what was measured."""
Verdict = Literal["goal", "gate", "missed", "skipped"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One part of one row, as measured."""

    row: int
    part: str
    verdict: Verdict
    value: Spread | None = None
    gate: float
    goal: float
    better: str
    kind: str
    unit: str = ""
    ours: Spread | None = None
    """The absolute value behind a ratio."""
    reason: str = ""
    """Why it was skipped."""


def evaluate(results: Results, rows: Iterable[Row] = ROWS) -> list[Figure]:
    """The figures of `rows`."""
    return [_figure(row, part, results) for row in rows for part in row.parts]


def wanted(rows: Iterable[Row]) -> dict[str, set[str]]:
    """Which cases of which measurements `rows` need."""
    needs: dict[str, set[str]] = {}
    for row in rows:
        for part in row.parts:
            for source in (part.ours, part.beside):
                if source is not None and part.ours is not None:
                    needs.setdefault(source.measurement, set()).add(source.case)
    return needs


def _figure(row: Row, part: Part, results: Results) -> Figure:
    def figure(verdict: Verdict, value: Spread | None = None, ours: Spread | None = None, reason: str = "") -> Figure:
        return Figure(
            row=row.number,
            part=part.name,
            verdict=verdict,
            value=value,
            gate=part.gate,
            goal=part.goal,
            better=part.better,
            kind=part.kind,
            unit=part.unit,
            ours=ours,
            reason=reason,
        )

    if part.ours is None:
        return figure("skipped", reason=part.missing)
    mine = _find(results, part.ours)
    numbers = [sample[part.ours.metric] for sample in mine.samples if part.ours.metric in sample]
    if not numbers:
        return figure("skipped", reason=mine.skipped or "not measured in this run")
    ours = Spread.of(numbers)
    if part.beside is None:
        values = numbers
    else:
        other = _find(results, part.beside)
        values = paired(mine.samples, part.ours.metric, other.samples, part.beside.metric, difference=part.kind == "difference")
        if not values:
            return figure("skipped", ours=ours, reason=other.skipped or "the peers are measured by `make bench-peers`")
    value = Spread.of(values)
    verdict: Verdict = (
        "goal" if part.holds(value.median, part.goal) else "gate" if part.holds(value.median, part.gate) else "missed"
    )
    return figure(verdict, value, ours)


def _find(results: Results, source: Source) -> Measured:
    return results.get(source.measurement, {}).get(source.case) or Measured()
