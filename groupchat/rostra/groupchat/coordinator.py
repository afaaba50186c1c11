"""The coordinator: holds the group chats of a team, several at once, and answers for them on the bus (docs/messages.md)."""

import asyncio
import contextlib
import logging
import time
from base64 import b32encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from rostra.protocol import (
    COORDINATOR,
    Answer,
    BadMessage,
    BadName,
    Cancelled,
    ChatMessage,
    Client,
    History,
    HistoryRequest,
    Incoming,
    Question,
    Refused,
    RequestError,
    Service,
    Subscription,
    Transport,
    open_transport,
)
from rostra.protocol.chat import (
    ChatEvent,
    ChatInfo,
    ChatRef,
    ChatSay,
    ChatStart,
    InboxAnswer,
    InboxItem,
    Verdict,
    Why,
)
from rostra.protocol.directory import PRESENCE, Presence
from rostra.protocol.ids import new_id
from rostra.protocol.names import check_name, check_topic
from rostra.protocol.service import Handler

from . import inbox as inbox_module
from .check import check_options
from .errors import NoSuchChat
from .fit import check_message
from .inbox import Inbox
from .inputs import Loaded, Stopped, Waits
from .machine import Machine, opening_row
from .options import ChatOptions
from .reading import Kept
from .roster import Roster
from .rows import Row, Settings
from .runner import Runner
from .selector import Selector
from .transcript import Transcript

log = logging.getLogger(__name__)

CONCURRENCY = 10_000
"""Requests in work at once: a question to a person may wait for days, and must not keep others from being answered."""
CONSOLE = "console-"


class Coordinator:
    """Holds chats as `options` say and keeps them in the database at `database`.

    Make it before the client connects, so that no request finds nobody; those that come before `start` has ended wait for it.
    Raises `BadOptions` when no chat can be held so.
    """

    def __init__(self, client: Client, options: ChatOptions, database: Path) -> None:
        self._client, self._options, self._database = client, check_options(options), database
        self._roster = Roster(options.members)
        self._runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waking: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._service = service = Service(client, concurrency=CONCURRENCY)
        service.method("chat.start", ChatStart, self._after_start(self._chat_start))
        service.method("chat.list", Any, self._after_start(self._chat_list))
        service.method("chat.info", ChatRef, self._after_start(self._chat_info))
        service.method("chat.say", ChatSay, self._after_start(self._chat_say))
        service.method("chat.stop", ChatRef, self._after_start(self._chat_stop))
        service.method("chat.why", ChatRef, self._after_start(self._chat_why))
        service.method("chat.verify", ChatRef, self._after_start(self._chat_verify))
        service.method("history", HistoryRequest, self._after_start(self._history))
        service.method("inbox.ask", Question, self._after_start(self._inbox_ask))
        service.method("inbox.list", Any, self._after_start(self._inbox_list))
        service.method("inbox.answer", InboxAnswer, self._after_start(self._inbox_answer))

    async def start(self) -> None:
        """Open the database, learn who is connected, take up the chats that have not ended; then answer requests."""
        self._transcript = await asyncio.to_thread(Transcript, self._database)
        self._inbox = Inbox(self._transcript, self._publish)
        await self._inbox.start()
        presence = self._client.subscribe(PRESENCE)
        await presence.__aenter__()
        self._watcher = asyncio.get_running_loop().create_task(self._watch(presence))
        for peer in await self._client.peers():
            self._roster.heard(peer.name, peer.info)
        for kept in await self._transcript.unfinished():
            if kept.state == "running" or not await self._transcript.read(inbox_module.waits, kept.chat):
                await self._resume(kept)
        self._ready.set()

    async def aclose(self) -> None:
        """Stop without ending any chat: they are taken up again by the next start."""
        await self._service.drain(0.0)
        tasks = [*self._tasks.values(), *self._waking, *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if hasattr(self, "_transcript"):
            await self._inbox.aclose()
            await self._transcript.aclose()

    # ---- chats

    async def _chat_start(self, start: ChatStart, request: Incoming) -> ChatInfo:
        chat = start.chat or b32encode(request.id[-5:]).decode().lower()
        try:
            check_topic(f"chat.{chat}")
        except BadName:
            raise Refused(f"{chat!r} is no id of a chat: letters, digits and _ : @ - only") from None
        if "." in chat:
            raise Refused(f"{chat!r} is no id of a chat: it has a dot")
        if await self._transcript.began_by(chat) == request.id:
            return await self._info(chat)  # the same request, after a restart
        settings = self._settings(start)
        opening = opening_row(settings, self._options, new_id(), _now_ms())
        assert opening.message is not None
        try:
            check_message(opening.message)
        except BadMessage as error:
            raise Refused(f"task: {error}") from None
        epoch = await self._transcript.create(chat, request.id, settings, opening)
        self._run(chat, settings, epoch, opening.done_ms, [opening], fresh=True)
        return await self._info(chat)

    def _settings(self, start: ChatStart) -> Settings:
        known = [member.name for member in self._options.members]
        members = start.members or tuple(known)
        for name in members:
            if name not in known:
                raise Refused(f"{name!r} is no member of the team; there are {', '.join(known)}")
        if len(set(members)) < len(members):
            raise Refused("a member is named twice")
        if len(members) < 2:
            raise Refused("a group chat needs two members at least")
        if start.max_rounds < 0:
            raise Refused("max_rounds: 1 is the least; 0 means the team file's")
        max_rounds = start.max_rounds or self._options.max_rounds
        return Settings(task=start.task, members=members, max_rounds=max_rounds, no_input=start.no_input)

    async def _resume(self, kept: Kept) -> None:
        epoch = await self._transcript.take(kept.chat)
        rows = await self._transcript.rows(kept.chat)
        self._run(kept.chat, kept.settings, epoch, kept.created_ms, rows)

    def _run(self, chat: str, settings: Settings, epoch: int, created_ms: int, rows: list[Row], *, fresh: bool = False) -> None:
        runner = self._runner(chat, settings, epoch, created_ms)
        self._runners[chat] = runner
        task = asyncio.get_running_loop().create_task(runner.run(Loaded(rows, fresh)), name=f"chat {chat}")
        self._tasks[chat] = task
        task.add_done_callback(lambda _: self._finished(chat, runner))

    def _runner(self, chat: str, settings: Settings, epoch: int, created_ms: int) -> Runner:
        async def ask(id_: bytes, question: Question) -> Answer:
            return await self._ask_person(id_, question)

        machine = Machine(
            chat, self._options, settings, epoch=epoch, created_ms=created_ms, member=self._roster.member, make_id=new_id
        )
        selector = Selector(self._options, settings.members, self._roster, self._client, ask)
        return Runner(machine, selector, self._transcript, self._client, self._options, self._publish)

    def _finished(self, chat: str, runner: Runner) -> None:
        if self._runners.get(chat) is not runner:
            return
        del self._runners[chat], self._tasks[chat]
        result = runner.machine.result
        if result is not None and result.outcome != "waits":
            self._inbox.chat_ended(chat)
        elif result is not None:  # it may have been answered while the chat lay down
            waking = asyncio.get_running_loop().create_task(self._wake(chat))
            self._waking.add(waking)
            waking.add_done_callback(self._waking.discard)

    async def _wake(self, chat: str) -> None:
        """Take up a chat that rests, when none of its questions is open any more."""
        with contextlib.suppress(NoSuchChat):
            kept = await self._transcript.kept(chat)
            answered = not await self._transcript.read(inbox_module.waits, chat)
            if kept.state == "paused" and answered and chat not in self._runners:
                await self._resume(kept)

    async def _info(self, chat: str) -> ChatInfo:
        return (await self._transcript.infos(self._roster, chat))[0]

    async def _chat_list(self, _: Any, __: Incoming) -> list[ChatInfo]:
        return await self._transcript.infos(self._roster)

    async def _chat_info(self, ref: ChatRef, _: Incoming) -> ChatInfo:
        return await self._info(ref.chat)

    async def _chat_say(self, say: ChatSay, request: Incoming) -> ChatMessage:
        kept = await self._transcript.kept(say.chat)
        runner = self._runners.get(say.chat)
        if runner is None:
            raise Refused(f"chat {say.chat!r} is not running")
        sender, name, members = _name(request), say.name, kept.settings.members
        if sender in members:
            name = sender
        elif name in members and not sender.startswith(CONSOLE):
            raise Refused(f"{sender} may not speak as {name}")
        try:
            check_message(ChatMessage(content=say.content, name=check_name(name)))
        except (BadMessage, BadName) as error:
            raise Refused(str(error)) from None
        return await runner.say(request.id, name, say.content)

    async def _chat_stop(self, ref: ChatRef, _: Incoming) -> ChatInfo:
        runner, task = self._runners.get(ref.chat), self._tasks.get(ref.chat)
        if runner is not None and task is not None:
            runner.post(Stopped(ref.reason))
            await asyncio.wait([task])
            return await self._info(ref.chat)
        kept = await self._transcript.kept(ref.chat)
        if kept.state != "ended":  # it rests: end it without asking anybody again
            epoch = await self._transcript.take(ref.chat)
            runner = self._runner(ref.chat, kept.settings, epoch, kept.created_ms)
            runner.machine.handle(Loaded(await self._transcript.rows(ref.chat)), _now_ms())
            await runner.run(Stopped(ref.reason))
            self._inbox.chat_ended(ref.chat)
        return await self._info(ref.chat)

    async def _chat_why(self, ref: ChatRef, _: Incoming) -> list[Why]:
        return await self._transcript.reasons(ref.chat, ref.sequence)

    async def _chat_verify(self, ref: ChatRef, _: Incoming) -> Verdict:
        return await self._transcript.verify(ref.chat)

    async def _history(self, wanted: HistoryRequest, _: Incoming) -> History:
        return await self._transcript.history(wanted.chat, wanted.after, wanted.limit)

    # ---- people

    async def _inbox_ask(self, question: Question, request: Incoming) -> Answer:
        sender, runner = _name(request), self._runners.get(question.chat)
        if runner is not None and sender not in runner.machine.members and not sender.startswith(CONSOLE):
            raise Refused(f"{sender} is no member of chat {question.chat!r}")
        return await self._ask_person(request.id, msgspec.structs.replace(question, agent=sender))

    async def _ask_person(self, id_: bytes, question: Question) -> Answer:
        runner = self._runners.get(question.chat)
        no_input = runner is not None and runner.machine.no_input
        if no_input and question.default is not None:
            return Answer(text=question.default)
        entry = await self._inbox.put(id_, question)
        if runner is not None and no_input and not entry.closed:
            runner.post(Waits(f"{question.agent or 'the selection'} waits for a person: {' '.join(question.text.split())[:200]}"))
        return await self._inbox.wait(entry)

    async def _inbox_list(self, _: Any, __: Incoming) -> list[InboxItem]:
        return await self._inbox.list()

    async def _inbox_answer(self, answer: InboxAnswer, request: Incoming) -> InboxItem:
        sender = _name(request)
        if any(sender == member.name for member in self._options.members):
            raise Refused("members ask people; they do not answer for them")
        item = await self._inbox.answer(msgspec.structs.replace(answer, by=answer.by or sender))
        if item.question.chat and item.question.chat not in self._runners:
            await self._wake(item.question.chat)
        return item

    # ---- the bus

    def _after_start(self, handler: Handler) -> Handler:
        async def waiting(payload: Any, request: Incoming) -> Any:
            await self._ready.wait()
            return await handler(payload, request)

        return waiting

    def _publish(self, event: ChatEvent) -> None:
        topics = [f"chat.{event.chat}"] if event.chat else []
        if event.type in ("question", "answered"):
            topics.append("inbox")
        for topic in topics:
            try:
                self._client.publish(topic, event)
            except BadMessage:  # too large for one frame with its envelope: observers fetch it as history
                self._client.publish(topic, msgspec.structs.replace(event, message=None))
            except BadName:
                log.warning("a question of %s names no chat: %r", event.speaker, event.chat)

    async def _watch(self, presence: Subscription) -> None:
        """Learn what members say of themselves when they connect."""
        with contextlib.suppress(RequestError):
            async for event in presence:
                with contextlib.suppress(BadMessage):
                    seen = event.decode(Presence)
                    if seen.state == "online":
                        self._roster.heard(seen.name, seen.info)


async def serve(
    address: str,
    options: ChatOptions,
    database: Path,
    *,
    stop: asyncio.Event,
    transport: Callable[[], Transport] | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Be the coordinator of the broker at `address` until `stop` is set; `ready` is called once it answers.

    Raises `BadOptions`, `sqlite3.Error`, and the error that ended the connection: `Superseded`, `Refused`, `BrokerLost`.
    """
    carrier = transport() if transport else open_transport(address, COORDINATOR)
    client = Client(carrier, name=COORDINATOR, info={"kind": "coordinator"})
    coordinator = Coordinator(client, options, database)
    async with client:
        try:
            await coordinator.start()
            if ready:
                ready()
            stopping = asyncio.ensure_future(stop.wait())
            waiting: list[asyncio.Future[Any]] = [stopping, client.ended]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if client.ended.done() and not stop.is_set():
                raise client.ended.result() or Cancelled("the client was closed")
        finally:
            await coordinator.aclose()


def _name(request: Incoming) -> str:
    """Who asks, without the number of its replica."""
    return request.sender.partition("~")[0]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
