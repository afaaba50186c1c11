"""Watches a chat to its end: shows what happens, asks the person at the terminal, heeds signals and a time limit."""

import asyncio
import contextlib
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TextIO, assert_never

from rostra.protocol import COORDINATOR, GATEWAY, Presence, RequestError
from rostra.protocol.chat import ChatEvent, ChatInfo, Delta, InboxItem, Question, Result
from rostra.protocol.clock import wall
from rostra.protocol.directory import State

from . import jsonlines
from .following import Chat, Followed, Listening, Reconnected
from .person import Person


class View(Protocol):
    """Where a chat is shown."""

    def opening(self, info: ChatInfo) -> None:
        """The chat and its members."""

    def progress(self, info: ChatInfo, seconds: float) -> None:
        """Where it stands."""

    def show(self, event: ChatEvent) -> None:
        """One event."""

    def delta(self, delta: Delta) -> None:
        """A piece of an answer."""

    def question(self, number: int, question: Question) -> None:
        """A question to a person."""

    def note(self, text: str, *, bad: bool = False) -> None:
        """Something that happens around the chat."""

    def interrupted(self, speaker: str = "") -> None:
        """`speaker` (empty: anybody) was cut short, and says all of it again."""


class JsonView:
    """The chat as JSON Lines on `out`; what happens around it as plain lines on `notes`."""

    def __init__(self, out: TextIO, notes: TextIO, *, deltas: bool = False) -> None:
        self._out, self._notes, self._deltas = out, notes, deltas

    def opening(self, info: ChatInfo) -> None:
        """Nothing: `started` says it."""

    def progress(self, info: ChatInfo, seconds: float) -> None:
        """Nothing: the result says it."""

    def show(self, event: ChatEvent) -> None:
        """See `View`."""
        self._line(jsonlines.event(event))

    def delta(self, delta: Delta) -> None:
        """See `View`."""
        if self._deltas:
            self._line(jsonlines.delta(delta))

    def question(self, number: int, question: Question) -> None:
        """See `View`."""
        self._line(jsonlines.question(number, question))

    def note(self, text: str, *, bad: bool = False) -> None:
        """See `View`."""
        self._notes.write(text + "\n")
        self._notes.flush()

    def interrupted(self, speaker: str = "") -> None:
        """Nothing: pieces are told apart by the message that follows them."""

    def _line(self, value: object) -> None:
        if value is not None:
            self._out.write(jsonlines.line(value) + "\n")
            self._out.flush()


class Watch:
    """Watches one chat. `person`: who answers its questions, or None."""

    def __init__(self, chat: Chat, view: View, *, person: Person | None = None) -> None:
        self.chat, self.view, self.person = chat, view, person
        self.result: Result | None = None
        self.commands: Callable[[str], Awaitable[bool]] | None = None
        """What lines that are typed as answers of the `commander` may be instead; True: it was done."""
        self.commander = ""
        self._leaving = False
        self._waiting: deque[InboxItem] = deque()
        self._known: set[int] = set()
        self._asking: tuple[InboxItem, asyncio.Task[None]] | None = None
        self._members: set[str] = set()
        self._away: set[str] = set()
        self._began = wall()

    def leave(self) -> None:
        """The chat is paused, and nobody watches it any more."""
        self._leaving = True
        self.chat.push(ChatEvent(type="state", chat=self.chat.chat, why="paused"))

    def asks(self, agent: str) -> bool:
        """Whether a question of `agent` is shown, or about to be."""
        waiting = [*self._waiting, *([self._asking[0]] if self._asking else [])]
        return any(item.question.agent == agent for item in waiting)

    async def run(self, *, after: int = 0) -> Result | None:
        """Watch from the place `after` in the transcript to the end of the chat, or until `leave`: then None.

        Raises `RequestError`.
        """
        try:
            async for event in self.chat.events(after=after):
                await self._take(event)
                if self._leaving and isinstance(event, ChatEvent) and event.why == "paused":
                    return None
        finally:
            if self._asking is not None:
                self._asking[1].cancel()
                await asyncio.wait([self._asking[1]])
        assert self.result is not None  # the events end with the result
        return self.result

    async def _opened(self) -> None:
        info = await self.chat.info()
        self._began = info.created_ms / 1000 if info.created_ms else wall()
        self._members = {member.name for member in info.members} | {COORDINATOR, GATEWAY}
        self.view.opening(info)
        for item in await self.chat.open_items():
            self._question(item)

    async def _take(self, event: Followed) -> None:
        match event:
            case Listening():
                await self._opened()
            case ChatEvent():
                await self._event(event)
            case Delta():
                self.view.delta(event)
            case Presence():
                self._presence(event.name, event.state)
            case Reconnected():
                self.view.interrupted()
                self.view.note("the broker is back" + (", as a new process" if event.fresh else ""))
            case _:
                assert_never(event)

    async def _event(self, event: ChatEvent) -> None:
        match event.type:
            case "question":
                item = await self.chat.item(event.question)
                if item is not None:
                    self._question(item)
                return
            case "answered":
                self._waiting = deque(item for item in self._waiting if item.number != event.question)
                if self._asking is not None and self._asking[0].number == event.question:
                    self._asking[1].cancel()
            case "selected":
                with contextlib.suppress(RequestError):  # only for the looks
                    self.view.progress(await self.chat.info(), wall() - self._began)
            case "result" if self.chat.is_end(event):
                self.result = event.result
        self.view.show(event)

    def _presence(self, name: str, state: State) -> None:
        if name not in self._members:
            return
        if state in ("lost", "left"):
            self._away.add(name)
            self.view.interrupted(name)
            self.view.note(f"{name} died" if state == "lost" else f"{name} went away", bad=state == "lost")
        elif state == "online" and name in self._away:
            self._away.discard(name)
            self.view.note(f"{name} is back")

    def _question(self, item: InboxItem) -> None:
        if item.number in self._known:
            return
        self._known.add(item.number)
        self._waiting.append(item)
        self._next()

    def _next(self) -> None:
        if self._asking is not None or not self._waiting:
            return
        item = self._waiting.popleft()
        self.view.question(item.number, item.question)
        if self.person is None or self.person.gone:
            self.view.note(f"answer it with: rostra answer {item.number} TEXT")
            self._next()
            return
        task = asyncio.create_task(self._ask(self.person, item))
        self._asking = (item, task)
        task.add_done_callback(self._asked)

    async def _ask(self, person: Person, item: InboxItem) -> None:
        default = item.question.default
        text = await person.ask(f"    your answer{f' [{default}]' if default else ''}> ")
        if text is None:
            self.view.note(f"no answer; it waits in the inbox: rostra answer {item.number} TEXT")
            return
        try:
            commanded = self.commands is not None and item.question.agent == self.commander and await self.commands(text)
            if not commanded:
                await self.chat.answer(item.number, chosen(text, item.question), item.question.digest)
        except RequestError as error:
            self.view.note(f"the answer was not taken: {error}", bad=True)
            if self.commander == item.question.agent:
                self._waiting.appendleft(item)  # it was no command: ask again

    def _asked(self, task: "asyncio.Task[None]") -> None:
        self._asking = None
        if not task.cancelled() and task.exception() is not None:
            self.view.note(f"the question could not be asked: {task.exception()}", bad=True)
        if self.result is None:
            self._next()


def chosen(text: str, question: Question) -> str:
    """What was typed; the default for nothing, the option for its number."""
    if not text and question.default is not None:
        return question.default
    if text.isdecimal() and 1 <= int(text) <= len(question.options):
        return question.options[int(text) - 1]
    return text


class Interrupted:
    """Turns SIGINT and SIGTERM into a graceful end: the first one calls `gently`, the second one cancels the current task.

    `first` may take a SIGINT before that, and says whether it has; `signal` is the number of the first one after that, or 0.
    Once left, it stays on guard until the loop is closed: a signal then calls `hard`, so that whoever tidies up is hurried and
    never torn apart.
    """

    def __init__(
        self,
        gently: Callable[[int], Awaitable[object]],
        hard: Callable[[], None],
        *,
        first: Callable[[], bool] = lambda: False,
    ) -> None:
        self.signal, self._gently, self._hard, self._first = 0, gently, hard, first
        self._ending: asyncio.Task[None] | None = None

    def __enter__(self) -> "Interrupted":
        """Take the signals over; belongs to the running loop and the current task."""
        loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled, number)
        return self

    def __exit__(self, *_: object) -> None:
        self._task = None
        if self._ending is not None:
            self._ending.cancel()  # what was to be ended has ended

    def signalled(self, number: int) -> None:
        """As if a signal had come that nobody takes before."""
        self._signalled(number, True)

    def _signalled(self, number: int, again: bool = False) -> None:
        if self._task is None:
            self._hard()
        elif self.signal:
            self._task.cancel()
        elif not (number == signal.SIGINT and not again and self._first()):
            self.signal = number
            self._ending = asyncio.get_running_loop().create_task(self._end(number))

    async def _end(self, number: int) -> None:
        try:
            await self._gently(number)
        except RequestError:  # it cannot be ended gently
            if self._task is not None:
                self._task.cancel()
