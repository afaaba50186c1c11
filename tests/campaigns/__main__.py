"""Runs the campaigns side by side: `python -m tests.campaigns [--size nightly] [--streams 3] [--json chaos.json]`.

Most campaigns wait most of the time, for processes that begin or for links that are found dead; a few compute. One stream is
for these, at the lowest priority, so that they fill what the others leave of the machine; the other streams share the rest.
Each file of tests is a pytest of its own. The figures of all are gathered, printed and written down.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
COMPUTES = ("test_5_hostile_bytes.py", "test_5_decoder.py", "test_9_canaries.py", "test_4_simulation.py")
"""In this order: the simulations are the last, for they alone keep every processor busy."""
LONGEST = ("test_10_signals.py", "test_3_zombies.py", "test_2_failpoints.py", "test_8_machine.py", "test_8_limits.py")
"""What begins first of the others, so that no stream ends long after the other."""


@dataclass
class Ran:
    """A file of campaigns that has been run."""

    file: str
    seconds: float
    passed: bool
    summary: str
    figures: list[dict[str, str]] = field(default_factory=list)


async def run(file: str, size: str, room: Path, *, nice: int) -> Ran:
    """One file, in a process of its own; what it prints is shown only when it fails."""
    own, began = Path(tempfile.mkdtemp(dir=room, prefix="")), time.monotonic()
    figures = own / "figures"
    command = [sys.executable, "-m", "pytest", str(HERE / file), "-q", "-p", "no:cacheprovider", f"--basetemp={own / 't'}"]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "CHAOS_SIZE": size, "CHAOS_FIGURES": str(figures)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=lambda: os.nice(nice),
    )
    try:
        told, _ = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.wait()
        shutil.rmtree(own, ignore_errors=True)
        raise
    output = told.decode(errors="replace")
    one = Ran(file, round(time.monotonic() - began, 1), process.returncode == 0, output.strip().rpartition("\n")[2])
    if figures.exists():
        one.figures = [json.loads(line) for line in figures.read_text().splitlines()]
    if not one.passed:
        print(output, f"\nIts files are in {own / 't'}", flush=True)
    print(f"{one.seconds:7.1f} s  {file}: {one.summary}", flush=True)
    if one.passed:
        shutil.rmtree(own, ignore_errors=True)
    return one


@dataclass
class Report:
    """All that has been run, written to `path` after each file so that a run that is broken off leaves what it found."""

    size: str
    path: Path | None
    ran: list[Ran] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> int:
        return round(time.monotonic() - self.began)

    def add(self, one: Ran) -> None:
        self.ran.append(one)
        self.ran.sort(key=lambda each: each.file)
        if self.path is None:
            return
        machine = {"python": platform.python_version(), "processors": len(os.sched_getaffinity(0)), "kernel": platform.release()}
        campaigns = [asdict(each) for each in self.ran]
        whole = {"size": self.size, "seconds": self.seconds, **machine, "campaigns": campaigns}
        self.path.write_text(json.dumps(whole, indent=1) + "\n")


async def stream(files: list[str], room: Path, report: Report, *, nice: int = 0) -> None:
    """Run what is left of `files`, one after the other."""
    while files:
        report.add(await run(files.pop(0), report.size, room, nice=nice))


def ordered(found: Iterable[str]) -> list[str]:
    """The longest first, then by their names."""
    return sorted(found, key=lambda name: (LONGEST.index(name) if name in LONGEST else len(LONGEST), name))


async def campaigns(report: Report, streams: int) -> None:
    """Run all of them; `streams` 1 is one after the other."""
    found = {path.name for path in HERE.glob("test_*.py")}
    computing, waiting = [name for name in COMPUTES if name in found], ordered(found - set(COMPUTES))
    # A short path: sockets are made in it.
    room = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        if streams == 1:
            await stream(computing + waiting, room, report)
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(stream(computing, room, report, nice=15))
            for _ in range(streams - 1):
                group.create_task(stream(waiting, room, report))
    finally:
        with contextlib.suppress(OSError):  # what a campaign that failed left is there to be looked at
            os.rmdir(room)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description="Run the campaigns of docs/reliability.md.")
    parser.add_argument("--size", default="ci", help="ci, nightly, or per cent of the CI size")
    parser.add_argument("--streams", type=int, default=3, help="how many run side by side, one of them what computes")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    chosen = parser.parse_args()
    report = Report(chosen.size, chosen.json)
    asyncio.run(campaigns(report, chosen.streams))
    print(f"\nfigures at size {report.size}:")
    for one in report.ran:
        for figure in one.figures:
            print(f"  {figure['figure']}")
    failed = [one.file for one in report.ran if not one.passed]
    print(f"\n{len(report.ran)} files of campaigns in {report.seconds / 60:.1f} min; failed: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
