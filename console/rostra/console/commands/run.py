"""`run`: a team, one chat, from start to end."""

import asyncio
import shlex
import sys
import time
from typing import Annotated

import typer

from rostra.console.options import Json, TeamFile, Tui, alone

app = typer.Typer(rich_markup_mode=None)


@app.command()
def run(
    team: TeamFile,
    task: Annotated[str, typer.Argument(metavar="TASK", help="What to do; - reads it from stdin.")] = "",
    id_: Annotated[str, typer.Option("--chat", metavar="ID", help="The id of the new chat; default: a new one.")] = "",
    resume: Annotated[
        str, typer.Option("--resume", metavar="ID", help="Instead of a task: let this chat of the team go on.")
    ] = "",
    members: Annotated[str, typer.Option(metavar="A,B", help="Only these of the team's agents, in this order.")] = "",
    rounds: Annotated[int, typer.Option(min=0, help="Messages at most; 0: as the team file says.")] = 0,
    record: Annotated[
        str, typer.Option(metavar="FILE", help='Record what models are asked and answer, for api = "recorded".')
    ] = "",
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nobody: end with code 6 when a person is needed.")] = False,
    timeout: Annotated[float, typer.Option(metavar="S", min=0, help="End the chat after so many seconds; 0: never.")] = 0.0,
    deltas: Annotated[
        bool, typer.Option("--deltas", help="With --json: also the pieces of answers as they are written.")
    ] = False,
    tui: Tui = False,
    as_json: Json = False,
) -> None:
    """Start every process of a team, hold one chat, print it live, stop everything.

    Exit codes: 0 ended by a rule, or by who was in it; 1 failed at run time; 2 usage; 3 the team file is wrong; 4 no broker;
    5 a limit was reached (rounds, budget, time); 6 waits for a person, and nobody can be asked; 7 a member failed for good;
    130 and 143 ended by SIGINT and SIGTERM.

    Ctrl-C gives the floor to the chat's admin, who is asked at this terminal: to say something, or /skip, /next NAME, /continue,
    /pause, /stop. Without an admin it pauses the chat and ends, and --resume lets it go on. Once more ends the chat gently, and
    yet once more, at once. So does SIGTERM. With --tui, q and Ctrl-C pause the chat and end, as without an admin.
    """
    from rostra.console.archive import of_chat
    from rostra.console.control import answering
    from rostra.console.exits import Code, Quit
    from rostra.console.person import Person, at_terminal
    from rostra.console.running import Run, Wish, new_recording, told
    from rostra.console.session import view_for
    from rostra.console.texts import given
    from rostra.console.tui.shown import Shown
    from rostra.protocol.chat import ChatStart
    from rostra.team.chats import new_chat
    from rostra.team.team import Team
    from rostra.team.watch import ProcessEvent

    if bool(task) == bool(resume):
        raise Quit(Code.USAGE, "give either a TASK, or --resume ID")
    if tui:
        alone(as_json or deltas)
    text = given(task)
    asked = not no_input and (tui or at_terminal()) and task != "-"
    chosen = tuple(name.strip() for name in members.split(",") if name.strip())
    start = ChatStart(task=text, chat=resume or id_ or new_chat(), members=chosen, max_rounds=rounds, no_input=not asked)
    view, shown = view_for(as_json=as_json, deltas=deltas), Shown()
    told_to = shown if tui else view

    def on_event(event: ProcessEvent) -> None:
        told(told_to, event)

    again = f"rostra run {shlex.quote(team)} --resume {start.chat}"
    wish = Wish(start=start, timeout=timeout, resume=bool(resume), again=again)
    instance = of_chat(resume, team).parent.name if resume else ""
    loaded = Team.load(team, record=new_recording(record), on_event=on_event, instance=instance)

    async def held() -> int:
        began = time.monotonic()
        async with loaded as running:
            assert running.supervisor is not None
            async with answering(running.supervisor):
                told_to.note(f"{len(running.supervisor.jobs)} processes are ready after {time.monotonic() - began:.1f} s")
                run_ = Run(running, view, person=Person(sys.stderr) if asked else None)
                return await run_.show(wish, shown) if tui else await run_.hold(wish)

    raise typer.Exit(asyncio.run(held()))
