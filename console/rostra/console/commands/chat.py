"""`chat`: the chats of a running team, and the transcripts it keeps."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from rostra.console.options import ChatId, Json, Team, Tui, alone

from .floor import asked, floor
from .past import past

app = typer.Typer(rich_markup_mode=None)
chat = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(chat, name="chat", help="The chats of a running team: start, follow, check and export them.")


@app.callback()
def _chat() -> None:
    """Only there so that the family is a group."""


Deltas = Annotated[bool, typer.Option("--deltas", help="With --json: also the pieces of answers while they are written.")]


@chat.command()
def start(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="A team file, or the name of a running team.")],
    task: Annotated[str, typer.Argument(metavar="TASK", help="What to do; - reads it from stdin.")],
    members: Annotated[str, typer.Option(metavar="A,B", help="Only these of the team's agents, in this order.")] = "",
    id_: Annotated[str, typer.Option("--chat", metavar="ID", help="The id of the new chat; default: a new one.")] = "",
    rounds: Annotated[int, typer.Option(min=0, help="Messages at most; 0: as the team file says.")] = 0,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print the chat's id and leave.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Nobody answers: rest when a person is asked.")] = False,
    deltas: Deltas = False,
    tui: Tui = False,
    as_json: Json = False,
) -> None:
    """Start a chat on a running team, and follow it. Ctrl-C leaves it; the chat goes on.

    Exit codes are those of `rostra run`.
    """
    from rostra.console.connection import connected
    from rostra.console.following import Chat, coordinator_asked
    from rostra.console.session import followed, on_screen
    from rostra.console.texts import given, put, put_json
    from rostra.protocol.chat import ChatInfo, ChatStart
    from rostra.team.chats import new_chat

    if tui:
        alone(as_json or deltas or detach)

    async def started() -> int:
        chosen = tuple(name for name in members.split(",") if name)
        wish = ChatStart(task=given(task), chat=id_ or new_chat(), members=chosen, max_rounds=rounds, no_input=no_input)
        async with connected(team) as client:
            if detach:
                info: ChatInfo = await coordinator_asked(client, "chat.start", wish, ChatInfo)
                if as_json:
                    put_json(info)
                else:
                    put(info.chat)
                return 0
            async with Chat(client, wish.chat, start=wish, presence=True, through_rest=tui or not no_input) as following:
                if tui:
                    return await on_screen(following)
                return await followed(following, as_json=as_json, deltas=deltas, ask=not no_input)

    raise typer.Exit(asyncio.run(started()))


@chat.command("list")
def list_(team: Team = "", as_json: Json = False) -> None:
    """The chats of a running team, newest last; when none runs, those on this disk."""
    from rostra.console.session import chats
    from rostra.console.texts import put_json, say, since, table

    infos = asyncio.run(chats(team))
    if as_json:
        put_json(infos)
    elif not infos:
        say("there are no chats yet")
    else:
        rows = (
            (
                info.chat,
                info.result.outcome if info.result else info.state,
                str(info.messages),
                f"{since(info.created_ms)} ago",
                info.task,
            )
            for info in infos
        )
        table(("ID", "STATE", "MESSAGES", "STARTED", "TASK"), rows)


@chat.command()
def show(id_: ChatId, team: Team = "", as_json: Json = False) -> None:
    """Print the transcript of a chat as it stands, and its result if it has one. Needs no running team."""
    from rostra.console.jsonlines import event, line
    from rostra.console.live import Live
    from rostra.console.session import transcript
    from rostra.console.texts import put
    from rostra.protocol.chat import ChatEvent

    info, messages = asyncio.run(transcript(id_, team))
    events = [ChatEvent(type="message", chat=id_, sequence=said.sequence, speaker=said.name, message=said) for said in messages]
    if info.result is not None:
        events.append(ChatEvent(type="result", chat=id_, result=info.result))
    if as_json:
        for one in events:
            put(line(event(one)))
        return
    live = Live(sys.stdout, sys.stderr, streaming=False)
    live.opening(info)
    for one in events:
        live.show(one)


@chat.command()
def tail(
    id_: ChatId,
    team: Team = "",
    lines: Annotated[int, typer.Option("-n", "--messages", min=0, help="Begin with so many of the last messages.")] = 10,
    deltas: Deltas = False,
    as_json: Json = False,
) -> None:
    """Follow a chat from its last messages on, without a word. Ctrl-C leaves it."""
    raise typer.Exit(asyncio.run(_attached(id_, team, last=lines, ask=False, deltas=deltas, as_json=as_json)))


@chat.command()
def attach(id_: ChatId, team: Team = "", deltas: Deltas = False, tui: Tui = False, as_json: Json = False) -> None:
    """Follow a chat from its beginning, and answer its questions.

    At a terminal the first Ctrl-C gives the floor to the chat's admin, who is asked here; the next one leaves the chat, which
    goes on. Without an admin the first one leaves it.
    """
    if tui:
        alone(as_json or deltas)
    raise typer.Exit(asyncio.run(_attached(id_, team, last=None, ask=True, deltas=deltas, as_json=as_json, tui=tui)))


async def _attached(id_: str, team: str, *, last: int | None, ask: bool, deltas: bool, as_json: bool, tui: bool = False) -> int:
    from rostra.console.connection import connected
    from rostra.console.following import Chat
    from rostra.console.session import followed, on_screen

    async with connected(team) as client, Chat(client, id_, presence=True, through_rest=ask) as following:
        info = await following.info()
        if tui:
            return await on_screen(following)
        after = 0 if last is None else max(0, info.messages - last)
        return await followed(following, as_json=as_json, deltas=deltas, ask=ask, after=after, takes=ask)


@chat.command()
def say(
    id_: ChatId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - reads it from stdin.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="In whose name.")] = "user",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Say something in a chat, without taking anybody's turn. Returns when it is in the transcript: after the open turn."""
    from rostra.console import texts
    from rostra.protocol.chat import ChatMessage, ChatSay

    said: ChatMessage = asked(
        team, "chat.say", ChatSay(chat=id_, content=texts.given(text), name=name), ChatMessage, patient=True
    )
    if as_json:
        texts.put_json(said)
    else:
        texts.say(f"message {said.sequence}")


@chat.command()
def export(
    id_: ChatId,
    format_: Annotated[str, typer.Option("--format", "-f", metavar="md|json|jsonl|html", help="As what.")] = "md",
    to: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to; default: stdout.")] = "",
    team: Team = "",
) -> None:
    """Write the whole transcript as Markdown, JSON, JSON Lines or a page of HTML."""
    from rostra.console.exits import Code, Quit
    from rostra.console.exporting import FORMATS
    from rostra.console.session import exported

    render = FORMATS.get(format_)
    if render is None:
        raise Quit(Code.USAGE, f"the formats are {', '.join(FORMATS)}, not {format_!r}")
    text = render(asyncio.run(exported(id_, team)))
    if to:
        Path(to).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


@chat.command()
def files(
    id_: ChatId,
    to: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to; made when it is not there.")] = Path(),
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Write the files that belong to messages, the pictures that code has shown, as NUMBER-NAME.

    A file that is there already is not overwritten.
    """
    from rostra.console import texts
    from rostra.console.attachments import attachments
    from rostra.console.session import transcript

    _, messages = asyncio.run(transcript(id_, team))
    to.mkdir(parents=True, exist_ok=True)
    written = []
    for message in messages:
        for each in attachments(message):
            path = to / f"{message.sequence}-{each.name}"
            with path.open("xb") as out:
                out.write(each.data)
            written.append(str(path))
    if as_json:
        texts.put_json({"chat": id_, "files": written})
    else:
        texts.put("\n".join(written) or "no message of this chat has files")


@chat.command()
def why(
    id_: ChatId,
    turn: Annotated[int, typer.Argument(metavar="[TURN]", min=0, help="The message's number; default: all.")] = 0,
    team: Team = "",
    as_json: Json = False,
) -> None:
    """How the speakers were chosen: the candidates, who was ruled out by what, the model's answers, the ballots, the fallback."""
    from rostra.console import texts
    from rostra.console.session import about
    from rostra.console.terminal import Style, clean
    from rostra.console.voting import voted
    from rostra.protocol.chat import ChatRef, Why

    reasons: list[Why] = asyncio.run(about(team, "chat.why", ChatRef(chat=id_, sequence=turn), list[Why]))
    if as_json:
        texts.put_json(reasons)
        return
    style = Style.of(sys.stdout)
    for one in reasons:
        texts.put(f"[{one.sequence}] {style.speaker(clean(one.speaker) or 'nobody')}: {style.text(one.reason)}")
        details: list[tuple[str, str]] = [
            ("method", one.method),
            ("candidates", ", ".join(one.candidates)),
            *((f"not {name}", rule) for name, rule in one.removed.items()),
            *(("the model said", answer) for answer in one.answers),
            *(voted(one.tally) if one.tally else ()),
            ("fallback", one.fallback),
        ]
        for what, text in details:
            if text:
                texts.put(f"    {style.dim(clean(what) + ':')} {' '.join(style.text(text).split())}")


@chat.command()
def verify(id_: ChatId, team: Team = "", as_json: Json = False) -> None:
    """Check the transcript's hash chain. Needs no running team. Exit code 1 when it is broken."""
    from rostra.console import texts
    from rostra.console.exits import Code
    from rostra.console.session import about
    from rostra.protocol.chat import ChatRef, Verdict

    verdict: Verdict = asyncio.run(about(team, "chat.verify", ChatRef(chat=id_), Verdict))
    if as_json:
        texts.put_json(verdict)
    elif verdict.intact:
        texts.put(f"{verdict.chat}: intact, {verdict.messages} messages, head {verdict.head}")
    else:
        texts.put(f"{verdict.chat}: broken: {verdict.problem}")
    raise typer.Exit(Code.ENDED if verdict.intact else Code.FAILED)


@chat.command(context_settings={"ignore_unknown_options": True})  # -1 is no option
def rate(
    id_: ChatId,
    turn: Annotated[int, typer.Argument(metavar="TURN", min=1, help="The number of the message.")],
    rating: Annotated[str, typer.Argument(metavar="+1|-1", help="Whether it was good.")],
    why: Annotated[str, typer.Argument(metavar="[WHY]", help="Why; the agent learns from it.")] = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Rate what a teachable agent said: it becomes a memo of that agent, for later chats."""
    from rostra.console import remembering, texts
    from rostra.console.exits import Code, Quit
    from rostra.console.session import transcript

    if rating not in ("+1", "-1"):
        raise Quit(Code.USAGE, f"a rating is +1 or -1, not {rating!r}")
    _, messages = asyncio.run(transcript(id_, team))
    learner, memo = remembering.rate(id_, turn, rating == "+1", why, messages, team)
    if as_json:
        texts.put_json({"agent": learner, "memo": memo.number})
    else:
        texts.say(f"{learner} keeps it as memo {memo.number}")


chat.registered_commands += [*floor.registered_commands, *past.registered_commands]
