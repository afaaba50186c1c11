"""Questions to people, as requests: `inbox.ask`, `inbox.list`, `inbox.answer` (docs/messages.md)."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import msgspec

from rostra.protocol import Answer, Incoming, Question, Refused, Service
from rostra.protocol.clock import wall_ms
from rostra.protocol.people import MAX_DETAIL, InboxAnswer, InboxItem, InboxRef
from rostra.protocol.service import Handler

from . import inbox as inbox_module
from .controls import CONSOLE, operator
from .errors import NoSuchChat
from .inbox import Entry, Inbox, answer_control
from .inputs import Waits
from .runner import Runner

if TYPE_CHECKING:
    from .coordinator import Coordinator

BOUND = ("tool", "code", "budget")
"""What only a console may answer: it lets something be done, or money be spent."""


class People:
    """The people of a coordinator's chats, who answer through the inbox. It must be `opened` before anybody is asked."""

    def __init__(self, coordinator: "Coordinator", service: Service, after_start: Callable[[Handler], Handler]) -> None:
        self._coordinator = coordinator
        self._inbox: Inbox
        self._later: set[asyncio.Task[None]] = set()
        self._closing = False
        service.method("inbox.ask", Question, after_start(self._asked))
        service.method("inbox.list", Any, after_start(self._list))
        service.method("inbox.item", InboxRef, after_start(self._item))
        service.method("inbox.answer", InboxAnswer, after_start(self._answer))

    async def open(self) -> None:
        """The transcript is there: wait for the deadlines of the questions in it."""
        coordinator = self._coordinator
        remind = coordinator.options.remind_seconds
        self._inbox = Inbox(coordinator.transcript, coordinator.publish, self._closed, remind_seconds=remind)
        await self._inbox.start()

    def closing(self) -> None:
        """The coordinator ends: whoever asked will ask the next one again."""
        self._closing = True

    async def aclose(self) -> None:
        """Wait for no answer any more; all questions stay open."""
        tasks = list(self._later)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if hasattr(self, "_inbox"):
            await self._inbox.aclose()

    async def ask(self, id_: bytes, question: Question) -> Answer:
        """Put a question to a person, and wait for the answer; the same id is the same question.

        In a chat in which nobody answers, the default does; without one the chat rests.
        """
        runner = self._coordinator.chats.runners.get(question.chat)
        no_input = runner is not None and runner.machine.no_input
        if no_input and question.default is not None:
            return Answer(text=question.default, digest=question.digest, at_ms=wall_ms())
        entry = await self._inbox.put(id_, question)
        if runner is not None and no_input and not entry.closed:
            runner.post(Waits(f"{question.agent or 'the selection'} waits for a person: {' '.join(question.text.split())[:200]}"))
        try:
            with runner.patience.asks(question.agent) if runner is not None else contextlib.nullcontext():
                return await self._inbox.wait(entry)
        except asyncio.CancelledError:
            # Whoever asked was cancelled: when its turn was taken back, nobody needs the answer; else it will ask again.
            if (
                runner is not None
                and not self._closing
                and runner.machine.result is None
                and question.agent not in runner.machine.speakers
            ):
                self._soon(self._inbox.close(entry.item.number))
            raise

    async def petition(self, id_: bytes, question: Question) -> None:
        """Put a chat's own question to a person, and wait for nothing: the answer is a control of the chat."""
        await self._inbox.put(id_, question)

    def _closed(self, entry: Entry) -> None:
        """A question was answered, or its time was up: that goes on record in its chat."""
        runner = self._coordinator.chats.runners.get(entry.item.question.chat)
        if runner is not None:
            runner.post(answer_control(entry))

    async def withdraw(self, chat: str, agent: str) -> None:
        """What `agent` has asked in its turn, nobody needs to answer any more."""
        await self._inbox.withdraw(chat, agent)

    def chat_over(self, runner: Runner) -> None:
        """A chat does not run any more: it has ended, or rests."""
        result = runner.machine.result
        if result is not None and result.outcome != "waits":
            self._inbox.chat_ended(runner.chat)
        elif result is not None:  # it may have been answered while the chat lay down
            self._soon(self._wake(runner.chat))

    async def _wake(self, chat: str) -> None:
        """Take up a chat that rests, when none of its questions is open any more."""
        coordinator = self._coordinator
        with contextlib.suppress(NoSuchChat):
            kept = await coordinator.transcript.kept(chat)
            if kept.state == "paused" and chat not in coordinator.chats.runners and not await self.awaited(chat):
                await coordinator.chats.resume(kept)
                if kept.settings.within:  # it waited for this one
                    await self._wake(kept.settings.within)

    async def awaited(self, chat: str) -> bool:
        """Whether a question of the chat is open."""
        return await self._coordinator.transcript.read(inbox_module.waits, chat)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    # ---- requests

    async def _asked(self, question: Question, request: Incoming) -> Answer:
        sender, runner = request.sender.partition("~")[0], self._coordinator.chats.runners.get(question.chat)
        if runner is not None and sender not in runner.machine.members and not sender.startswith(CONSOLE):
            raise Refused(f"{sender} is no member of chat {question.chat!r}")
        if len(question.detail) > MAX_DETAIL:
            raise Refused(f"a question's detail has {MAX_DETAIL} characters at most")
        return await self.ask(request.id, msgspec.structs.replace(question, agent=sender))

    async def _list(self, _: Any, __: Incoming) -> list[InboxItem]:
        return await self._inbox.list()

    async def _item(self, ref: InboxRef, _: Incoming) -> InboxItem:
        return (await self._inbox.entry(ref.number)).item

    async def _answer(self, answer: InboxAnswer, request: Incoming) -> InboxItem:
        coordinator, sender = self._coordinator, request.sender.partition("~")[0]
        if coordinator.is_member(sender):
            raise Refused("members ask people; they do not answer for them")
        if (await self._inbox.entry(answer.number)).item.question.kind in BOUND:
            operator(request)
        coordinator.acted = True
        item = await self._inbox.answer(answer, sender)
        if item.question.chat and item.question.chat not in coordinator.chats.runners:
            await self._wake(item.question.chat)
        return item
