"""`demo`: half a minute with a team."""

import asyncio
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def demo(
    chaos: Annotated[
        bool,
        typer.Option("--chaos", help="Kill an agent in the middle of its answer, and then the broker, and see what comes of it."),
    ] = False,
) -> None:
    """A team at work, in half a minute. Needs no key, and nothing but the Python packages (bubblewrap, to run code).

    The transcript is kept like any other: `rostra chat list` shows it.
    """
    from rostra.console.showcase import demo as shown

    raise typer.Exit(asyncio.run(shown(chaos=chaos)))
