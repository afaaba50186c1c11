"""Keeps the processes of a team running: the shell around `watch`.

The broker is started first; when it listens, everything else at once, since whoever asks on the bus waits for a peer that is on
its way. A process is ready when its name is bound at the broker; the broker, when it says so itself. They are stopped in the
order agents, coordinator, gateway, broker.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Self

import msgspec

from rostra.protocol import COORDINATOR, GATEWAY, Client, KeyRing, Peer, Presence, RequestError, RostraError, redaction
from rostra.protocol.directory import PRESENCE
from rostra.protocol.keys import CONSOLE_KEY

from .exits import ExitCode
from .file import TeamFile
from .forks import ForkServer
from .forkserver import Exited, Forked, Report
from .instances import Claim
from .places import Places
from .process import Job, Kind
from .secrets import configured
from .watch import Effect, Launch, ProcessEvent, Signal, State, Watch

log = logging.getLogger(__name__)

BROKER_KEY = "broker"
STAGES: dict[Kind, int] = {"broker": 0, "gateway": 1, "coordinator": 2, "agent": 3}


class TeamFailed(RostraError):
    """A team cannot be kept running; the message says which process failed and why."""

    code = "failed"


def jobs(file: TeamFile, claim: Claim, *, record: str | Path = "") -> dict[str, Job]:
    """What processes a team consists of, by key: the process's name, and `name~2` and on for further replicas."""
    places, instance = claim.places, claim.instance
    logs = places.logs(instance.team, instance.name)
    keys = key_ring(file, places, instance.address)

    def job(kind: Kind, name: str, key: str, transcript: str = "", recorded: str = "") -> Job:
        memory, state, journal = agent_places(file, places, instance.name, name) if kind == "agent" else ("", "", "")
        return Job(
            kind=kind,
            name=name,
            address=instance.address,
            team=file.name,
            path=str(file.path),
            tables=file.tables,
            transcript=transcript,
            mail=str(places.mail(instance.team, instance.name)) if kind == "broker" else "",
            keys=keys,
            memory=memory,
            state=state,
            journal=journal,
            standby=kind == "coordinator" and file.tables.coordinator.standby > 0,
            record=recorded,
            log=str(logs / f"{key}.log"),
            notify=str(places.socket_directory(instance.team, instance.name) / "ready"),
        )

    found = {BROKER_KEY: job("broker", BROKER_KEY, BROKER_KEY)}
    if file.tables.models:
        found[GATEWAY] = job("gateway", GATEWAY, GATEWAY, recorded=str(Path(record).absolute()) if record else "")
    transcript = str(places.transcript(instance.team, instance.name))
    for number in range(1, file.tables.coordinator.standby + 2):
        key = COORDINATOR if number == 1 else f"{COORDINATOR}~{number}"
        found[key] = job("coordinator", COORDINATOR, key, transcript=transcript)
    for name in file.agents:
        for number in range(1, file.replicas(name) + 1):
            key = name if number == 1 else f"{name}~{number}"
            found[key] = job("agent", name, key)
    return found


def agent_places(file: TeamFile, places: Places, instance: str, agent: str) -> tuple[str, str, str]:
    """The databases of what an agent learns, of what it has seen, and of what its tools have done; empty where it keeps none."""
    table = file.tables.agents[agent]
    memory = str(places.memory(file.name, agent)) if table.kind == "teachable" else ""
    own = str(places.agent_state(file.name, instance, agent))
    return memory, own if table.state == "sqlite" else "", own


def key_ring(file: TeamFile, places: Places, address: str) -> str:
    """The directory of the keys for a broker on TCP, where every process of the team has one; empty for `ipc`.

    It is the environment's ROSTRA_KEYS, else the team's own. Keys that were revoked stay so.
    """
    if not address.startswith("tcp://"):
        return ""
    directory = Path(os.environ.get("ROSTRA_KEYS") or places.keys(file.name))
    KeyRing(directory).complete([COORDINATOR, GATEWAY, CONSOLE_KEY, *file.agents])
    return str(directory)


class Supervisor:
    """Starts the processes of `jobs`, and starts again what dies, until it is closed. `on_event` hears of everything.

    Use as `async with`: entered, every process is ready; raises `TeamFailed` when one of them will not be. The thread that enters
    must outlive the team: the processes die with it.
    """

    def __init__(self, jobs: dict[str, Job], *, on_event: Callable[[ProcessEvent], None] | None = None) -> None:
        self.jobs = jobs
        spare = {key for key, job in jobs.items() if job.standby}
        self.watch = Watch({key: STAGES[job.kind] for key, job in jobs.items()}, spare=spare)
        self.failed: asyncio.Future[TeamFailed]
        """Done when a process was given up."""
        self.client: Client
        """On the team's bus, as `launcher-` and six hexadecimal digits."""
        self._on_event = on_event
        self._forks = ForkServer(self._reported)
        self._changed = asyncio.Event()
        self._boots: dict[str, set[bytes]] = {}  # name on the bus -> the boots that made one of its processes ready
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._connected = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self.failed = self._loop.create_future()
        for job in self.jobs.values():
            redaction.learn(configured(job.tables, Path(job.path).parent))
        self._listen()
        try:
            self._apply(self.watch.start([BROKER_KEY], self._loop.time()))
            await self._until(lambda: self.state(BROKER_KEY) is State.READY)
            await self._connect()
            self._apply(self.watch.start([key for key in self.jobs if key != BROKER_KEY], self._loop.time()))
            await self._until(lambda: self.watch.all_ready)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def state(self, key: str) -> State:
        """Where the process `key` stands."""
        return self.watch.processes[key].state

    def pid(self, key: str) -> int:
        """The process id of `key`; 0 when it does not run."""
        return self.watch.processes[key].pid

    def restart(self, key: str) -> None:
        """Stop a process and start it again; what it works on is finished, or repeated. One given up gets a new chance."""
        if self.failed.done() and self.state(key) is State.GIVEN_UP:
            self.failed = self._loop.create_future()
        self._apply(self.watch.restart(key, self._loop.time()))

    async def ready(self, keys: Iterable[str] = ()) -> None:
        """Wait until the processes `keys` (none given: all) are ready; raises `TeamFailed` when one was given up."""
        wanted = list(keys) or list(self.jobs)
        await self._until(lambda: all(self.state(key) is State.READY for key in wanted))

    def kill(self) -> None:
        """Give up all patience: what still runs is killed. For the second Ctrl-C."""
        self._apply(self.watch.stop(self._loop.time(), hard=True))

    async def aclose(self) -> None:
        """Stop everything, in order; returns when no process is left. What does not stop in time is killed."""
        if self._connected:
            self._connected = False
            await self.client.aclose()  # while there is a broker to say goodbye to
        self._apply(self.watch.stop(self._loop.time()))
        try:
            while not self.watch.all_ended:
                self._changed.clear()
                await self._changed.wait()
        finally:
            if not self.watch.all_ended:
                self.kill()
            if self._timer:
                self._timer.cancel()
            for task in self._tasks:
                if task.get_name() == PRESENCE:
                    task.cancel()
            await self._forks.aclose()
            self._loop.remove_reader(self._notices)
            self._notices.close()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- signs of readiness

    def _listen(self) -> None:
        path = Path(self.jobs[BROKER_KEY].notify)
        path.unlink(missing_ok=True)
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._notices.bind(str(path))
        self._loop.add_reader(self._notices, self._noticed)

    def _noticed(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                words = dict(line.partition("=")[::2] for line in self._notices.recv(4096).decode().splitlines())
                if words.get("READY") == "1" and words.get("NAME") == BROKER_KEY:
                    self._apply(self.watch.ready(BROKER_KEY))
                for key, job in self.jobs.items():  # who stands by is not on the bus
                    if job.standby and words.get("PID") == str(self.pid(key)):
                        self._apply(self.watch.ready(key))

    async def _connect(self) -> None:
        name, broker = f"launcher-{secrets.token_hex(3)}", self.jobs[BROKER_KEY]
        self.client = Client.connect(broker.address, name=name, info={"kind": "launcher"}, keys=broker.keys or None)
        await self.client.__aenter__()
        self._connected = True
        subscription = self.client.subscribe(PRESENCE)
        await subscription.__aenter__()

        async def follow() -> None:
            with contextlib.suppress(RequestError):
                async for event in subscription:
                    presence = event.decode(Presence)
                    if presence.state == "online":
                        self._seen(presence)

        async def look() -> None:
            with contextlib.suppress(RequestError):
                for peer in await self.client.peers():
                    self._seen(peer)

        self.client.on_bound = lambda _: self._task(look())  # who came while nobody told us
        self._task(follow(), PRESENCE)

    def _seen(self, one: Presence | Peer) -> None:
        boots = self._boots.setdefault(one.name, set())
        if one.boot in boots:
            return
        for key, job in self.jobs.items():
            if job.name == one.name and not job.standby and self.state(key) is State.STARTING:
                boots.add(one.boot)
                self._apply(self.watch.ready(key))
                return

    # ---- effects

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Launch():
                    self._task(self._launch(effect.key))
                case Signal():
                    number = effect.number
                    if number == signal.SIGTERM and self.jobs[effect.key].kind == "coordinator":
                        number = signal.SIGHUP  # SIGTERM asks it to give the floor to people; this one only to end (decision 30)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(effect.pid, number)
                case ProcessEvent():
                    self._tell(effect)
        self._changed.set()
        if self._timer:
            self._timer.cancel()
        if self.watch.due < float("inf"):
            self._timer = self._loop.call_at(self.watch.due, self._tick)

    def _tick(self) -> None:
        self._apply(self.watch.tick(self._loop.time()))

    def _tell(self, event: ProcessEvent) -> None:
        if event.type == "given_up":
            log_file = self.jobs[event.key].log
            event = msgspec.structs.replace(event, why=_with_last_words(event.why, log_file))
            if not self.failed.done():
                self.failed.set_result(TeamFailed(f"{event.key}: {event.why}"))
        log.info("%s (%d) %s %s", event.key, event.pid, event.type, event.why)
        if self._on_event:
            self._on_event(event)

    async def _launch(self, key: str) -> None:
        try:
            if _imports_openai(self.jobs[key]):
                await self._spawn(key)
            else:
                await self._forks.fork(key, self.jobs[key])
        except OSError as error:
            log.error("%s cannot be started: %s", key, error)
            self._apply(self.watch.exited(key, ExitCode.CRASHED, self._loop.time()))

    async def _spawn(self, key: str) -> None:
        """An interpreter of its own, for what takes half a second to import and cannot be forked."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rostra.team.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._apply(self.watch.launched(key, process.pid))
        job = msgspec.structs.replace(self.jobs[key], parent=os.getpid())
        with contextlib.suppress(ConnectionError):
            await process.communicate(msgspec.msgpack.encode(job))
        code = await process.wait()
        self._apply(self.watch.exited(key, code, self._loop.time()))

    def _reported(self, report: Report) -> None:
        match report:
            case Forked():
                self._apply(self.watch.launched(report.key, report.pid))
            case Exited():
                self._apply(self.watch.exited(report.key, report.code, self._loop.time()))

    def _task(self, work: Coroutine[Any, Any, None], name: str | None = None) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            if self.failed.done():
                raise self.failed.result()
            self._changed.clear()
            await self._changed.wait()  # a failure is a change, too


def _imports_openai(job: Job) -> bool:
    return job.kind == "gateway" and any(model.api == "openai" for model in job.tables.models.values())


def _with_last_words(why: str, log_file: str) -> str:
    """`why`, and the last error that the process wrote to its log."""
    try:
        with open(log_file, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 65536))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return why
    starts = [number for number, line in enumerate(lines) if " ERROR " in line or " CRITICAL " in line]
    if not starts:
        return f"{why} (log: {log_file})"
    said = lines[starts[-1]].partition(" ERROR ")[2].partition(": ")[2]
    if any(line.startswith("Traceback ") for line in lines[starts[-1] + 1 :]):
        said = lines[-1]
    return f"{why}: {said} (log: {log_file})"
