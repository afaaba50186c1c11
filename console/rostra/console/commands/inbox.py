"""`inbox`, `answer`: the questions that wait for a person."""

import asyncio
from typing import Annotated

import typer

from rostra.console.options import Json, Team

app = typer.Typer(rich_markup_mode=None)


@app.command()
def inbox(
    what: Annotated[str, typer.Argument(metavar="[list]", help="`list`, which is also the default.")] = "list",
    team: Team = "",
    all_: Annotated[bool, typer.Option("--all", help="Also those that are answered.")] = False,
    as_json: Json = False,
) -> None:
    """The questions that wait for a person, in any chat of a running team."""
    from rostra.console.connection import connected
    from rostra.console.exits import Code, Quit
    from rostra.console.following import coordinator_asked
    from rostra.console.texts import put_json, say, since, table
    from rostra.protocol.chat import InboxItem

    if what != "list":
        raise Quit(Code.USAGE, f"`rostra inbox` knows `list`, not {what!r}; to answer: rostra answer N TEXT")

    async def listed() -> list[InboxItem]:
        async with connected(team) as client:
            items: list[InboxItem] = await coordinator_asked(client, "inbox.list", None, list[InboxItem])
        return [item for item in items if all_ or item.answer is None]

    items = asyncio.run(listed())
    if as_json:
        put_json(items)
    elif not items:
        say("nobody waits for an answer")
    else:
        table(
            ("N", "ASKED", "BY", "CHAT", "QUESTION"),
            (
                (str(item.number), f"{since(item.asked_ms)} ago", item.question.agent, item.question.chat, item.question.text)
                for item in items
            ),
        )


@app.command()
def answer(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The question, as `rostra inbox` numbers it.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer; - reads it from stdin.")],
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Answer a question; the first answer wins. Exit code 1 when it is answered already or unknown."""
    _answer(number, text, team, as_json)


@app.command()
def approve(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The question, as `rostra inbox` numbers it.")],
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Answer a question with yes."""
    _answer(number, "yes", team, as_json)


@app.command()
def deny(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The question, as `rostra inbox` numbers it.")],
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Answer a question with no."""
    _answer(number, "no", team, as_json)


def _answer(number: int, text: str, team: str, as_json: bool) -> None:
    from rostra.console.connection import connected
    from rostra.console.following import coordinator_asked
    from rostra.console.texts import given, put_json, say
    from rostra.protocol.chat import InboxAnswer, InboxItem

    async def answered() -> InboxItem:
        async with connected(team) as client:
            wish = InboxAnswer(number=number, text=given(text), by=client.name)
            item: InboxItem = await coordinator_asked(client, "inbox.answer", wish, InboxItem)
        return item

    item = asyncio.run(answered())
    if as_json:
        put_json(item)
    else:
        say(f"question {number} is answered")
