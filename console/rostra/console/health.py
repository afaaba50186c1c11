"""What `rostra doctor` looks at: a finding for each thing."""

import asyncio
import os
import sqlite3
import stat
import sys
import tempfile
from pathlib import Path
from typing import Literal

import msgspec

from rostra.protocol import BROKER, COORDINATOR, GATEWAY, Client, Member, RequestError, RostraError
from rostra.protocol.chat import ChatInfo

from .connection import broker_address, console_name, key_ring

State = Literal["good", "bad", "note"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was checked. `bad`: rostra cannot work so; `note`: something that is optional is not there."""

    what: str
    state: State
    text: str


async def machine() -> list[Finding]:
    """This machine: Python, libzmq, SQLite, the sandbox, the places, the key."""
    return [_python(), _zmq(), _sqlite(), await _sandbox(), *_places(), _key()]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "good" if sys.version_info >= (3, 11) else "bad", f"{version}; 3.11 or newer is needed")


def _zmq() -> Finding:
    import zmq

    version = zmq.zmq_version()
    if not zmq.has("ipc"):
        return Finding("libzmq", "bad", f"{version}, without ipc")
    if not zmq.has("curve"):
        return Finding("libzmq", "note", f"{version}, without CURVE: no team over TCP")
    return Finding("libzmq", "good", f"{version}, with CURVE")


def _sqlite() -> Finding:
    with tempfile.TemporaryDirectory() as directory:
        database = sqlite3.connect(Path(directory) / "probe.db")
        try:
            (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                return Finding(
                    "sqlite", "bad", f"{sqlite3.sqlite_version}, but files in {directory} cannot have a write-ahead log"
                )
            database.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
        except sqlite3.OperationalError as error:
            return Finding("sqlite", "bad", f"{sqlite3.sqlite_version}: {error}")
        finally:
            database.close()
    return Finding("sqlite", "good", f"{sqlite3.sqlite_version}, with WAL and FTS5")


def _places() -> list[Finding]:
    from rostra.team.places import Places

    places = Places.here()
    findings = []
    for name, path in (("data", places.data), ("state", places.state), ("runtime", places.runtime)):
        what = f"{name} directory"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            findings.append(Finding(what, "bad", f"{path}: {error.strerror}"))
            continue
        status = path.stat()
        if name == "runtime" and (status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077):
            shared = f"{path} is open to others (mode {stat.S_IMODE(status.st_mode):o}); what rostra makes in it is not"
            findings.append(Finding(what, "note", shared))
            continue
        findings.append(Finding(what, "good", str(path)))
    return findings


def _key() -> Finding:
    if os.environ.get("OPENAI_API_KEY"):
        return Finding("model key", "good", "OPENAI_API_KEY is set")
    if os.environ.get("OPENAI_BASE_URL"):
        return Finding("model key", "note", "OPENAI_API_KEY is not set; OPENAI_BASE_URL is, and its server may need none")
    return Finding("model key", "note", "OPENAI_API_KEY is not set: only scripted and recorded models, or api_key_file")


async def _sandbox() -> Finding:
    from rostra.agents.code.sandbox import SandboxUnavailable, probe

    try:
        await probe()
    except SandboxUnavailable as error:
        return Finding("sandbox", "note", f"agents cannot run code: {error}")
    return Finding("sandbox", "good", "bubblewrap runs code")


async def processes(team: str, *, only: str = "", seconds: float = 5.0) -> list[Finding]:
    """Whether the processes of a running team answer. `only`: just `broker`, `coordinator`, `gateway` or `agent:NAME`."""
    try:
        address = broker_address(team)
    except RostraError as error:
        return [Finding("team", "bad", str(error))]
    client = Client.connect(address, name=console_name(), info={"kind": "console"}, keys=key_ring(address, team))
    await client.open()
    try:
        try:
            await client.bound(seconds)
        except RequestError as error:
            return [Finding("broker", "bad", f"{address}: {error}")]
        wanted = [only] if only else ["broker", "coordinator", "gateway", *await _agents(client, seconds)]
        return list(await asyncio.gather(*(_answers(client, one, seconds) for one in wanted)))
    finally:
        await client.aclose()


async def _agents(client: Client, seconds: float) -> list[str]:
    try:
        peers = await client.peers()
    except RequestError:
        return []
    others = (COORDINATOR, GATEWAY)
    names = sorted(
        {peer.name for peer in peers if peer.name not in others and not peer.name.startswith(("console-", "launcher-"))}
    )
    return [f"agent:{name}" for name in names]


async def _answers(client: Client, what: str, seconds: float) -> Finding:
    kind, _, name = what.partition(":")
    try:
        match kind:
            case "broker":
                await client.request(BROKER, "ping", timeout=seconds)
            case "coordinator":
                await client.request(COORDINATOR, "chat.list", reply=list[ChatInfo], timeout=seconds)
            case "gateway":
                await client.request(GATEWAY, "stats", timeout=seconds)
            case "agent" if name:
                await client.request(name, "describe", reply=Member, timeout=seconds)
            case _:
                return Finding(what, "bad", "is none of broker, coordinator, gateway, agent:NAME")
    except RostraError as error:
        return Finding(what, "bad", str(error))
    return Finding(what, "good", "answers")
