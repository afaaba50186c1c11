"""The fork server: real processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from tests.conftest import until

from rostra.team.forks import ForkServer
from rostra.team.forkserver import LENGTH, Exited, Fork, Forked, Report
from rostra.team.process import Job

from .conftest import command_line, exists, open_files, threads

Jobs = Callable[[], dict[str, Job]]


class Heard:
    """What a fork server reported, awaited."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[Report] = asyncio.Queue()

    async def next(self) -> Report:
        async with asyncio.timeout(30):
            return await self.reports.get()

    async def pid(self) -> int:
        report = await self.next()
        assert isinstance(report, Forked)
        return report.pid


@asynccontextmanager
async def fork_server() -> AsyncIterator[tuple[ForkServer, Heard]]:
    heard = Heard()
    server = ForkServer(heard.reports.put_nowait)
    try:
        yield server, heard
    finally:
        await server.aclose()


async def test_a_forked_process_is_reported_and_so_is_its_death(team_jobs: Jobs) -> None:
    async with fork_server() as (server, heard):
        await server.fork("broker", team_jobs()["broker"])
        pid = await heard.pid()
        os.kill(pid, signal.SIGKILL)
        assert await heard.next() == Exited("broker", pid, -signal.SIGKILL)


async def test_each_process_can_be_told_apart_and_has_a_session_of_its_own(team_jobs: Jobs) -> None:
    async with fork_server() as (server, heard):
        await server.fork("two", team_jobs()["two"])
        pid = await heard.pid()
        await until(lambda: command_line(pid) == ["rostra:two", "rostra:two"])
        assert os.getsid(pid) == pid
        assert os.getsid(server.pid) == server.pid


async def test_the_fork_server_has_one_thread_and_no_zmq_context(team_jobs: Jobs) -> None:
    async with fork_server() as (server, heard):
        await server.fork("broker", team_jobs()["broker"])
        broker = await heard.pid()
        assert threads(server.pid) == 1
        assert not [link for link in open_files(server.pid) if "eventfd" in link]  # what a context would have
        assert exists(broker)


async def test_the_children_die_with_the_fork_server_and_the_next_fork_starts_another(team_jobs: Jobs) -> None:
    async with fork_server() as (server, heard):
        await server.fork("broker", team_jobs()["broker"])
        broker = await heard.pid()
        first = server.pid
        os.kill(first, signal.SIGKILL)
        assert await heard.next() == Exited("broker", broker, -9)
        await until(lambda: not exists(broker))
        await server.fork("broker", team_jobs()["broker"])
        assert exists(await heard.pid())
        assert server.pid != first


async def test_closing_the_fork_server_leaves_no_child(team_jobs: Jobs) -> None:
    async with fork_server() as (server, heard):
        await server.fork("broker", team_jobs()["broker"])
        broker = await heard.pid()
    await until(lambda: not exists(broker))


LAUNCHER = """
import asyncio, sys
from rostra.team.file import TeamFile
from rostra.team.instances import claim
from rostra.team.places import Places
from rostra.team.supervisor import Supervisor, jobs

async def main(file, home):
    with claim(Places.here({"ROSTRA_HOME": home}), "trio", file) as claimed:
        async with Supervisor(jobs(TeamFile.load(file), claimed)) as team:
            print(*[team.pid(key) for key in team.jobs], team._forks.pid, flush=True)
            await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_no_process_outlives_a_launcher_that_is_killed(team_file: Path, tmp_path: Path) -> None:
    launcher = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LAUNCHER, str(team_file), str(tmp_path / "home"), stdout=asyncio.subprocess.PIPE
    )
    assert launcher.stdout is not None
    async with asyncio.timeout(60):
        pids = {int(word) for word in (await launcher.stdout.readline()).split()}
    assert len(pids) == 8
    assert all(exists(pid) for pid in pids)
    launcher.kill()
    await launcher.wait()
    await until(lambda: not any(exists(pid) for pid in pids))


def test_a_launcher_that_dies_without_having_read_leaves_no_traceback(team_jobs: Jobs) -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "rostra.team.forkserver", str(theirs.fileno()), str(os.getpid())]
    server = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
    theirs.close()
    wish = msgspec.msgpack.encode(Fork("broker", team_jobs()["broker"]))
    ours.sendall(LENGTH.pack(len(wish)) + wish)
    ours.recv(1, socket.MSG_PEEK)  # the report is there, and never read: closing resets the connection
    ours.close()
    _, said = server.communicate(timeout=30)
    assert said == b""
    assert server.returncode == 0
