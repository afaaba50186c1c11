"""Runs a team's processes for as long as a command lasts, holds one chat, and tells how it ended."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from rostra.protocol import Client
from rostra.protocol.chat import ChatInfo, ChatStart
from rostra.team.file import TeamFile
from rostra.team.instances import claim
from rostra.team.places import Places
from rostra.team.supervisor import Supervisor, jobs
from rostra.team.watch import ProcessEvent

from .connection import console_name
from .exits import Code, of_result
from .following import Chat, coordinator_asked
from .person import Person
from .watching import Interrupted, View, Watch


@contextlib.asynccontextmanager
async def running(
    file: TeamFile, *, record: str = "", on_event: Callable[[ProcessEvent], None] | None = None
) -> AsyncIterator[Supervisor]:
    """The team's processes, all ready, until the end of the block; raises `TeamFailed` when one cannot be brought up."""
    with claim(Places.here(), file.name, file.path) as mine:
        async with Supervisor(jobs(file, mine, record=record), on_event=on_event) as supervisor:
            yield supervisor


def told(view: View, event: ProcessEvent) -> None:
    """Note what happens to a process, unless it is as it should be."""
    match event.type:
        case "died":
            view.note(f"{event.key} (process {event.pid}) {event.why}", bad=True)
        case "restarting" if event.pause:
            view.note(f"{event.key} is started again in {event.pause:.1f} s")
        case "given_up":
            view.note(f"{event.key} is given up: {event.why}", bad=True)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a chat shall be: as `ChatStart`, and `timeout`, seconds until it is ended (0: never)."""

    start: ChatStart
    timeout: float = 0.0


class Run:
    """One chat of a team that this command keeps running. `view`: where it is shown; `person`: who is asked, or None."""

    def __init__(self, supervisor: Supervisor, view: View, *, person: Person | None = None) -> None:
        self.supervisor, self.view, self.person = supervisor, view, person
        self.lost = ""
        """The process that was given up while the chat ran."""
        self.late = False
        """The time limit ended it."""

    async def hold(self, wish: Wish) -> int:
        """Hold the chat; returns the exit code. SIGINT and SIGTERM end the chat gently, the second time at once."""
        address = self.supervisor.jobs["broker"].address
        async with Client.connect(address, name=console_name(), info={"kind": "console"}) as client:
            chat = Chat(client, wish.start.chat, deltas=True)
            async with chat:
                return await self._held(chat, wish)

    async def _held(self, chat: Chat, wish: Wish) -> int:
        started = False

        async def gently(number: int) -> None:
            self.view.note(f"{signal.Signals(number).name}: the chat is ended; once more to end at once")
            if started:
                await chat.stop(f"ended by {signal.Signals(number).name}")

        watch = Watch(chat, self.view, person=self.person)
        with Interrupted(gently) as interrupted:
            guards: list[asyncio.Task[None]] = []
            try:
                await coordinator_asked(chat.client, "chat.start", wish.start, ChatInfo)
                started = True
                if interrupted.signal:
                    await chat.stop("ended before it began")
                guards.append(asyncio.create_task(self._given_up(chat)))
                if wish.timeout:
                    guards.append(asyncio.create_task(self._timed(chat, wish.timeout)))
                result = await watch.run()
            except asyncio.CancelledError:
                self.supervisor.kill()
                if interrupted.signal:
                    return 128 + interrupted.signal
                raise
            finally:
                for guard in guards:
                    guard.cancel()
                if guards:
                    await asyncio.wait(guards)
        if interrupted.signal:
            return 128 + interrupted.signal
        if self.late:
            return Code.LIMIT
        return Code.MEMBER_FAILED if self.lost else of_result(result)

    async def _timed(self, chat: Chat, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.late = True
        await chat.stop(f"the time limit of {seconds:g} s")

    async def _given_up(self, chat: Chat) -> None:
        """A process that cannot be kept running ends the chat: nobody waits for what will not come."""
        failed = await asyncio.shield(self.supervisor.failed)
        self.lost = str(failed)
        await chat.stop(f"a process was given up: {failed}")


def recording(path: str) -> str:
    """The path of a new recording; raises FileExistsError when there is such a file."""
    if path and Path(path).exists():
        raise FileExistsError(f"{path} already exists; a recording is never overwritten")
    return path
