"""`broker`, `gateway`, `coordinator`, `agent`: one process of a team each, for who supervises them otherwise."""

from typing import Annotated

import typer

from rostra.console.options import AgentName

app = typer.Typer(rich_markup_mode=None)

TeamHere = Annotated[str, typer.Option("--team", metavar="TEAM", envvar="ROSTRA_TEAM", show_envvar=False, help="The team file.")]
Broker = Annotated[
    str,
    typer.Option(
        "--broker",
        metavar="ADDRESS",
        envvar="ROSTRA_BROKER",
        show_envvar=False,
        help="The broker; default: as the team file says.",
    ),
]


@app.command()
def broker(
    team: TeamHere = "",
    bind: Annotated[
        str,
        typer.Option(
            "--bind", metavar="ADDRESS", help="Where to listen: ipc://PATH or tcp://HOST:PORT; default: as the team file says."
        ),
    ] = "",
) -> None:
    """Be the broker: of a team, or of whoever connects to --bind. Ends with SIGTERM or Ctrl-C."""
    from rostra.console.part import run_part

    raise typer.Exit(run_part("broker", team, bind))


@app.command()
def gateway(
    team: TeamHere,
    broker: Broker = "",
    record: Annotated[str, typer.Option(metavar="FILE", help="Record what models are asked and answer.")] = "",
) -> None:
    """Be the model gateway of a team: the one process that holds API keys."""
    from rostra.console.part import run_part

    raise typer.Exit(run_part("gateway", team, broker, record=record))


@app.command()
def coordinator(team: TeamHere, broker: Broker = "") -> None:
    """Be the coordinator of a team: it holds the chats, and keeps their transcripts below ROSTRA_HOME."""
    from rostra.console.part import run_part

    raise typer.Exit(run_part("coordinator", team, broker))


@app.command()
def agent(name: AgentName, team: TeamHere, broker: Broker = "") -> None:
    """Be one agent of a team. Several of one name share its work, where the team file gives it `replicas`."""
    from rostra.console.part import run_part

    raise typer.Exit(run_part("agent", team, broker, name=name))
