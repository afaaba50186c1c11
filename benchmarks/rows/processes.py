"""What an agent's process costs: alone beside a bare one (row 16), and twenty of them, forked and spawned (row 17)."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.floors import bare
from benchmarks.machine import cpu_seconds, memory
from benchmarks.measure import Case, Effort, Sample
from benchmarks.presence import arrive
from benchmarks.processes import Cast, Pipe
from benchmarks.wire import broker
from rostra.protocol import Client
from rostra.protocol.directory import PRESENCE
from rostra.team.file import TeamFile
from rostra.team.forks import ForkServer
from rostra.team.forkserver import Forked, Report
from rostra.team.process import Job

from .commands import HANDLERS

AGENTS = 20
CONSOLE = "console-bec400"


def _jobs(directory: Path, address: str, count: int) -> list[Job]:
    """The jobs of `count` handler agents, as the supervisor would make them."""
    (directory / "handlers.py").write_text(HANDLERS)
    path = directory / "team.toml"
    tables = [f'[agents.agent-{number}]\nkind = "handler"\nhandler = "handlers:reply"\n' for number in range(count)]
    path.write_text('[team]\nname = "bench"\n[chat]\nselection = "round_robin"\n' + "".join(tables))
    file = TeamFile.load(path)
    return [
        Job(kind="agent", name=name, address=address, team=file.name, path=str(file.path), tables=file.tables)
        for name in file.tables.agents
    ]


def _spawn(job: Job) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-m", "rostra.team.process"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(msgspec.msgpack.encode(job))
    process.stdin.close()
    return process


async def _alone(jobs: list[Job]) -> Sample:
    async with Client.connect(jobs[0].address, name=CONSOLE) as client, client.subscribe(PRESENCE) as events:
        began = time.perf_counter()
        process = _spawn(jobs[0])
        try:
            await arrive(events, {jobs[0].name})
            took = time.perf_counter() - began
            return {"cpu_ms": cpu_seconds(process.pid) * 1e3, "ready_ms": took * 1e3, **memory(process.pid)}
        finally:
            process.terminate()
            process.wait(10)


async def _spawned(jobs: list[Job]) -> Sample:
    async with Client.connect(jobs[0].address, name=CONSOLE) as client, client.subscribe(PRESENCE) as events:
        began = time.perf_counter()
        processes = [_spawn(job) for job in jobs[1:]]
        try:
            await arrive(events, {job.name for job in jobs[1:]})
            return _fleet(began, [process.pid for process in processes])
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(10)


async def _forked(jobs: list[Job]) -> Sample:
    pids: list[int] = []

    def heard(report: Report) -> None:
        if isinstance(report, Forked):
            pids.append(report.pid)

    server = ForkServer(heard)
    try:
        async with Client.connect(jobs[0].address, name=CONSOLE) as client, client.subscribe(PRESENCE) as events:
            await server.fork(jobs[0].name, jobs[0])  # the fork server itself is started with its first child
            await arrive(events, {jobs[0].name})
            pids.clear()
            began = time.perf_counter()
            for job in jobs[1:]:
                await server.fork(job.name, job)
            await arrive(events, {job.name for job in jobs[1:]})
            return _fleet(began, pids)
    finally:
        await server.aclose()


def _measuring(pipe: Pipe, work: Callable[[list[Job]], Coroutine[Any, Any, Sample]], jobs: list[Job]) -> None:
    pipe.send(asyncio.run(work(jobs)))
    pipe.recv()


def _sample(work: Callable[[list[Job]], Coroutine[Any, Any, Sample]], count: int) -> Sample:
    with Cast() as cast:
        _, address = broker(cast)
        sample: Sample = cast.start(_measuring, work, _jobs(cast.directory, address, count)).hear(120)
        return sample


def _bare() -> Sample:
    with Cast() as cast:
        return bare.process(broker(cast)[1])


def _fleet(began: float, pids: list[int]) -> Sample:
    took = time.perf_counter() - began
    each = [memory(pid) for pid in pids]
    return {
        "start_ms": took * 1e3,
        "private_mb": sum(one["private_mb"] for one in each) / len(each),
        "rss_mb": sum(one["rss_mb"] for one in each) / len(each),
    }


def alone(effort: Effort) -> dict[str, Case]:
    """The cases of `agent process`."""
    del effort
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a start without byte code is not what is asked
    return {"bare process": _bare, "rostra agent": lambda: _sample(_alone, 2)}


def fleet(effort: Effort) -> dict[str, Case]:
    """The cases of `fleet`."""
    del effort
    return {"20 spawned": lambda: _sample(_spawned, AGENTS + 1), "20 forked": lambda: _sample(_forked, AGENTS + 1)}
