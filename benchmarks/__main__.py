"""`python -m benchmarks`: measure, print the table, write JSON and the page."""

import argparse
import sys
import time
from pathlib import Path

import msgspec

from .evaluate import evaluate, wanted
from .figures import ROWS, Row
from .measure import Effort, Measured, interleave
from .page import write_page
from .peers.environments import versions
from .report import record, save, table
from .rows.registry import FEW_ROUNDS, MEASUREMENTS


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0, whatever was measured; machines are noisy, and a figure is judged by who reads it."""
    options = _parser().parse_args(arguments)
    if options.render:
        write_page(options.write, msgspec.json.decode(options.render.read_bytes()))
        return 0
    rounds = options.rounds or (2 if options.quick else 5)
    effort = Effort(rounds=rounds, scale=options.scale or (0.15 if options.quick else 1.0), peers=options.peers)
    rows = [row for row in ROWS if not options.only or row.number in options.only]
    began = time.monotonic()
    results = measure(rows, effort, everything=not options.quick)
    figures = evaluate(results, rows)
    seconds = time.monotonic() - began
    print(table(figures))
    print(f"\n{effort.rounds} rounds in {seconds:.0f} s; a ratio is the median of the rounds' own, [smallest–largest].")
    content = record(figures, results, effort, seconds)
    if effort.peers:
        content["peer_versions"] = versions()
    if options.json:
        save(options.json, content)
    if options.write:
        write_page(options.write, content)
    return 0


def measure(rows: list[Row], effort: Effort, *, everything: bool) -> dict[str, dict[str, Measured]]:
    """Take the samples that `rows` need; `everything`: also the cases that stand beside them for the reader alone."""
    results = {}
    for name, cases in wanted(rows).items():
        _say(f"· {name}")
        if name not in MEASUREMENTS:
            continue
        rounds = min(effort.rounds, FEW_ROUNDS.get(name, effort.rounds))
        results[name] = interleave(MEASUREMENTS[name](effort), rounds, None if everything else cases, _say)
    return results


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _numbers(text: str) -> set[int]:
    return {int(number) for number in text.split(",")}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure rostra beside its floors and its peers.")
    parser.add_argument("--quick", action="store_true", help="two minutes: fewer rounds and messages")
    parser.add_argument("--only", type=_numbers, help="rows, by number: 5,12")
    parser.add_argument(
        "--peers", action="store_true", help="the peers too, each in an environment of its own under benchmarks/.peers"
    )
    parser.add_argument("--rounds", type=int, help="rounds of samples (5; quick: 2)")
    parser.add_argument("--scale", type=float, help="a factor on the number of messages")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record of the run")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write docs/performance.md and its plots")
    parser.add_argument(
        "--render", type=Path, metavar="FILE", help="with --write: make the page from a record instead of measuring"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
