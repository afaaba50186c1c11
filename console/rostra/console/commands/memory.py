"""`memory`: what teachable agents have learned. It is read from this machine's disk; no team need run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from rostra.console.options import AgentName, Json

app = typer.Typer(rich_markup_mode=None)
memory = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(memory, name="memory", help="What teachable agents have learned: look at it, forget it, take it along.")

Team = Annotated[
    str,
    typer.Option(
        "--team", metavar="TEAM", envvar="ROSTRA_TEAM", show_envvar=False, help="A team file, or a team's name. Default: all."
    ),
]
Number = Annotated[int, typer.Argument(metavar="MEMO", min=1, help="The memo's number.")]


@app.callback()
def _memory() -> None:
    """Only there so that the family is a group."""


@memory.command("list")
def list_(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The agent; default: all that learn, with how much.")] = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """The memos of an agent, or which agents have some."""
    from rostra.console import remembering
    from rostra.console.texts import put_json, say, since, table

    if name:
        with remembering.opened(name, team) as memos:
            found = memos.all()
        if as_json:
            put_json(found)
        elif not found:
            say(f"{name} has learned nothing yet")
        else:
            table(("MEMO", "MADE", "WHEN", "WHAT"), [(str(m.number), since(m.made_ms), m.topic, m.content) for m in found])
        return
    rows = remembering.counted(team)
    if as_json:
        put_json([{"team": of, "agent": agent, "memos": count, "newest_ms": newest} for of, agent, count, newest in rows])
    elif not rows:
        say("no agent has learned anything on this machine")
    else:
        told = [(of, agent, str(count), f"{since(newest)} ago" if newest else "") for of, agent, count, newest in rows]
        table(("TEAM", "AGENT", "MEMOS", "NEWEST"), told)


@memory.command()
def show(name: AgentName, number: Number, team: Team = "", as_json: Json = False) -> None:
    """One memo, whole."""
    from rostra.console import remembering
    from rostra.console.terminal import clean
    from rostra.console.texts import put, put_json
    from rostra.protocol import Refused

    with remembering.opened(name, team) as memos:
        memo = memos.get(number)
    if memo is None:
        raise Refused(f"{name} has no memo {number}")
    if as_json:
        put_json(memo)
    else:
        put(f"When: {clean(memo.topic)}\nWhat: {clean(memo.content)}\nFrom: {clean(memo.source)}")


@memory.command()
def forget(
    name: AgentName,
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[MEMO]...", help="Their numbers.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Everything it has learned.")] = False,
    team: Team = "",
) -> None:
    """Forget memos for good."""
    from rostra.console import remembering
    from rostra.console.exits import Code, Quit
    from rostra.console.texts import say
    from rostra.protocol import Refused

    if bool(numbers) == all_:
        raise Quit(Code.USAGE, "say which memos, or --all")
    with remembering.opened(name, team) as memos:
        wanted = [memo.number for memo in memos.all()] if all_ else list(numbers or ())
        unknown = [number for number in wanted if memos.get(number) is None]
        if unknown:
            raise Refused(f"{name} has no memo {unknown[0]}; nothing was forgotten")
        for number in wanted:
            memos.forget(number)
    say(f"{name} has forgotten {len(wanted)} memo{'' if len(wanted) == 1 else 's'}")


@memory.command()
def export(
    name: AgentName,
    to: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to; default: stdout.")] = "",
    team: Team = "",
) -> None:
    """Write the memos of an agent as JSON Lines."""
    from rostra.console import remembering
    from rostra.console.jsonlines import line, plain

    with remembering.opened(name, team) as memos:
        text = "".join(line(plain(memo)) + "\n" for memo in memos.all())
    if to:
        Path(to).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
