"""`rostra demo`: a team at work, step by step, for who sees rostra for the first time."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rostra.protocol import RequestError
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatStart, Delta, Question, Verdict
from rostra.team.chats import Chats, new_chat
from rostra.team.supervisor import Supervisor
from rostra.team.team import Team
from rostra.team.watch import ProcessEvent

from .control import answering
from .exits import Code
from .live import Live
from .running import Run, Wish, told
from .terminal import Style, colour_wanted
from .texts import table

TASK = "Customers wait too long on Tuesday mornings. How many tills should the bakery open in its busiest hour?"
HERE = Path(__file__).with_name("demo")
PAUSE = 0.8
"""Seconds between the parts, on a terminal."""


class Stage:
    """Where the demo is shown: everything goes to stdout, in order."""

    def __init__(self) -> None:
        self.out = sys.stdout
        self.style = Style.of(self.out)

    def say(self, *lines: str) -> None:
        """Lines of text, as they are."""
        self.out.write("".join(line + "\n" for line in lines))
        self.out.flush()

    def head(self, text: str) -> None:
        """The head of a part."""
        rule = self.style.sign("─") * max(3, min(78, self.style.width - 2) - len(text) - 4)
        self.say("", f"{self.style.dim(self.style.sign('─') * 2)} {self.style.bold(text)} {self.style.dim(rule)}", "")

    async def pause(self) -> None:
        """Time to read."""
        if self.out.isatty():
            await asyncio.sleep(PAUSE)


class Chaos:
    """A view that passes everything on, and kills: the coder while it speaks the second time, then the broker."""

    def __init__(self, live: Live, supervisor: Supervisor) -> None:
        self._live, self._supervisor = live, supervisor
        self._pieces: Counter[int] = Counter()
        self._killed: set[str] = set()

    def opening(self, info: ChatInfo) -> None:
        """See `View`."""
        self._live.opening(info)

    def progress(self, info: ChatInfo, seconds: float) -> None:
        """See `View`."""
        self._live.progress(info, seconds)

    def question(self, number: int, question: Question) -> None:
        """See `View`."""
        self._live.question(number, question)

    def note(self, text: str, *, bad: bool = False) -> None:
        """See `View`."""
        self._live.note(text, bad=bad)

    def interrupted(self, speaker: str = "") -> None:
        """See `View`."""
        self._live.interrupted(speaker)

    def delta(self, delta: Delta) -> None:
        """See `View`; the killing is done in the middle of an answer."""
        self._live.delta(delta)
        if delta.speaker == VICTIM:
            self._pieces[delta.sequence] += 1
            if len(self._pieces) == 2 and self._pieces[delta.sequence] == PIECES:
                self._kill(VICTIM)

    def show(self, event: ChatEvent) -> None:
        """See `View`."""
        self._live.show(event)
        if event.type == "message" and event.speaker == VICTIM and VICTIM in self._killed:
            self._kill("broker")

    def _kill(self, key: str) -> None:
        pid = self._supervisor.pid(key)
        if key in self._killed or not pid:
            return
        self._killed.add(key)
        self._live.note(f"--chaos: kill -9 {pid} ({key})", bad=True)
        os.kill(pid, signal.SIGKILL)


VICTIM = "coder"
"""Whom chaos kills first."""
PIECES = 12
"""Pieces of its second answer after which it is killed."""


async def sandbox_problem() -> str:
    """Why code cannot be run here; empty when it can."""
    from rostra.agents.code.sandbox import SandboxUnavailable, probe

    try:
        await probe()
    except SandboxUnavailable as error:
        return str(error)
    return ""


async def demo(*, chaos: bool = False) -> int:
    """Show the demo; returns the exit code."""
    stage = Stage()
    stage.say(
        "",
        f"{stage.style.bold('rostra')}: a team of agents, each its own process, in a group chat on a broker.",
        "",
        "The models play a script, so no key is needed. The rest is real: the processes,",
        "the broker, the database query, the code that runs, the transcript.",
    )
    problem = await sandbox_problem()
    if problem:
        stage.say("", *_wrapped(stage, f"No sandbox works here, so nobody runs code; a tool computes instead. ({problem})"))
    path = HERE / ("without_sandbox.toml" if problem else "team.toml")
    live = Live(stage.out, stage.out, streaming=stage.out.isatty() or colour_wanted(stage.out), style=stage.style)
    on_event = _reports(live, chaos)
    team = Team.load(path, on_event=on_event)
    async with team:
        assert team.supervisor is not None
        async with answering(team.supervisor) as door:
            stage.head("the processes")
            table(
                ("NAME", "PID", "WHAT IT DOES"),
                ((one.name, str(one.pid), _DOES.get(one.name, "")) for one in door.processes()),
                stage.out,
            )
            await stage.pause()
            return await _chat(stage, team, Chaos(live, team.supervisor) if chaos else live, chaos=chaos)


async def _chat(stage: Stage, team: Team, view: "Live | Chaos", *, chaos: bool) -> int:
    stage.head("the conversation")
    chat = new_chat()
    code = await Run(team, view).hold(Wish(start=ChatStart(task=TASK, chat=chat, no_input=True)))
    if code >= 128:  # the person has seen enough
        return code
    await stage.pause()
    stage.head("the transcript")
    with contextlib.suppress(RequestError):
        chats = Chats(team.client)
        verdict, places = await chats.verify(chat), [message.sequence async for message in chats.history(chat)]
        _transcript(stage, verdict, places, chaos=chaos)
    await stage.pause()
    stage.head("what to try next")
    commands = [
        (f"rostra chat show {chat}", "the conversation again"),
        (f"rostra chat why {chat}", "how speakers were chosen"),
        (f"rostra chat export {chat} -f html -o chat.html", "and as a page"),
        ("rostra init my-team", "a small team of your own"),
        ('rostra run my-team/team.toml "Describe a message broker in one sentence."', ""),
    ]
    if not chaos:
        commands.insert(0, ("rostra demo --chaos", "the same, with kill -9"))
    program = called()
    for command, what in commands:
        command = command.replace("rostra", program, 1)
        gap = " " * max(2, 43 + len(program) - len(command) + 2)
        stage.say(f"  {stage.style.bold(command)}" + (f"{gap}{stage.style.dim(what)}" if what else ""))
    stage.say("")
    return Code.ENDED if code == Code.ENDED else code


def _transcript(stage: Stage, verdict: Verdict, places: list[int], *, chaos: bool) -> None:
    whole = places == list(range(1, verdict.messages + 1))
    good = verdict.intact and whole
    sign = stage.style.good(stage.style.sign("✓")) if good else stage.style.bad(stage.style.sign("✗"))
    if whole:
        stage.say(f"{sign} messages 1 to {verdict.messages}: none is missing, none is there twice")
    else:
        stage.say(f"{sign} the transcript has the messages {places}")
    if verdict.intact:
        stage.say(f"{sign} the hash chain is intact; its head is {verdict.head[:16]}")
    else:
        stage.say(f"{sign} the hash chain is broken: {verdict.problem}")
    if chaos and good:
        stage.say(f"{sign} an agent and the broker were killed meanwhile; nothing of it shows")


def _reports(live: Live, chaos: bool) -> Callable[[ProcessEvent], None]:
    """What is said of the processes: what goes wrong, and under chaos also that they are back."""
    died: set[str] = set()

    def report(event: ProcessEvent) -> None:
        told(live, event)
        if event.type == "died":
            died.add(event.key)
        elif event.type == "ready" and chaos and event.key in died:
            live.note(f"{event.key} is back as process {event.pid}")

    return report


def _wrapped(stage: Stage, text: str) -> list[str]:
    from .flow import laid_out

    return laid_out(text, Style(colour=False, unicode=stage.style.unicode, width=stage.style.width), 0).splitlines()


_DOES = {
    "broker": "carries every message, keeps nobody waiting in silence",
    "models": "the gateway: it alone would hold API keys",
    "coordinator": "chooses who speaks, writes the transcript first",
    "analyst": "finds out what must be known",
    "database": "runs the queries",
    "coder": "writes short programs",
    "runner": "runs them, in a sandbox",
    "critic": "checks the result",
}


def called() -> str:
    """How this program is called from here: `rostra` where the shell finds it, else its path."""
    found, here = shutil.which("rostra"), Path(sys.argv[0])
    if here.name != "rostra" or not here.exists() or (found and Path(found).samefile(here)):
        return "rostra"
    return os.path.relpath(here)
