"""Medians, percentiles and ratios of samples."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """A median with the smallest and the largest of its samples."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of one or more values; raises `statistics.StatisticsError` for none."""
        return cls(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, without interpolation."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(nanoseconds: Sequence[int]) -> dict[str, float]:
    """Percentiles, in microseconds, of durations in nanoseconds."""
    return {"p50_us": percentile(nanoseconds, 0.5) / 1e3, "p99_us": percentile(nanoseconds, 0.99) / 1e3}


def paired(
    ours: Sequence[Mapping[str, float]],
    metric: str,
    beside: Sequence[Mapping[str, float]],
    metric_beside: str,
    *,
    difference: bool,
) -> list[float]:
    """Ours ÷ (or minus) the other of the same round, for each round that has both.

    Rounds are paired because what disturbs a machine disturbs neighbours in time alike.
    """
    values = []
    for one, other in zip(ours, beside, strict=False):
        if metric in one and other.get(metric_beside):
            values.append(one[metric] - other[metric_beside] if difference else one[metric] / other[metric_beside])
    return values
