"""`import`: a conversation that was held elsewhere becomes a chat."""

from pathlib import Path
from typing import Annotated

import typer

from rostra.console.options import Json, TeamFile

app = typer.Typer(rich_markup_mode=None)


@app.command("import")
def import_(
    team: TeamFile,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="JSON: a list of messages or `chat_messages` (AutoGen 0.2), or a team's state (0.4 to 0.7)."
        ),
    ],
    id_: Annotated[str, typer.Option("--chat", metavar="ID", help="The id of the new chat; default: a new one.")] = "",
    names: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="THEIRS=OURS", help="Whose words those of THEIRS are (a name, or a role); may be repeated."),
    ] = None,
    conversation: Annotated[
        str, typer.Option(metavar="NAME", help="With `chat_messages`: which conversation, where there are several.")
    ] = "",
    without: Annotated[
        str, typer.Option(metavar="TEXT", help="Leave this text out of every message: TERMINATE, so that the chat can go on.")
    ] = "",
    rounds: Annotated[
        int, typer.Option(min=0, help="Messages at most, the imported ones included; 0: so many more as the team file says.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Make a chat of the team of a conversation that AutoGen has stored.

    It is paused; `rostra run TEAM --resume ID` lets it go on. Who spoke must be a member of the team, or `user`; capitals, blanks
    and punctuation in names make no difference. Exit code 3 when the file holds no such conversation, with the place in it.
    """
    from rostra.console import importing, texts
    from rostra.console.exits import Code, Quit
    from rostra.protocol import BadName
    from rostra.protocol.names import check_topic
    from rostra.team.chats import new_chat
    from rostra.team.file import TeamFile as File

    pairs = [each.partition("=") for each in names or ()]
    if any(not theirs or not ours for theirs, _, ours in pairs):
        raise Quit(Code.USAGE, "--as takes THEIRS=OURS")
    chat = id_ or new_chat()
    try:
        check_topic(f"chat.{chat}")
        if "." in chat:
            raise BadName(chat, "")
    except BadName:
        raise Quit(Code.USAGE, f"{chat!r} is no id of a chat") from None
    loaded = File.load(team)
    heard = importing.load(file, loaded.agents, {theirs: ours for theirs, _, ours in pairs}, conversation, without)
    importing.store(loaded, heard, chat, source=file.name, rounds=rounds)
    if as_json:
        texts.put_json({"chat": chat, "messages": len(heard), "team": loaded.name})
    else:
        texts.put(chat)
        texts.say(f"{len(heard)} messages; they go on with: rostra run {team} --resume {chat}")
