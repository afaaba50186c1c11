"""Finds the broker of a running team, and connects to it."""

import os
import pwd
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rostra.protocol import BrokerLost, Client
from rostra.protocol.chat import ChatInfo

MAX_NAME = 200
"""Characters of a person's name that the inbox takes."""


def console_name() -> str:
    """A name for this console: `console-` and six hexadecimal digits."""
    return f"console-{secrets.token_hex(3)}"


def person_name() -> str:
    """Who sits at this console: the name of the account, and of the machine."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, an account may have a number only
        account = str(os.getuid())
    return f"{account}@{socket.gethostname()}"[:MAX_NAME]


def broker_address(team: str = "") -> str:
    """The address of the broker meant by `--team TEAM`, else by ROSTRA_BROKER, else of the only team that runs here.

    A team file that names a TCP broker is enough: the team may run elsewhere. Raises `NoInstance`, or `BadTeam` for a bad file.
    """
    from rostra.team.instances import NoInstance, find
    from rostra.team.places import Places

    here = os.environ.get("ROSTRA_BROKER", "")
    if not team and here:
        return here
    try:
        return find(Places.here(), team).address
    except NoInstance:
        if not Path(team).is_file():
            raise
        from rostra.team.check import read

        broker = read(Path(team)).team.broker
        if broker.startswith("tcp://"):
            return broker
        raise


def key_ring(address: str, team: str = "") -> Path | None:
    """The keys for a broker on TCP: None leaves it to ROSTRA_KEYS; else those of the team that is meant, which runs here."""
    from rostra.team.instances import NoInstance, find
    from rostra.team.places import Places

    if not address.startswith("tcp://") or os.environ.get("ROSTRA_KEYS"):
        return None
    places = Places.here()
    try:
        return places.keys(find(places, team).team)
    except NoInstance:
        return None


@asynccontextmanager
async def connected(team: str = "", *, patience: float = 10.0) -> AsyncIterator[Client]:
    """A client of that broker. Raises `BrokerLost` when it does not answer within `patience` seconds."""
    address = broker_address(team)
    client = Client.connect(address, name=console_name(), info={"kind": "console"}, keys=key_ring(address, team))
    await client.open()
    try:
        try:
            await client.bound(patience)
        except BrokerLost:
            raise BrokerLost(f"the broker at {address} does not answer") from None
        yield client
    finally:
        await client.aclose()


async def chats(team: str = "", *, patience: float = 10.0) -> list[ChatInfo]:
    """The chats of a running team."""
    from .following import coordinator_asked

    async with connected(team, patience=patience) as client:
        infos: list[ChatInfo] = await coordinator_asked(client, "chat.list", None, list[ChatInfo], timeout=patience)
    return infos
