"""`vote`: let agents vote."""

import asyncio
from typing import Annotated

import typer

from rostra.console.options import Json

app = typer.Typer(rich_markup_mode=None)

_METHODS = "majority|plurality|approval|ranked|weighted|unanimous"


@app.command()
def vote(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="A team file, or the name of a running team.")],
    proposal: Annotated[str, typer.Argument(metavar="PROPOSAL", help="What is voted on; - reads it from stdin.")],
    options: Annotated[str, typer.Option(metavar="A,B,C", help="What can be voted for.")] = "yes,no",
    method: Annotated[str, typer.Option(metavar=_METHODS, help="How votes decide.")] = "majority",
    quorum: Annotated[int, typer.Option(min=0, help="Ballots, abstentions included, without which there is no decision.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long ballots are taken.")] = 60.0,
    members: Annotated[str, typer.Option(metavar="A,B", help="Who votes; default: every agent of the team, or chat.")] = "",
    tie: Annotated[str, typer.Option(metavar="none|first|draw", help="What is done about a tie.")] = "none",
    chair: Annotated[str, typer.Option(metavar="NAME", help="The voter whose ballot decides a tie.")] = "",
    weights: Annotated[str, typer.Option(metavar="A=2,B=1", help="With the method weighted; who is not named weighs 1.")] = "",
    secret: Annotated[bool, typer.Option("--secret", help="Do not tell who voted how.")] = False,
    chat: Annotated[str, typer.Option(metavar="ID", help="Vote in this chat, on record in its transcript.")] = "",
    as_json: Json = False,
) -> None:
    """Let the agents of a running team vote, and count their ballots.

    Who is dead, silent or unable counts as absent. Exit codes: 0 there is a decision; 1 there is none; 2 nobody can vote on that;
    4 no broker, or no coordinator.
    """
    import msgspec

    from rostra.console import voting
    from rostra.console.connection import connected
    from rostra.console.exits import Code, Quit
    from rostra.console.texts import given, put_json, say
    from rostra.protocol import Proposal, Tally

    rules = {
        "text": given(proposal),
        "options": [option.strip() for option in options.split(",")],
        "method": method,
        "quorum": quorum,
        "seconds": seconds,
        "tie": "chair" if chair else tie,
        "chair": chair,
        "weights": voting.weights(weights),
        "secret": secret,
    }
    try:
        proposed = msgspec.convert(rules, Proposal)
    except msgspec.ValidationError as error:
        raise Quit(Code.USAGE, f"the proposal makes no sense: {error}") from None
    voters = [name.strip() for name in members.split(",") if name.strip()]

    async def held() -> Tally:
        async with connected(team) as client:
            say(f"ballots are taken for {seconds:g} s")
            return await voting.held(client, proposed, chat=chat, team=team, members=voters)

    tally = asyncio.run(held())
    if as_json:
        put_json(tally)
    else:
        voting.show(tally)
    raise typer.Exit(Code.ENDED if tally.decided else Code.FAILED)
