"""The body of each process of a team: broker, gateway, coordinator, agent.

A process is told all it needs to know by its `Job`; it reads no team file. It runs in a child of the fork server, or in an
interpreter of its own (`python -m rostra.team.process`, which reads the job from stdin).
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import msgspec

from rostra.protocol import BrokerLost, KeyRing, Refused, RequestError, RostraError, Superseded, redaction

from .exits import ExitCode
from .file import TeamFile
from .os_process import die_with_parent, notify, set_title, write_to
from .secrets import configured
from .tables import TeamTables

if TYPE_CHECKING:
    from rostra.agents.responder import Responder
    from rostra.protocol import Client

log = logging.getLogger(__name__)

Kind = Literal["broker", "gateway", "coordinator", "agent"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is to be."""

    kind: Kind
    name: str
    """On the bus; the broker, which has no name there, is `broker`."""
    address: str
    """The broker's."""
    team: str
    path: str
    """The team file, absolute; modules and scripts are looked for beside it."""
    tables: TeamTables
    transcript: str = ""
    """coordinator: the database."""
    mail: str = ""
    """broker: the database of letters; empty: they are refused."""
    keys: str = ""
    """The directory of the key ring, where the broker is on TCP."""
    memory: str = ""
    """agent: the database of what it has learned, where it is teachable."""
    state: str = ""
    """agent: the database of what it keeps between messages; empty: it keeps that in memory."""
    journal: str = ""
    """agent: the database in which it keeps what its tools have begun and done; made when one is first called."""
    standby: bool = False
    """coordinator: one of several, of which one holds the chats and the others stand by."""
    record: str = ""
    """gateway: where everything asked and answered is recorded."""
    log: str = ""
    """A file that stdout and stderr go to; empty: they stay."""
    notify: str = ""
    """A datagram socket that is told when the process is ready."""
    parent: int = 0
    """The process to die with; 0: none."""

    @property
    def file(self) -> TeamFile:
        """The team file, as it was when the team was started."""
        return TeamFile(Path(self.path), self.team, self.tables)

    @property
    def title(self) -> str:
        """What `ps` shows."""
        return f"rostra:{self.name}" if self.kind == "agent" else f"rostra-{self.kind}"


def run(job: Job) -> int:
    """Be what `job` says until SIGTERM, SIGINT or SIGHUP (a coordinator: decision 30); returns the exit code.

    Belongs to a process of its own.
    """
    if job.parent:
        die_with_parent(job.parent)
    set_title(job.title)
    if job.keys:
        os.environ["ROSTRA_KEYS"] = job.keys
    if job.log:
        write_to(Path(job.log))
    redaction.learn(configured(job.tables, Path(job.path).parent))
    log_to_stderr(logging.INFO if job.log else logging.WARNING)
    log.info("%s of the team %s begins as %d", job.name, job.team, os.getpid())
    begun = threading.Event()
    try:
        return int(_run(job, begun))
    except (RostraError, ValueError) as error:
        code = _code_of(error, begun.is_set())
        log.error("%s: %s", job.name, error, exc_info=code is ExitCode.CRASHED)
        return int(code)
    except Exception:
        log.exception("%s crashed", job.name)
        return int(ExitCode.CRASHED)


def log_to_stderr(default: int) -> None:
    """Write log records to stderr, from the level that `ROSTRA_LOG` names (debug, info, warning, error) or `default` on.

    Secrets in them are masked.
    """
    wanted = os.environ.get("ROSTRA_LOG", "").upper()
    level = logging.getLevelNamesMapping().get(wanted, default)
    handler = logging.StreamHandler()
    handler.setFormatter(_Masked("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)


class _Masked(logging.Formatter):
    """Masks secrets, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        return redaction.own.text(super().format(record))


def _code_of(error: Exception, begun: bool) -> ExitCode:
    match error:
        case Superseded():
            return ExitCode.SUPERSEDED
        case BrokerLost():
            return ExitCode.UNREACHABLE
        case Refused():
            return ExitCode.REFUSED
        case RequestError():
            return ExitCode.CRASHED
        case _:  # what it was made of was looked at before it began
            return ExitCode.CRASHED if begun else ExitCode.CONFIGURATION


def _run(job: Job, begun: threading.Event) -> ExitCode:
    def ready() -> None:
        begun.set()
        which = f"\nPID={os.getpid()}" if job.standby else ""  # several have the name
        notify(job.notify or os.environ.get("NOTIFY_SOCKET", ""), f"READY=1\nNAME={job.name}{which}")

    match job.kind:
        case "broker":
            return _broker(job, ready)
        case "gateway":
            return asyncio.run(_until_signal(job, _gateway, ready))
        case "coordinator":
            return asyncio.run(_until_signal(job, _coordinator, ready))
        case "agent":
            return asyncio.run(_until_signal(job, _agent, ready))


def _broker(job: Job, ready: Callable[[], None]) -> ExitCode:
    from rostra.broker.access import Access
    from rostra.broker.rates import Rate
    from rostra.broker.server import Server

    rules = Path(job.keys) / "access.toml"
    rate = Rate(job.tables.team.messages_per_second, job.tables.team.bytes_per_second)
    server = Server(
        job.address,
        Path(job.mail) if job.mail else None,
        keys=KeyRing(Path(job.keys)) if job.keys else None,
        access=Access.load(rules, rate) if job.keys and rules.exists() else Access(rate=rate),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())

    def tell() -> None:
        server.ready.wait()
        ready()

    threading.Thread(target=tell, daemon=True).start()
    server.run()
    return ExitCode.STOPPED


Body = Callable[[Job, asyncio.Event, Callable[[], None]], Awaitable[ExitCode]]


async def _until_signal(job: Job, body: Body, ready: Callable[[], None]) -> ExitCode:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return await body(job, stop, ready)


async def _gateway(job: Job, stop: asyncio.Event, ready: Callable[[], None]) -> ExitCode:
    from rostra.agents import gateway

    file = job.file
    record = Path(job.record) if job.record else None
    await gateway.serve(job.address, file.model_configs(), file.base, record, stop=stop, ready=ready)
    return ExitCode.STOPPED


async def _coordinator(job: Job, stop: asyncio.Event, ready: Callable[[], None]) -> ExitCode:
    from rostra.groupchat import Fenced, Seat, Unseated, serve

    options, database = job.file.chat_options(load=True), Path(job.transcript)
    seat = Seat(database) if job.standby else None
    try:
        if seat is None:
            await serve(job.address, options, database, stop=stop, signals=True)
        elif await seat.take(stop, waiting=ready):
            log.info("%s: it has the seat", job.name)
            await serve(job.address, options, database, stop=stop, signals=True, ready=ready, seat=seat)
    except (Fenced, Unseated) as error:
        log.error("%s: %s", job.name, error)
        return ExitCode.FENCED
    finally:
        if seat:
            await seat.aclose()
    return ExitCode.STOPPED


async def _agent(job: Job, stop: asyncio.Event, ready: Callable[[], None]) -> ExitCode:
    from rostra.agents.actor import Exit, serve
    from rostra.agents.config import build

    file, name = job.file, job.name
    config, executes = file.agent_config(name), file.executes(name)
    member = next(member for member in file.members() if member.name == name)

    def make(client: "Client") -> "Responder":
        memory = Path(job.memory) if job.memory else None
        given: dict[str, Any] = {"executes": executes, "callers": file.callers(), "toolkit": file.tables.tools}
        responder = build(config, name, file.base, client, memory=memory, **given)
        ready()
        return responder

    store = None
    if job.state:
        from rostra.agents.sqlite_store import SqliteStore

        store = SqliteStore(Path(job.state))
    journal = None
    if job.journal:
        from rostra.agents.tools.journal import ToolJournal

        journal = ToolJournal(Path(job.journal))
    ended = await serve(job.address, member, make, shared=config.replicas > 1, stop=stop, store=store, journal=journal)
    for kept in (store, journal):
        if kept:
            kept.close()
    match ended:
        case Exit.STOPPED:
            return ExitCode.STOPPED
        case Exit.SUPERSEDED:
            return ExitCode.SUPERSEDED
        case Exit.REFUSED:
            return ExitCode.REFUSED
        case Exit.UNREACHABLE:
            return ExitCode.UNREACHABLE


def main() -> NoReturn:
    """Run the job that stdin holds, and end."""
    code = run(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job))
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # everything is closed; taking the interpreter apart would only take time


if __name__ == "__main__":
    main()
