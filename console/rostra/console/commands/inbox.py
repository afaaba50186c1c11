"""`inbox`, `answer`, `approve`, `deny`: the questions that wait for a person."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from rostra.console.options import Json, Team

if TYPE_CHECKING:
    from rostra.protocol.people import InboxItem

app = typer.Typer(rich_markup_mode=None)


@app.command()
def inbox(
    what: Annotated[str, typer.Argument(metavar="[list|show]", help="`list`, which is also the default, or `show N`.")] = "list",
    number: Annotated[int, typer.Argument(metavar="[N]", min=0, help="show: the question.")] = 0,
    team: Team = "",
    all_: Annotated[bool, typer.Option("--all", help="Also those that are answered.")] = False,
    as_json: Json = False,
) -> None:
    """The questions that wait for a person, in any chat of a running team; `show N`: one of them with all that it is about."""
    from rostra.console.connection import connected
    from rostra.console.exits import Code, Quit
    from rostra.console.following import coordinator_asked
    from rostra.console.texts import put_json, say
    from rostra.protocol.chat import InboxItem

    if what not in ("list", "show") or (what == "show") != bool(number):
        raise Quit(Code.USAGE, f"`rostra inbox` knows `list` and `show N`, not {what!r}; to answer: rostra answer N TEXT")
    if what == "show":
        _show(number, team, as_json)
        return

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
        _listed(items)


def _listed(items: "list[InboxItem]") -> None:
    from rostra.console.texts import clock, since, table

    columns = ["N", "ASKED", "BY", "CHAT", "QUESTION"]
    extra = [("FOR", any(item.question.assignee for item in items)), ("DUE", any(item.due_ms for item in items))]
    columns[3:3] = [name for name, shown in extra if shown]
    cells = {
        item.number: {
            "N": str(item.number),
            "ASKED": f"{since(item.asked_ms)} ago",
            "BY": item.question.agent,
            "FOR": item.question.assignee,
            "DUE": clock(item.due_ms) if item.due_ms else "",
            "CHAT": item.question.chat,
            "QUESTION": item.question.text,
        }
        for item in items
    }
    table(tuple(columns), (tuple(cells[item.number][name] for name in columns) for item in items))


def _show(number: int, team: str, as_json: bool) -> None:
    from rostra.console.terminal import clean
    from rostra.console.texts import clock, put, put_json

    item = asyncio.run(_found(number, team))
    if as_json:
        put_json(item)
        return
    question, answer_ = item.question, item.answer
    lines = [f"question {number} of {question.agent or 'the chat'}, asked {clock(item.asked_ms)}"]
    lines += [f"chat: {question.chat}"] if question.chat else []
    lines += [f"for: {question.assignee}"] if question.assignee else []
    if item.due_ms:
        default = "no default" if question.default is None else f"then: {question.default or '(blank)'}"
        lines.append(f"due: {clock(item.due_ms)}, {default}")
    lines += [f"digest: {question.digest}"] if question.digest else []
    lines += ["", *question.detail.splitlines()] if question.detail else []
    lines += ["", *question.text.splitlines()]
    lines += [f"  {place}. {option}" for place, option in enumerate(question.options, 1)]
    if answer_ is not None:
        who = f"{answer_.by} at {answer_.origin}" if answer_.by else "the default"
        lines += ["", f"answered by {who}, {clock(answer_.at_ms)}: {answer_.text}"]
    put(clean("\n".join(lines)))


async def _found(number: int, team: str) -> "InboxItem":
    from rostra.console.connection import connected
    from rostra.console.following import coordinator_asked
    from rostra.protocol.people import InboxItem, InboxRef

    async with connected(team) as client:
        item: InboxItem = await coordinator_asked(client, "inbox.item", InboxRef(number=number), InboxItem)
    return item


Digest = Annotated[str, typer.Option(metavar="SHA256", help="Of what you have read: anything else is not answered.")]


@app.command()
def answer(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The question, as `rostra inbox` numbers it.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer; - reads it from stdin.")],
    digest: Digest = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Answer a question; the first answer wins. Exit code 1 when it is answered already or unknown."""
    _answer(number, text, digest, team, as_json)


@app.command()
def approve(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The question, as `rostra inbox` numbers it.")],
    digest: Digest = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Answer a question with yes. What an approval is about can be read with `rostra inbox show N`."""
    _answer(number, "yes", digest, team, as_json)


@app.command()
def deny(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The question, as `rostra inbox` numbers it.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; whoever asked is told.")] = "",
    digest: Digest = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Answer a question with no."""
    _answer(number, f"no: {reason}" if reason else "no", digest, team, as_json)


def _answer(number: int, text: str, digest: str, team: str, as_json: bool) -> None:
    from rostra.console.connection import connected, person_name
    from rostra.console.following import coordinator_asked
    from rostra.console.texts import given, put_json, say
    from rostra.protocol.people import InboxAnswer, InboxItem

    async def answered() -> InboxItem:
        async with connected(team) as client:
            wish = InboxAnswer(number=number, text=given(text), by=person_name(), digest=digest)
            item: InboxItem = await coordinator_asked(client, "inbox.answer", wish, InboxItem)
        return item

    item = asyncio.run(answered())
    if as_json:
        put_json(item)
    else:
        say(f"question {number} is answered")
