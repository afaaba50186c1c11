"""`keys`: who may connect to a team's broker on TCP."""

import os
from pathlib import Path
from typing import Annotated

import typer

from rostra.console.options import Json

app = typer.Typer(rich_markup_mode=None)
keys = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Make, list and revoke the keys of a team on TCP.")
app.add_typer(keys, name="keys")

Ring = Annotated[
    str,
    typer.Option(
        "--team",
        metavar="TEAM",
        envvar="ROSTRA_TEAM",
        show_envvar=False,
        help="A team file, or a team's name; its keys are kept below ROSTRA_HOME. ROSTRA_KEYS names another directory.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="An agent, coordinator, models, or console.")]


def _directory(team: str) -> Path:
    from rostra.console.exits import Code, Quit
    from rostra.team.file import TeamFile
    from rostra.team.places import Places

    if os.environ.get("ROSTRA_KEYS"):
        return Path(os.environ["ROSTRA_KEYS"])
    if not team:
        raise Quit(Code.USAGE, "say for which team (--team), or in which directory (ROSTRA_KEYS)")
    name = TeamFile.load(team).name if Path(team).is_file() else team
    return Places.here().keys(name)


@keys.command()
def init(team: Ring = "", as_json: Json = False) -> None:
    """Make the broker's keys and, with a team file, one for each process of the team. What is there stays."""
    from rostra.console.texts import put, put_json
    from rostra.protocol import COORDINATOR, GATEWAY, KeyRing
    from rostra.protocol.keys import CONSOLE_KEY
    from rostra.team.file import TeamFile

    directory = _directory(team)
    ring = KeyRing(directory)
    names = [COORDINATOR, GATEWAY, CONSOLE_KEY, *TeamFile.load(team).agents] if team and Path(team).is_file() else [CONSOLE_KEY]
    ring.complete(names)
    held = sorted(ring.names().values())
    if as_json:
        put_json({"directory": str(directory), "names": held})
    else:
        put(f"{directory}: keys of the broker and of {', '.join(held)}")


@keys.command()
def add(name: Name, team: Ring = "", as_json: Json = False) -> None:
    """Make a key for a name. To run it on another host, copy NAME.key, NAME.pub and broker.pub there, and set ROSTRA_KEYS."""
    from rostra.console.exits import Code, Quit
    from rostra.console.texts import put, put_json
    from rostra.protocol import KeyRing

    directory = _directory(team)
    if not KeyRing(directory).add(name):
        raise Quit(Code.FAILED, f"{name} has a key already")
    if as_json:
        put_json({"name": name, "key": str(directory / f"{name}.key"), "public": str(directory / f"{name}.pub")})
    else:
        put(f"{directory / name}.key")


@keys.command("list")
def list_(team: Ring = "", as_json: Json = False) -> None:
    """Who may connect, with their public keys."""
    from rostra.console.texts import put_json, table
    from rostra.protocol import KeyRing

    names = KeyRing(_directory(team)).names()
    if as_json:
        put_json([{"name": name, "public": key.decode()} for key, name in names.items()])
    else:
        table(("name", "public key"), [(name, key.decode()) for key, name in names.items()])


@keys.command()
def revoke(name: Name, team: Ring = "", as_json: Json = False) -> None:
    """Let a name in no more. A running broker ends its session within a second."""
    from rostra.console.exits import Code, Quit
    from rostra.console.texts import put, put_json
    from rostra.protocol import KeyRing

    if not KeyRing(_directory(team)).revoke(name):
        raise Quit(Code.FAILED, f"{name} has no key")
    if as_json:
        put_json({"name": name, "revoked": True})
    else:
        put(f"{name} is let in no more")
