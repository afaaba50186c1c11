"""The chats that a coordinator runs: begun, taken up from the disk, taken over by operators, left when they are over."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from rostra.protocol import Client, Question, Refused
from rostra.protocol.chat import ChatEvent, Control, Result
from rostra.protocol.ids import new_id

from .errors import Fenced
from .glance import Phase
from .inbox import answer_control, answered
from .inputs import Loaded, Stopped, Waits
from .machine import Machine
from .options import ChatOptions
from .reading import Kept
from .roster import Roster
from .rows import Row, Settings
from .runner import Runner
from .selector import AskPerson, Selector
from .transcript import Transcript


class Chats:
    """Runs chats as `options` say. It must be `opened` in the running loop, with a transcript, before anything else.

    `ask` puts a question to a person, `withdraw` takes one back, `petition` puts one whose answer is a control; `finished` is
    told of every chat that does not run any more.
    """

    def __init__(
        self,
        client: Client,
        options: ChatOptions,
        roster: Roster,
        *,
        publish: Callable[[ChatEvent], None],
        ask: AskPerson,
        withdraw: Callable[[str, str], Awaitable[None]],
        petition: Callable[[bytes, Question], Awaitable[None]],
        finished: Callable[[Runner], None],
    ) -> None:
        self._client, self._options, self._roster = client, options, roster
        self._publish, self._ask, self._withdraw, self._over = publish, ask, withdraw, finished
        self._petition = petition
        self.runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._within: dict[str, tuple[str, str]] = {}
        """Of the inner chats that run, in which chat, and whose turn there they are."""
        self._waiting: dict[str, asyncio.Event] = {}
        self._taking = asyncio.Lock()
        self._transcript: Transcript
        self.fenced: asyncio.Future[Fenced]
        """Done when another coordinator has taken one of our chats: we are the older one, and have no say here any more."""

    def opened(self, transcript: Transcript) -> None:
        """The transcript is there."""
        self._transcript = transcript
        self.fenced = asyncio.get_running_loop().create_future()

    async def aclose(self) -> None:
        """Leave all chats without ending any."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- running

    def run(self, chat: str, settings: Settings, epoch: int, created_ms: int, rows: list[Row], *, fresh: bool = False) -> None:
        """Run a chat that this coordinator has taken, with its rows; `fresh`: it has just begun."""
        self._begin(self._runner(chat, settings, epoch, created_ms), Loaded(rows, fresh))

    async def resume(self, kept: Kept) -> None:
        """Take a chat up from the disk, unless it runs."""
        async with self._taking:
            if kept.chat not in self.runners:
                epoch = await self._transcript.take(kept.chat)
                rows = await self._transcript.rows(kept.chat)
                self.run(kept.chat, kept.settings, epoch, kept.created_ms, rows)
                await self._answers(self.runners[kept.chat])

    async def take_up(self, chat: str, id: bytes, control: Control, *, ended: bool = False) -> Runner:  # noqa: A002
        """Run a chat that rests, or has `ended`, beginning with a control; returns when that is on record.

        Raises `Refused` when it makes no sense, `NoSuchChat` when there is no such chat.
        """
        kept = await self._transcript.kept(chat)
        if kept.state == "ended" and not ended:
            raise Refused(f"chat {chat!r} has ended; it can be rewound, or forked")
        async with self._taking:
            runner = self.runners.get(chat)
            if runner is None:
                epoch = await self._transcript.take(chat, ended=ended)
                runner = self._runner(chat, kept.settings, epoch, kept.created_ms)
                event = runner.begin_control(id, control)
                rows = await self._transcript.rows(chat)
                self._begin(runner, Loaded(rows, control=event))
                await self._answers(runner)
                await runner.heeded(event)
                return runner
        await runner.control(id, control)
        return runner

    async def over(self, chat: str, runner: Runner) -> None:
        """Wait until a chat does not run any more."""
        task = self._tasks.get(chat)
        if task is not None and self.runners.get(chat) is runner:
            await asyncio.wait([task])

    async def _answers(self, runner: Runner) -> None:
        """What people have answered goes on record, where a coordinator was killed before that."""
        for entry in await self._transcript.read(answered, runner.chat):
            runner.post(answer_control(entry))

    def change(self, chat: str) -> asyncio.Event:
        """Set when the chat is taken up the next time, or does not run any more."""
        return self._waiting.setdefault(chat, asyncio.Event())

    def _changed(self, chat: str) -> None:
        waiting = self._waiting.pop(chat, None)
        if waiting is not None:
            waiting.set()

    def _runner(self, chat: str, settings: Settings, epoch: int, created_ms: int) -> Runner:
        options = self._options.inner.get(settings.agent, self._options)
        if settings.within:
            self._within[chat] = settings.within, settings.agent
        machine = Machine(chat, options, settings, epoch=epoch, created_ms=created_ms, member=self._roster.member, make_id=new_id)
        selector = Selector(options, settings.members, self._roster, self._client, self._ask, machine.turn_for)
        return Runner(machine, selector, self._transcript, self._client, options, self._publish, self._taken_back, self._petition)

    def _begin(self, runner: Runner, loaded: Loaded) -> None:
        chat = runner.chat
        self.runners[chat] = runner
        self._changed(chat)
        task = asyncio.get_running_loop().create_task(runner.run(loaded), name=f"chat {chat}")
        self._tasks[chat] = task
        task.add_done_callback(lambda _: self._finished(chat, runner))

    def _finished(self, chat: str, runner: Runner) -> None:
        if self.runners.get(chat) is not runner:
            return
        if runner.fenced is not None and not self.fenced.done():
            self.fenced.set_result(runner.fenced)
        del self.runners[chat], self._tasks[chat]
        self._changed(chat)
        self._nested(chat, runner.machine.result)
        self._over(runner)

    def _nested(self, chat: str, result: Result | None) -> None:
        """What the end of a chat means to those it holds, or is held by."""
        outer, _ = self._within.pop(chat, ("", ""))
        if result is None:
            return
        if result.outcome == "waits":
            if outer in self.runners:
                self.runners[outer].post(Waits(f"the inner chat {chat}: {result.stop_reason}"))
            return
        self._stop_inner(chat, "", f"chat {chat}, which it is part of, is over")

    async def _taken_back(self, chat: str, agent: str) -> None:
        """The turn of `agent` is over, empty: all turns are: nobody needs to answer what it asked, or hold what it holds."""
        await self._withdraw(chat, agent)
        self._stop_inner(chat, agent, f"the turn in chat {chat} that it was is over")

    def _stop_inner(self, chat: str, agent: str, why: str) -> None:
        for inner, (outer, whose) in self._within.items():
            if outer == chat and agent in ("", whose) and inner in self.runners:
                self.runners[inner].post(Stopped(why))

    # ---- the floor

    @property
    def active(self) -> list[Runner]:
        """The chats that run and are not paused."""
        return [runner for runner in self.runners.values() if runner.machine.phase is not Phase.PAUSED]

    @property
    def admins(self) -> list[str]:
        """Who could be asked, of the admins of the chats that run."""
        return [runner.machine.admin for runner in self.active if runner.machine.admin]

    async def take_over(self, by: str) -> list[str]:
        """Give the floor of every chat that runs to its admin, and pause those without one; returns the ids of the latter."""

        async def give(runner: Runner) -> str:
            try:
                await runner.control(new_id(), Control(what="takeover", by=by))
            except Refused:  # the admin has the floor, or the chat is over
                return ""
            return runner.chat if runner.machine.floor.paused else ""

        return [chat for chat in await asyncio.gather(*map(give, self.active)) if chat]

    async def go_on(self, chat: str, reason: str) -> None:
        """Put on record that a chat is not paused any more; it does nothing when the chat is over."""
        runner = self.runners.get(chat)
        if runner is not None:
            with contextlib.suppress(Refused):
                await runner.control(new_id(), Control(what="resume", reason=reason))
