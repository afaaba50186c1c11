"""`chat rewind`, `fork`, `diff`, `search`: the past of chats."""

import asyncio
from typing import Annotated

import typer

from rostra.console.options import ChatId, Json, Team

past = typer.Typer(rich_markup_mode=None)

Instead = Annotated[str, typer.Option("--say", metavar="TEXT", help="Say this next; - reads it from stdin.")]
As = Annotated[str, typer.Option("--as", metavar="NAME", help="In whose name.")]
Paused = Annotated[bool, typer.Option("--pause", help="Do not go on before `chat resume`.")]


@past.command()
def rewind(
    id_: ChatId,
    to: Annotated[int, typer.Option("--to", metavar="SEQ", min=1, help="The last message that stays.")],
    say: Instead = "",
    name: As = "user",
    paused: Paused = False,
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Take a chat back to a message, and let it go on from there; also one that has ended.

    What was said after it is marked in the transcript and never deleted.
    """
    _travel("chat.rewind", id_, to, say, name, paused, "", team, as_json)


@past.command()
def fork(
    id_: ChatId,
    at: Annotated[int, typer.Option("--at", metavar="SEQ", min=1, help="The last message that both have.")],
    new: Annotated[str, typer.Option("--chat", metavar="ID", help="The id of the new chat; default: a new one.")] = "",
    say: Instead = "",
    name: As = "user",
    paused: Paused = False,
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Begin a new chat with the first messages of another, which stays as it is. Prints the new chat's id."""
    _travel("chat.fork", id_, at, say, name, paused, new, team, as_json)


def _travel(
    method: str, chat: str, sequence: int, say: str, name: str, paused: bool, fork: str, team: str, as_json: bool
) -> None:
    from rostra.console import texts
    from rostra.console.commands.floor import asked
    from rostra.protocol.chat import ChatInfo, ChatRewind

    content = texts.given(say)
    wish = ChatRewind(chat=chat, sequence=sequence, content=content, name=name, paused=paused, fork=fork)
    info: ChatInfo = asked(team, method, wish, ChatInfo)
    if as_json:
        texts.put_json(info)
    elif method == "chat.fork":
        texts.put(info.chat)
    else:
        texts.say(f"{info.chat} is {info.state} after message {sequence}")


@past.command()
def diff(
    one: Annotated[str, typer.Argument(metavar="ID", help="A chat.")],
    other: Annotated[str, typer.Argument(metavar="ID", help="Another one.")],
    team: Team = "",
    as_json: Json = False,
) -> None:
    """What two chats have in common, and where they part. Needs no running team. Exit code 1 when they differ."""
    import sys

    from rostra.console import texts
    from rostra.console.differing import compare, lines
    from rostra.console.exits import Code
    from rostra.console.session import transcript
    from rostra.console.terminal import Style

    difference = compare(asyncio.run(transcript(one, team))[1], asyncio.run(transcript(other, team))[1])
    if as_json:
        texts.put_json(difference)
    else:
        for line in lines(difference, one, other, Style.of(sys.stdout)):
            texts.put(line)
    raise typer.Exit(Code.FAILED if difference.one or difference.other else Code.ENDED)


@past.command()
def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help='Words; "a phrase", OR, NOT and prefix* are understood.')],
    chat: Annotated[str, typer.Option("--chat", metavar="ID", help="Only in this chat.")] = "",
    speaker: Annotated[str, typer.Option("--speaker", metavar="NAME", help="Only what this one said.")] = "",
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="So many at most.")] = 50,
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Find messages by their words, newest first: in all transcripts on this disk, or those of a team.

    Exit code 1 when nothing is found.
    """
    from rostra.console import texts
    from rostra.console.exits import Code
    from rostra.console.session import found
    from rostra.protocol.chat import SearchRequest

    wish = SearchRequest(query=query, chat=chat, speaker=speaker, limit=limit)
    hits = asyncio.run(found(wish, team))
    if as_json:
        texts.put_json(hits)
    elif not hits:
        texts.say("nothing is found")
    else:
        texts.table(
            ("CHAT", "SEQ", "SPEAKER", "SAID", "TEXT"),
            ((hit.chat, str(hit.sequence), hit.speaker, f"{texts.since(hit.done_ms)} ago", hit.snippet) for hit in hits),
        )
    raise typer.Exit(Code.ENDED if hits else Code.FAILED)
