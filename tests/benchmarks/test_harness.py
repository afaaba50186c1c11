"""The harness: turns, ratios, verdicts, and what is said of what cannot be had."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest
from benchmarks.evaluate import evaluate, wanted
from benchmarks.figures import ROWS, Row, Source, higher, lower
from benchmarks.measure import FOREIGN, Effort, Measured, Unavailable, interleave
from benchmarks.page import write_page
from benchmarks.plots import bars, curve
from benchmarks.report import record, table
from benchmarks.rows.registry import FEW_ROUNDS, MEASUREMENTS
from benchmarks.summary import Spread, latency, paired, percentile


def test_a_spread_is_the_median_with_the_smallest_and_the_largest() -> None:
    assert Spread.of([5.0, 1.0, 3.0]) == Spread(3.0, 1.0, 5.0)
    assert Spread.of([1.0, 2.0]) == Spread(1.5, 1.0, 2.0)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 51.0
    assert percentile(values, 0.99) == 100.0
    assert percentile([7.0], 0.99) == 7.0
    assert latency([1000, 2000, 3000]) == {"p50_us": 2.0, "p99_us": 3.0}


def test_ratios_are_taken_within_a_round_and_only_where_both_are_there() -> None:
    ours = [{"us": 10.0}, {"us": 40.0}, {"us": 3.0}]
    other = [{"us": 5.0}, {"us": 10.0}, {}]
    assert paired(ours, "us", other, "us", difference=False) == [2.0, 4.0]
    assert paired(ours, "us", other, "us", difference=True) == [5.0, 30.0]


def test_cases_take_turns_and_each_sample_notes_the_foreign_load() -> None:
    order: list[str] = []

    def case(name: str) -> dict[str, float]:
        order.append(name)
        return {"us": 1.0}

    measured = interleave({"a": lambda: case("a"), "b": lambda: case("b"), "c": lambda: case("c")}, 3, wanted=["a", "b"])
    assert order == ["a", "b"] * 3
    assert [len(one.samples) for one in measured.values()] == [3, 3]
    assert all(FOREIGN in sample for sample in measured["a"].samples)


def test_a_case_that_cannot_be_had_or_fails_is_skipped_with_its_reason_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tries: list[str] = []

    def absent() -> dict[str, float]:
        tries.append("absent")
        raise Unavailable("it is not installed")

    def broken() -> dict[str, float]:
        raise RuntimeError("it fell over")

    measured = interleave({"absent": absent, "broken": broken, "sound": lambda: {"us": 1.0}}, 2)
    assert measured["absent"].skipped == "it is not installed"
    assert tries == ["absent"]
    assert measured["broken"].skipped == "failed: RuntimeError: it fell over"
    assert len(measured["sound"].samples) == 2
    assert "it fell over" in capsys.readouterr().err


def _evaluated(row: Row, **cases: Measured) -> list[tuple[str, float | None, str]]:
    figures = evaluate({"m": cases}, [row])
    return [(figure.verdict, figure.value and figure.value.median, figure.reason) for figure in figures]


def test_a_figure_reaches_its_goal_its_gate_or_neither() -> None:
    source, beside = Source("m", "ours", "us"), Source("m", "floor", "us")
    row = Row(1, "", "", (lower("a", 2.0, 1.5, source, beside), lower("b", 4.0, 1.0, source, beside)))
    measured = {"ours": Measured([{"us": 30.0}] * 3), "floor": Measured([{"us": 10.0}] * 3)}
    assert _evaluated(row, **measured) == [("missed", 3.0, ""), ("gate", 3.0, "")]
    more = Row(1, "", "", (higher("a", 2.0, 3.0, source, beside), higher("b", 3.5, 4.0, source, beside)))
    assert _evaluated(more, **measured) == [("goal", 3.0, ""), ("missed", 3.0, "")]


def test_a_figure_without_its_peer_says_why_and_keeps_our_own_value() -> None:
    row = Row(1, "", "", (lower("a", 2.0, 1.5, Source("m", "ours", "us"), Source("m", "peer", "us")),))
    ours = Measured([{"us": 30.0}])
    assert _evaluated(row, ours=ours, peer=Measured(skipped="no compiler")) == [("skipped", None, "no compiler")]
    assert _evaluated(row, ours=ours)[0][2] == "the peers are measured by `make bench-peers`"
    (figure,) = evaluate({"m": {"ours": ours}}, [row])
    assert figure.ours == Spread(30.0, 30.0, 30.0)


def test_a_figure_whose_subject_is_not_built_says_what_is_missing() -> None:
    row = Row(1, "", "", (lower("a", 2.0, 1.5, None, missing="there is no such thing yet"),))
    assert _evaluated(row) == [("skipped", None, "there is no such thing yet")]
    assert wanted([row]) == {}


def test_the_rows_are_numbered_one_to_twenty_one_and_each_goal_is_at_least_its_gate() -> None:
    assert [row.number for row in ROWS] == list(range(1, 22))
    for row in ROWS:
        assert row.parts, row.title
        for part in row.parts:
            assert part.holds(part.goal, part.gate), (row.number, part.name)
            assert part.ours is not None or part.missing


def test_every_figure_comes_from_a_case_that_exists() -> None:
    cases = {name: set(measurement(Effort(peers=True))) for name, measurement in MEASUREMENTS.items()}
    for measurement, needed in wanted(ROWS).items():
        assert needed <= cases[measurement], measurement
    assert set(FEW_ROUNDS) <= set(MEASUREMENTS)


def test_the_peers_are_left_out_unless_they_are_asked_for() -> None:
    alone = {case for measurement in MEASUREMENTS.values() for case in measurement(Effort())}
    assert not any("nats" in case or "Ray" in case or "LangGraph" in case for case in alone)


def test_the_page_holds_every_row_and_is_made_again_from_its_record(tmp_path: Path) -> None:
    samples = [{"p50_us": 50.0, FOREIGN: 0.1}, {"p50_us": 60.0, FOREIGN: 0.3}]
    results = {
        "latency": {"zmq.proxy in C": Measured(samples), "rostra, blocking peers": Measured(samples)},
        "chat length": {"rostra": Measured([{"us_at_100": 900.0, "us_at_1000": 950.0}])},
    }
    figures = evaluate(results)
    content = msgspec.json.decode(msgspec.json.encode(record(figures, results, Effort(rounds=2), 1.0)))
    write_page(tmp_path / "performance.md", content)
    text = (tmp_path / "performance.md").read_text()
    for row in ROWS:
        assert f"| {row.number} | {row.title}" in text
    assert "1.00 [1.00\N{EN DASH}1.00]" in text
    assert "performance/latency.svg" in text
    assert (tmp_path / "performance" / "length.svg").exists()
    assert "1.00 [1.00\N{EN DASH}1.00]" in table(figures)


def test_plots_are_svg_that_a_parser_takes() -> None:
    drawn = bars("a < b & c", [("one", Spread(2.0, 1.0, 3.0), "goal"), ("two", Spread(0.0, 0.0, 0.0), "plain")], "µs")
    for text in (drawn, curve("c", [(0.0, 1.0), (10.0, 2.0)], "turns", "µs")):
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
