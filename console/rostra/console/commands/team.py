"""`up`, `down`, `restart`, `ps`, `logs`: a team that keeps running."""

import asyncio
import sys
from typing import Annotated

import typer

from rostra.console.options import AgentName, Json, Team, TeamFile

app = typer.Typer(rich_markup_mode=None)


@app.command()
def up(
    team: TeamFile,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when the team is ready; it goes on running.")] = False,
    as_json: Json = False,
) -> None:
    """Keep a team's processes running: what dies is started again. Ctrl-C stops them (twice: at once).

    Exit codes: 0 stopped as asked; 1 a process cannot be kept running; 3 the team file is wrong.
    """
    from rostra.console import upkeep

    if detach:
        upkeep.detached(team, as_json=as_json)
    else:
        raise typer.Exit(asyncio.run(upkeep.kept(team, as_json=as_json)))


@app.command()
def down(
    team: Annotated[str, typer.Argument(metavar="[TEAM]", help="The team; default: the only one that runs here.")] = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until it is killed.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Stop a running team: agents first, the broker last. Its chats are kept, and go on with the next `rostra up`."""
    from rostra.console.texts import put_json, say
    from rostra.console.upkeep import stopped

    instance = stopped(team, timeout)
    if as_json:
        put_json({"team": instance.name, "stopped": True})
    else:
        say(f"{instance.name} is down")


@app.command()
def restart(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The team: its file, or its name.")],
    agent: AgentName,
    as_json: Json = False,
) -> None:
    """Restart an agent of a running team (or its broker, models, coordinator). What it works on is finished or repeated."""
    from rostra.console import control
    from rostra.console.connection import connected
    from rostra.console.texts import put_json, say

    async def restarted() -> list[control.ProcessInfo]:
        async with connected(team) as client:
            return [one for one in await control.restart(client, agent) if agent in (one.name, one.name.partition("~")[0])]

    processes = asyncio.run(restarted())
    if as_json:
        put_json(processes)
    else:
        for one in processes:
            say(f"{one.name} is {one.state}, process {one.pid}")


@app.command()
def ps(team: Team = "", as_json: Json = False) -> None:
    """The processes of a running team: name, kind, pid, state, since when, how often it was started again."""
    from rostra.console import control
    from rostra.console.connection import connected
    from rostra.console.texts import put_json, since, table

    async def asked() -> list[control.ProcessInfo]:
        async with connected(team) as client:
            return await control.processes(client)

    processes = asyncio.run(asked())
    if as_json:
        put_json(processes)
        return
    table(
        ("NAME", "KIND", "PID", "STATE", "SINCE", "RESTARTS"),
        (
            (
                one.name,
                one.kind,
                str(one.pid or "-"),
                one.state + (f" ({one.why})" if one.why else ""),
                f"{since(one.since_ms)} ago" if one.since_ms else "-",
                str(one.restarts),
            )
            for one in processes
        ),
    )


@app.command()
def logs(
    agent: Annotated[
        str, typer.Argument(metavar="[AGENT]", help="Only this process: an agent, broker, models, coordinator.")
    ] = "",
    team: Team = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="So many of the last lines.")] = 50,
    as_json: Json = False,
) -> None:
    """What the processes of a team log. Also of a team that runs no more."""
    from rostra.console.logbook import Line, Logbook
    from rostra.console.terminal import Style, clean
    from rostra.console.texts import put, put_json

    style, width = Style.of(sys.stdout), 0

    def show(line: Line) -> None:
        nonlocal width
        width = max(width, len(line.process))
        if as_json:
            put_json({"process": line.process, "line": line.text})
        else:
            put(f"{style.speaker(line.process)}{' ' * (width - len(line.process))} {style.dim('|')} {clean(line.text)}")

    book = Logbook.of(team, agent)
    width = max((len(name) for name in book.names), default=0)
    for line in book.last(lines):
        show(line)
    if follow:
        for line in book.follow():
            show(line)
