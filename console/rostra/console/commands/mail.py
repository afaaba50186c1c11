"""`tell` and `mail`: letters, and what became of them."""

import asyncio
from typing import Annotated

import typer

from rostra.console.options import AgentName, Json, Team

app = typer.Typer(rich_markup_mode=None)
mail = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Look into mailboxes; put dead letters back.")
app.add_typer(mail, name="mail")


@app.command()
def tell(
    name: AgentName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - reads it from stdin.")],
    team: Team = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait until the broker has it on disk.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Send an agent a letter. Returns when the broker has it on disk; the agent may be away.

    Exit codes: 0 stored; 1 refused, or the mailbox or the disk is full; 4 no broker.
    """
    from rostra.console.connection import connected
    from rostra.console.texts import given, put_json

    async def told() -> None:
        async with connected(team) as client:
            await client.tell(name, given(text), timeout=timeout)
        if as_json:
            put_json({"to": name, "stored": True})

    asyncio.run(told())


@mail.command("list")
def list_(team: Team = "", as_json: Json = False) -> None:
    """The mailboxes with letters in them."""
    from rostra.console.connection import connected
    from rostra.console.texts import put_json, since, table
    from rostra.protocol import BROKER
    from rostra.protocol.directory import MailboxInfo

    async def listed() -> list[MailboxInfo]:
        async with connected(team) as client:
            found: list[MailboxInfo] = await client.request(BROKER, "mail.list", reply=list[MailboxInfo], timeout=10.0)
            return found

    boxes = asyncio.run(listed())
    if as_json:
        put_json(boxes)
    else:
        rows = [
            (box.recipient, str(box.letters), str(box.dead), str(box.size), since(box.oldest_ms) if box.oldest_ms else "")
            for box in boxes
        ]
        table(("for", "waiting", "dead", "bytes", "oldest"), rows)


@mail.command()
def show(
    name: AgentName,
    team: Team = "",
    dead: Annotated[bool, typer.Option("--dead", help="The dead letters instead of the waiting ones.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Begin after the letter of this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Letters at most.")] = 50,
    as_json: Json = False,
) -> None:
    """The letters of a mailbox, and why dead ones are dead."""

    from rostra.console.connection import connected
    from rostra.console.texts import clock, put_json, table
    from rostra.protocol import BROKER, BadMessage, ChatMessage
    from rostra.protocol.directory import LetterInfo, MailQuery
    from rostra.protocol.frames import decode_body

    async def shown() -> list[LetterInfo]:
        query = MailQuery(recipient=name, dead=dead, after=after, limit=limit)
        async with connected(team) as client:
            found: list[LetterInfo] = await client.request(BROKER, "mail.show", query, reply=list[LetterInfo], timeout=10.0)
            return found

    def text(letter: LetterInfo) -> str:
        try:
            message: ChatMessage = decode_body(letter.body, ChatMessage)
        except BadMessage:  # no message, or longer than what is shown
            return f"({len(letter.body)} bytes)"
        return message.text

    letters = asyncio.run(shown())
    if as_json:
        put_json(
            [{**{key: getattr(one, key) for key in one.__struct_fields__ if key != "body"}, "text": text(one)} for one in letters]
        )
    else:
        rows = [
            (
                str(one.number),
                one.sender,
                clock(one.stored_ms),
                str(one.attempts),
                " ".join(filter(None, (one.reason, text(one)))),
            )
            for one in letters
        ]
        table(("number", "from", "stored", "failed", "text"), rows)


@mail.command()
def requeue(
    name: AgentName,
    number: Annotated[int, typer.Argument(min=0, help="The dead letter; 0: all of them.")] = 0,
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Put dead letters back into their mailbox. Exit code 1 when there was none."""
    from rostra.console.connection import connected
    from rostra.console.exits import Code, Quit
    from rostra.console.texts import put, put_json
    from rostra.protocol import BROKER
    from rostra.protocol.directory import MailRef

    async def requeued() -> int:
        async with connected(team) as client:
            count: int = await client.request(
                BROKER, "mail.requeue", MailRef(recipient=name, number=number), reply=int, timeout=10.0
            )
            return count

    count = asyncio.run(requeued())
    if as_json:
        put_json({"recipient": name, "requeued": count})
    elif count:
        put(f"{count} put back")
    if not count:
        raise Quit(Code.FAILED, f"{name} has no such dead letter")
