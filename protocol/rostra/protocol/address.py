"""Where a broker listens (SPEC §2)."""

import re

from .errors import BadName

_TCP = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.*-]+):(?P<port>\d{1,5})\Z")
MAX_IPC_PATH = 107
"""Bytes that the kernel allows for the path of a unix socket."""


def events_address(address: str) -> str:
    """The address of the event socket beside the broker's: the next port, or the path with `.events`.

    Raises `BadName` for an address that is neither `tcp://host:port` nor `ipc://path`.
    """
    if address.startswith("ipc://") and len(address) > len("ipc://"):
        events = address + ".events"
        if len(events.encode()) - len("ipc://") > MAX_IPC_PATH:
            raise BadName(address, f"the path of a unix socket has at most {MAX_IPC_PATH - len('.events')} bytes here")
        return events
    match = _TCP.match(address)
    if match is None or not 0 < int(match["port"]) < 65535:
        raise BadName(address, "an address is tcp://host:port or ipc://path")
    return f"tcp://{match['host']}:{int(match['port']) + 1}"
