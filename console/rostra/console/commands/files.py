"""`init`, `validate`, `schema`: team files."""

from pathlib import Path
from typing import Annotated

import typer

from rostra.console.options import Json, TeamFile

app = typer.Typer(rich_markup_mode=None)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to; it is made if it is missing.")] = Path(),
    as_json: Json = False,
) -> None:
    """Write a small team to begin with: team.toml, script.toml and tools.py. It runs at once, without a key.

    Existing files are never overwritten: exit code 1, and nothing is written.
    """
    import shlex
    from importlib.resources import files

    from rostra.console.exits import Code, Quit
    from rostra.console.texts import put_json, say

    names = ("team.toml", "script.toml", "tools.py")
    present = [str(directory / name) for name in names if (directory / name).exists()]
    if present:
        raise Quit(Code.FAILED, f"{', '.join(present)} already exists; nothing was written")
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        text = (files("rostra.console") / "starter" / name).read_text(encoding="utf-8")
        with (directory / name).open("x", encoding="utf-8") as file:
            file.write(text)
    if as_json:
        put_json({"directory": str(directory), "files": list(names)})
        return
    team = shlex.quote(str(directory / "team.toml"))
    say(f"wrote {', '.join(str(directory / name) for name in names)}")
    say(f'try it: rostra run {team} "Describe a message broker in one sentence."')


@app.command()
def validate(team: TeamFile, as_json: Json = False) -> None:
    """Check a team file, and that what it refers to exists; starts nothing. Exit code 3 when something is wrong.

    Each problem is printed with file, line and key: on stderr, or with --json as a list on stdout.
    """
    from rostra.console.exits import Code
    from rostra.console.texts import put_json, say
    from rostra.team.file import TeamFile as File
    from rostra.team.problems import BadTeam

    try:
        file = File.load(team)
    except BadTeam as error:
        if not as_json:
            raise
        put_json(
            {
                "valid": False,
                "problems": [
                    {"file": one.file, "line": one.line, "key": one.key, "message": one.message} for one in error.problems
                ],
            }
        )
        raise typer.Exit(Code.CONFIGURATION) from None
    if as_json:
        put_json({"valid": True, "team": file.name, "agents": list(file.agents)})
    else:
        say(f"{team}: {file.name} is a valid team: {', '.join(file.agents)}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of team files, for editors and other checkers."""
    import json

    from rostra.console.texts import put
    from rostra.team.tables import json_schema

    put(json.dumps(json_schema(), indent=2, ensure_ascii=False))
