"""Team files and the teams they describe: checked, started as processes, kept running, talked to.

Everything is loaded when it is first used.
"""

from typing import TYPE_CHECKING

from rostra.protocol.lazily import lazily

if TYPE_CHECKING:
    from .chats import Chats, TeamResult
    from .file import TeamFile
    from .instances import Instance, NoInstance, find, running
    from .places import Places
    from .problems import BadTeam, TeamError
    from .supervisor import Supervisor, TeamFailed
    from .tables import json_schema
    from .team import Team
    from .watch import ProcessEvent

_HOMES = {
    "BadTeam": "problems",
    "Chats": "chats",
    "Instance": "instances",
    "NoInstance": "instances",
    "Places": "places",
    "ProcessEvent": "watch",
    "Supervisor": "supervisor",
    "Team": "team",
    "TeamError": "problems",
    "TeamFailed": "supervisor",
    "TeamFile": "file",
    "TeamResult": "chats",
    "find": "instances",
    "json_schema": "tables",
    "running": "instances",
}

__all__ = [
    "BadTeam",
    "Chats",
    "Instance",
    "NoInstance",
    "Places",
    "ProcessEvent",
    "Supervisor",
    "Team",
    "TeamError",
    "TeamFailed",
    "TeamFile",
    "TeamResult",
    "find",
    "json_schema",
    "running",
]


__getattr__, __dir__ = lazily(__name__, _HOMES)
