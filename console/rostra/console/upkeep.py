"""A team that is kept running: here, or by a process of its own; and how it is stopped."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

from rostra.protocol import COORDINATOR
from rostra.team.file import TeamFile
from rostra.team.instances import Instance, find, running
from rostra.team.places import Places
from rostra.team.supervisor import BROKER_KEY, TeamFailed
from rostra.team.team import Team
from rostra.team.watch import ProcessEvent

from .control import answering
from .exits import Code, Quit
from .texts import put_json, say

READY = "ROSTRA_READY_FD"
"""The variable that names the descriptor on which a detached `rostra up` says that it is ready."""


async def kept(path: str, *, as_json: bool = False) -> int:
    """Keep the team of a team file running until SIGINT or SIGTERM; returns the exit code."""
    ready_fd = int(os.environ.pop(READY, "-1"))

    def on_event(event: ProcessEvent) -> None:
        if event.type == "given_up" and event.key in (BROKER_KEY, COORDINATOR) and not lost.done():
            lost.set_result(f"{event.key}: {event.why}")  # without any other one the team goes on; `rostra restart` mends it
        if as_json:
            put_json(event)
        elif event.type in ("died", "restarting", "given_up"):
            pause = f" in {event.pause:.1f} s" if event.pause else ""
            say(f"{event.key}: {event.type.replace('_', ' ')}{pause}{': ' + event.why if event.why else ''}")

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    lost: asyncio.Future[str] = loop.create_future()
    team = Team.load(path, on_event=on_event)
    async with team:
        supervisor = team.supervisor
        assert supervisor is not None

        def signalled() -> None:
            if stop.is_set():
                supervisor.kill()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, signalled)
        async with answering(supervisor):
            say(f"{len(supervisor.jobs)} processes are ready: {', '.join(supervisor.jobs)}")
            if ready_fd >= 0:
                os.write(ready_fd, b"ready\n")
                os.close(ready_fd)
            stopping = asyncio.ensure_future(stop.wait())
            ends: list[asyncio.Future[Any]] = [stopping, lost]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
        if lost.done() and not stop.is_set():
            raise TeamFailed(lost.result())
        say("stopping")
    return Code.ENDED


def detached(path: str, *, as_json: bool = False) -> None:
    """Start a process that keeps the team running; returns when the team is ready. Raises `Quit` with what that process says."""
    file = TeamFile.load(path)
    log = Places.here().logs(file.name, file.name) / "launcher.log"
    reader, writer = os.pipe()
    with log.open("ab") as output:
        begin = output.tell()
        launcher = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "rostra.console", "up", path],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(writer,),
            env={**os.environ, READY: str(writer)},
            start_new_session=True,
        )
    os.close(writer)
    with os.fdopen(reader, "rb") as ready:
        said = ready.read()
    if said != b"ready\n":
        with log.open("rb") as output:
            output.seek(begin)
            words = output.read().decode(errors="replace").replace("rostra: ", "").strip()
        raise Quit(launcher.wait() or Code.FAILED, words or "the team did not start")
    launcher.returncode = 0  # it goes on without us: no child to warn of
    instance = next(one for one in running(Places.here()) if one.pid == launcher.pid)
    if as_json:
        put_json(instance)
    else:
        say(f"{instance.name} is up (process {instance.pid}); stop it with: rostra down {instance.name}")


def stopped(team: str, seconds: float) -> Instance:
    """Stop a running team and wait until it is gone; killed after `seconds`. Raises `NoInstance`, `Quit`."""
    instance = find(Places.here(), team)
    if instance.parts:
        raise Quit(Code.FAILED, f"{instance.name} was started process by process; stop them as they were started")
    os.kill(instance.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(one.pid == instance.pid for one in running(Places.here())):
        if time.monotonic() > deadline:
            os.kill(instance.pid, signal.SIGKILL)  # its processes die with it
            raise Quit(Code.FAILED, f"{instance.name} did not stop within {seconds:g} s and was killed")
        time.sleep(0.05)
    return instance
