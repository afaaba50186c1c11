"""`replay`: an exported chat, played again."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from rostra.console.options import Json

app = typer.Typer(rich_markup_mode=None)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `rostra chat export` wrote as json or jsonl.")],
    check: Annotated[bool, typer.Option("--check", help="Only say whether everything comes out as it was written.")] = False,
    as_json: Json = False,
) -> None:
    """Show an exported chat again, and play it: no team, no model, no network.

    Members, people and operators say and do what is on record; the rules and the end must come out as they did. Exit code 1
    when a row is not what was written, or comes out differently.
    """
    from rostra.console import texts
    from rostra.console.exits import Code
    from rostra.console.live import Live
    from rostra.console.replaying import problems, read
    from rostra.protocol.chat import ChatEvent

    chat = read(file)
    found = problems(chat)
    if not check and not as_json:
        live = Live(sys.stdout, sys.stderr, streaming=False)
        live.opening(chat.chat)
        for said in chat.messages:
            live.show(ChatEvent(type="message", chat=chat.chat.chat, sequence=said.sequence, speaker=said.name, message=said))
        if chat.chat.result is not None:
            live.show(ChatEvent(type="result", chat=chat.chat.chat, result=chat.chat.result))
    if as_json:
        texts.put_json({"chat": chat.chat.chat, "messages": len(chat.messages), "intact": not found, "problems": found})
    elif found:
        texts.say("\n".join(found))
    else:
        texts.say(f"{chat.chat.chat}: {len(chat.messages)} messages come out as they were written")
    raise typer.Exit(Code.FAILED if found else Code.ENDED)
