"""The door of a launcher (`rostra up`, `rostra run`): which processes it keeps, and restarting one of them."""

import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rostra.protocol import Client, Incoming, NoSuchAgent, Peer, Refused, Service
from rostra.protocol.chat import Payload
from rostra.team.supervisor import Supervisor, TeamFailed

KIND = "launcher"
CONSOLE = "console-"


class ProcessInfo(Payload, frozen=True, kw_only=True):
    """One process of a team. `since_ms`: when it was started, milliseconds since 1970; `why`: given up, a sentence."""

    name: str
    kind: str
    pid: int = 0
    state: str = ""
    since_ms: int = 0
    restarts: int = 0
    why: str = ""


class Restart(Payload, frozen=True, kw_only=True):
    """Body of the request `restart` to a launcher; answered with the list of its processes, when the new ones are ready."""

    name: str


class Door:
    """Answers for a supervisor. Note what happens to processes with `started`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def processes(self) -> list[ProcessInfo]:
        """The processes, in the order in which they are started."""
        return [
            ProcessInfo(
                name=key,
                kind=job.kind,
                pid=self._supervisor.pid(key),
                state=self._supervisor.state(key).value,
                since_ms=_since(self._supervisor.pid(key)),
                restarts=self._supervisor.watch.processes[key].restarts,
                why=self._supervisor.watch.processes[key].why,
            )
            for key, job in self._supervisor.jobs.items()
        ]

    async def listed(self, _: object, __: Incoming) -> list[ProcessInfo]:
        """The request `processes`."""
        return self.processes()

    async def restart(self, wish: Restart, request: Incoming) -> list[ProcessInfo]:
        """The request `restart`; only consoles may."""
        if not request.sender.startswith(CONSOLE):
            raise Refused(f"{request.sender} may not restart anybody")
        keys = [key for key, job in self._supervisor.jobs.items() if wish.name in (key, job.name)]
        if not keys:
            raise Refused(f"the team has no process {wish.name!r}; there are {', '.join(self._supervisor.jobs)}")
        for key in keys:
            self._supervisor.restart(key)
        try:
            await self._supervisor.ready(keys)
        except TeamFailed as error:
            raise Refused(str(error)) from None
        return self.processes()


@asynccontextmanager
async def answering(supervisor: Supervisor) -> AsyncIterator[Door]:
    """Answer for `supervisor` on its team's bus."""
    broker = supervisor.jobs["broker"]
    info = {"kind": KIND, "pid": os.getpid(), "control": True}
    name = f"{KIND}-{secrets.token_hex(3)}"
    async with Client.connect(broker.address, name=name, info=info, keys=broker.keys or None) as client:
        door, service = Door(supervisor), Service(client)
        service.method("processes", object, door.listed)
        service.method("restart", Restart, door.restart)
        yield door
        await service.drain(1.0)


async def processes(client: Client) -> list[ProcessInfo]:
    """The processes of the team on whose bus `client` is: from its launcher, else as far as the broker knows them."""
    peers = await client.peers()
    launcher = _launcher(peers)
    if launcher is not None:
        found: list[ProcessInfo] = await client.request(launcher.name, "processes", reply=list[ProcessInfo], timeout=10.0)
        return found
    return [
        ProcessInfo(
            name=peer.address, kind=str(peer.info.get("kind", "")), pid=_pid(peer), state="connected", since_ms=peer.since_ms
        )
        for peer in sorted(peers, key=lambda peer: peer.since_ms)
        if not peer.name.startswith(CONSOLE)
    ]


async def restart(client: Client, name: str, *, timeout: float = 60.0) -> list[ProcessInfo]:
    """Restart the processes called `name`; returns all processes when the new ones are ready. Raises `Refused`, `NoSuchAgent`."""
    launcher = _launcher(await client.peers())
    if launcher is None:
        raise NoSuchAgent("no launcher keeps this team; whoever started its processes restarts them")
    found: list[ProcessInfo] = await client.request(
        launcher.name, "restart", Restart(name=name), reply=list[ProcessInfo], timeout=timeout
    )
    return found


def _launcher(peers: list[Peer]) -> Peer | None:
    return next((peer for peer in peers if peer.info.get("kind") == KIND and peer.info.get("control")), None)


def _pid(peer: Peer) -> int:
    pid = peer.info.get("pid", 0)
    return pid if isinstance(pid, int) else 0


def _since(pid: int) -> int:
    """When a process was started, milliseconds since 1970; 0 when it does not run."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        with open("/proc/uptime", encoding="utf-8") as file:
            up = float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return round((time.time() - up + ticks / os.sysconf("SC_CLK_TCK")) * 1000)
