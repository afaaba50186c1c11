"""One process of a team, in this very process."""

import os
import sys
from typing import NoReturn

import msgspec

from rostra.protocol import COORDINATOR, GATEWAY
from rostra.team.file import TeamFile
from rostra.team.instances import NoInstance, claim
from rostra.team.places import Places
from rostra.team.process import Job, Kind, run
from rostra.team.supervisor import agent_places, key_ring
from rostra.team.tables import TeamTables

from .exits import Code, Quit

_NAMES: dict[Kind, str] = {"broker": "broker", "gateway": GATEWAY, "coordinator": COORDINATOR}


def run_part(kind: Kind, team: str, address: str = "", *, name: str = "", record: str = "") -> int:
    """Be this process until SIGTERM or SIGINT; returns its exit code (`rostra.team.exits`).

    `team`: the team file, which only a broker can do without; `address`: the broker's, empty: the file's.
    Raises `BadTeam`, `Quit`.
    """
    if not team:
        if kind != "broker" or not address:
            raise Quit(Code.USAGE, "say where to listen (--bind), or for which team (--team)")
        keys = os.environ.get("ROSTRA_KEYS", "") if address.startswith("tcp://") else ""
        mail = str(Places.here().mail("broker", "broker"))
        return run(Job(kind=kind, name="broker", address=address, team="", path="", tables=TeamTables(), mail=mail, keys=keys))
    file, places = TeamFile.load(team), Places.here()
    if name and name not in file.agents:
        raise Quit(Code.CONFIGURATION, f"{team}: there is no agent {name!r}; there are {', '.join(file.agents)}")
    where = file.tables.team.broker
    address = address or (places.address(file.name, file.name) if where == "ipc" else where)
    memory, state, journal = agent_places(file, places, file.name, name) if kind == "agent" else ("", "", "")
    job = Job(
        kind=kind,
        name=name or _NAMES[kind],
        address=address,
        team=file.name,
        path=str(file.path),
        tables=file.tables,
        transcript=str(places.transcript(file.name, file.name)) if kind == "coordinator" else "",
        mail=str(places.mail(file.name, file.name)) if kind == "broker" else "",
        keys=_keys(file, places, address, kind),
        memory=memory,
        state=state,
        journal=journal,
        standby=kind == "coordinator" and file.tables.coordinator.standby > 0,
        record=record,
    )
    if kind != "broker":
        _become(job)
    # The broker stands for the team: consoles find it by the lock it holds, in other containers too, and no second one takes
    # its sockets away.
    try:
        claimed = claim(places, file.name, file.path, job.address, parts=True)
    except NoInstance as error:
        raise Quit(Code.FAILED, str(error)) from None
    with claimed:
        return run(job)


def _become(job: Job) -> NoReturn:
    """Be the process of `job` under the same process id, in an interpreter that never loaded a command line."""
    stdin = os.memfd_create("job")
    with open(stdin, "wb", closefd=False) as file:
        file.write(msgspec.msgpack.encode(job))
    os.lseek(stdin, 0, os.SEEK_SET)
    os.dup2(stdin, 0)
    os.execv(sys.executable, [sys.executable, "-m", "rostra.team.process"])  # noqa: S606 - our own interpreter


def _keys(file: TeamFile, places: Places, address: str, kind: Kind) -> str:
    """The key ring. The broker's is made complete; another process may be on another host, with its own key only."""
    if kind == "broker":
        return key_ring(file, places, address)
    return os.environ.get("ROSTRA_KEYS") or str(places.keys(file.name)) if address.startswith("tcp://") else ""
