"""Runs a team's processes for as long as a command lasts, holds one chat, and tells how it ended."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from rostra.protocol import Refused, RequestError
from rostra.protocol.chat import ChatControl, ChatInfo, ChatStart, Result
from rostra.team.team import Team
from rostra.team.watch import ProcessEvent

from .exits import Code, of_result
from .floor import Floor
from .following import Chat, coordinator_asked
from .person import Person
from .tui.shown import Shown
from .watching import Interrupted, View, Watch


def told(view: View | Shown, event: ProcessEvent) -> None:
    """Note what happens to a process, unless it is as it should be."""
    match event.type:
        case "died":
            view.interrupted(event.key.partition("~")[0])
            view.note(f"{event.key} (process {event.pid}) {event.why}", bad=True)
        case "restarting" if event.pause:
            view.note(f"{event.key} is started again in {event.pause:.1f} s")
        case "given_up":
            view.note(f"{event.key} is given up: {event.why}", bad=True)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a chat shall be: as `ChatStart`, and `timeout`, seconds until it is ended (0: never).

    `resume`: it was begun before, and goes on; `again`: the command that lets it go on once more, empty: none does.
    """

    start: ChatStart
    timeout: float = 0.0
    resume: bool = False
    again: str = ""


class Run:
    """One chat of a team that this command keeps running. `view`: where it is shown; `person`: who is asked, or None."""

    def __init__(self, team: Team, view: View, *, person: Person | None = None) -> None:
        assert team.supervisor is not None
        self.client, self.supervisor, self.view, self.person = team.client, team.supervisor, view, person
        self.lost = ""
        """The process that was given up while the chat ran."""
        self.paused = False
        """A signal paused it."""
        self.late = False
        """The time limit ended it."""

    async def hold(self, wish: Wish) -> int:
        """Hold the chat; returns the exit code.

        SIGINT gives the floor to the admin where that is asked here; else it pauses the chat, if it can be resumed, and leaves
        it. The next one, and SIGTERM, end the chat gently; one more, at once.
        """
        async with Chat(self.client, wish.start.chat, start=None if wish.resume else wish.start) as chat:
            watch = Watch(chat, self.view, person=self.person)
            floor = Floor(chat, watch, self.view, pauses=bool(wish.again))
            taking: list[asyncio.Task[None]] = []

            async def take() -> None:
                try:
                    taken = await floor.take()
                except RequestError:
                    taken = "refused"
                if taken == "paused":
                    self.paused = True
                    self.view.note(f"SIGINT: the chat is paused, once more to end at once; it goes on with: {wish.again}")
                    watch.leave()
                elif taken == "refused":
                    interrupted.signalled(signal.SIGINT)

            def first() -> bool:
                if floor.taken or not (wish.again or self.person):
                    return False
                if taking and not taking[-1].done():
                    return False
                taking.append(asyncio.create_task(take()))
                return True

            async def gently(number: int) -> None:
                name = signal.Signals(number).name
                self.view.note(f"{name}: the chat is ended; once more to end at once")
                await chat.stop(f"ended by {name}")

            with Interrupted(gently, self.supervisor.kill, first=first) as interrupted:
                try:
                    async with self._guarded(chat, wish):
                        after = await self._resumed(chat) if wish.resume else 0
                        result = await watch.run(after=after)
                except asyncio.CancelledError:
                    self.supervisor.kill()
                    if interrupted.signal:
                        return 128 + interrupted.signal
                    raise
            return Code.INTERRUPTED if result is None else self._code(result, interrupted.signal)

    async def show(self, wish: Wish, shown: Shown) -> int:
        """Hold the chat on the whole terminal; returns the exit code.

        Whoever leaves it before its end, SIGINT too, pauses it. SIGTERM ends it gently; a second signal, at once.
        """
        start = None if wish.resume else wish.start
        async with Chat(self.client, wish.start.chat, start=start, presence=True, through_rest=True) as chat:

            async def gently(number: int) -> None:
                shown.leave(128 + number)

            with Interrupted(gently, self.supervisor.kill) as interrupted:
                try:
                    async with self._guarded(chat, wish):
                        if wish.resume:
                            await self._resumed(chat)
                        code = await shown.run(chat, signals=False)
                        return await self._left(chat, shown, code, wish)
                except asyncio.CancelledError:
                    self.supervisor.kill()
                    if interrupted.signal:
                        return 128 + interrupted.signal
                    raise

    async def _left(self, chat: Chat, shown: Shown, code: int, wish: Wish) -> int:
        """The view of a chat was left with `code`."""
        if shown.result is not None:
            return self._code(shown.result, 0)
        if code == Code.TERMINATED:
            await chat.stop("ended by SIGTERM")
            return code
        with contextlib.suppress(Refused):  # it is paused already
            await coordinator_asked(self.client, "chat.pause", ChatControl(chat=chat.chat, now=True), ChatInfo)
        shown.note(f"the chat is paused; it goes on with: {wish.again}")
        return Code.INTERRUPTED

    @contextlib.asynccontextmanager
    async def _guarded(self, chat: Chat, wish: Wish) -> AsyncIterator[None]:
        """Meanwhile the chat is ended when a process is given up, or when the time is over."""
        guards = [asyncio.create_task(self._given_up(chat))]
        if wish.timeout:
            guards.append(asyncio.create_task(self._timed(chat, wish.timeout)))
        try:
            yield
        finally:
            for guard in guards:
                guard.cancel()
            await asyncio.wait(guards)

    async def _resumed(self, chat: Chat) -> int:
        """Let a chat go on that was begun before; returns the place of the message before the last one."""
        info = await chat.info()
        if info.state == "paused":
            with contextlib.suppress(Refused):  # it goes on already
                info = await coordinator_asked(self.client, "chat.resume", ChatControl(chat=chat.chat), ChatInfo)
        return max(0, info.messages - 1)

    def _code(self, result: Result, number: int) -> int:
        if number:
            return of_result(result, number)
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


def new_recording(path: str) -> str:
    """`path`, where a recording is to be written; raises FileExistsError when there is such a file."""
    if path and Path(path).exists():
        raise FileExistsError(f"{path} already exists; a recording is never overwritten")
    return path
