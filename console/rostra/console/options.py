"""Options that several commands have, and what the shell may complete."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer


def _agents(context: typer.Context, incomplete: str) -> list[str]:
    """Names of agents, read from the team file that the command line (or the environment) names."""
    import tomllib

    team = context.params.get("team") or os.environ.get("ROSTRA_TEAM") or "team.toml"
    try:
        tables: dict[str, Any] = tomllib.loads(Path(team).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in tables.get("agents", {}) if name.startswith(incomplete)]


def _chats(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of chats, asked of the running team."""
    import asyncio

    from rostra.protocol import RostraError

    from .connection import chats

    try:
        infos = asyncio.run(chats(context.params.get("team") or "", patience=1.0))
    except (RostraError, OSError):
        return []
    return [info.chat for info in infos if info.chat.startswith(incomplete)]


TeamFile = Annotated[str, typer.Argument(metavar="TEAM", help="The team file.", envvar="ROSTRA_TEAM", show_envvar=False)]
Team = Annotated[
    str,
    typer.Option(
        "--team",
        metavar="TEAM",
        envvar="ROSTRA_TEAM",
        show_envvar=False,
        help="A team file, or the name of a running team. Default: ROSTRA_BROKER, else the only team that runs here.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", envvar="ROSTRA_JSON", show_envvar=False, help="Print JSON: one object, or one a line.")
]
Tui = Annotated[bool, typer.Option("--tui", help="Show it on the whole terminal, with keys to direct it (needs the extra tui).")]
ChatId = Annotated[str, typer.Argument(metavar="ID", help="The chat.", autocompletion=_chats)]
AgentName = Annotated[str, typer.Argument(metavar="NAME", help="The agent.", autocompletion=_agents)]


def alone(others: bool) -> None:
    """`--tui` was given: raises `Quit` when it is with `others`, or when it cannot be shown here."""
    from .exits import Code, Quit
    from .tui.shown import check_screen

    if others:
        raise Quit(Code.USAGE, "--tui goes with none of --json, --deltas and --detach")
    check_screen()
