"""The coordinator: holds the group chats of a team, several at once, and answers for them on the bus (docs/messages.md)."""

import asyncio
import contextlib
import logging
from base64 import b32encode
from collections.abc import Callable, Coroutine
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
    Control,
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
from .controls import CONSOLE, Controls, now_ms
from .errors import Fenced, NoSuchChat
from .fit import check_message
from .inbox import Inbox
from .inputs import Loaded, Waits
from .machine import Machine, Phase, opening_row
from .options import ChatOptions
from .reading import Kept
from .roster import Roster
from .rows import Row, Settings
from .rules import rules_of
from .runner import Runner
from .selector import Selector
from .signals import Signals
from .transcript import Transcript
from .voting import Votes

log = logging.getLogger(__name__)

CONCURRENCY = 10_000
"""Requests in work at once: a question to a person may wait for days, and must not keep others from being answered."""


class Coordinator:
    """Holds chats as `options` say and keeps them in the database at `database`.

    Make it before the client connects, so that no request finds nobody; those that come before `start` has ended wait for it.
    Raises `BadOptions` when no chat can be held so.
    """

    def __init__(self, client: Client, options: ChatOptions, database: Path) -> None:
        self._client, self._options, self._database = client, check_options(options), database
        self._roster = Roster(options.members)
        self.runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waking: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._taking = asyncio.Lock()
        self._ready = asyncio.Event()
        self.fenced: asyncio.Future[Fenced]
        """Done when another coordinator has taken one of our chats: we are the older one, and have no say here any more."""
        self._closing = False
        self.acted = False
        """Whether a person has done something; whoever wants to know sets it back."""
        self._service = service = Service(client, concurrency=CONCURRENCY)
        service.method("chat.start", ChatStart, self._after_start(self._chat_start))
        service.method("chat.list", Any, self._after_start(self._chat_list))
        service.method("chat.info", ChatRef, self._after_start(self._chat_info))
        service.method("chat.say", ChatSay, self._after_start(self._chat_say))
        self.controls = Controls(self, service, self._after_start)
        self.votes = Votes(self, client, service, self._after_start)
        service.method("chat.why", ChatRef, self._after_start(self._chat_why))
        service.method("chat.verify", ChatRef, self._after_start(self._chat_verify))
        service.method("history", HistoryRequest, self._after_start(self._history))
        service.method("inbox.ask", Question, self._after_start(self._inbox_ask))
        service.method("inbox.list", Any, self._after_start(self._inbox_list))
        service.method("inbox.answer", InboxAnswer, self._after_start(self._inbox_answer))

    async def start(self) -> None:
        """Open the database, learn who is connected, take up the chats that have not ended; then answer requests."""
        self.fenced = asyncio.get_running_loop().create_future()
        self.transcript = await asyncio.to_thread(Transcript, self._database)
        self._inbox = Inbox(self.transcript, self._publish)
        await self._inbox.start()
        presence = self._client.subscribe(PRESENCE)
        await presence.__aenter__()
        self._watcher = asyncio.get_running_loop().create_task(self._watch(presence))
        for peer in await self._client.peers():
            self._roster.heard(peer.name, peer.info)
        for kept in await self.transcript.unfinished():
            if kept.state == "running" or kept.result is None or not await self.transcript.read(inbox_module.waits, kept.chat):
                await self._resume(kept)
        self._ready.set()

    async def aclose(self) -> None:
        """Stop without ending any chat: they are taken up again by the next start."""
        self._closing = True
        await self._service.drain(0.0)
        tasks = [*self._tasks.values(), *self._waking, *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if hasattr(self, "transcript"):
            await self._inbox.aclose()
            await self.transcript.aclose()

    # ---- chats

    async def _chat_start(self, start: ChatStart, request: Incoming) -> ChatInfo:
        chat = self.checked_id(start.chat or b32encode(request.id[-5:]).decode().lower())
        if await self.transcript.began_by(chat) == request.id:
            return await self.info(chat)  # the same request, after a restart
        settings = self._settings(start)
        opening = opening_row(settings, self._options, new_id(), now_ms())
        assert opening.message is not None
        try:
            check_message(opening.message)
        except BadMessage as error:
            raise Refused(f"task: {error}") from None
        epoch = await self.transcript.create(chat, request.id, settings, opening)
        self.run(chat, settings, epoch, opening.done_ms, [opening], fresh=True)
        return await self.info(chat)

    def checked_id(self, chat: str) -> str:
        """`chat`, when it may be the id of a chat; else raises `Refused`."""
        try:
            check_topic(f"chat.{chat}")
        except BadName:
            raise Refused(f"{chat!r} is no id of a chat: letters, digits and _ : @ - only") from None
        if "." in chat:
            raise Refused(f"{chat!r} is no id of a chat: it has a dot")
        return chat

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
        return Settings(
            task=start.task, members=members, max_rounds=max_rounds, no_input=start.no_input, rules=rules_of(self._options)
        )

    async def _resume(self, kept: Kept) -> None:
        async with self._taking:
            if kept.chat not in self.runners:
                epoch = await self.transcript.take(kept.chat)
                rows = await self.transcript.rows(kept.chat)
                self.run(kept.chat, kept.settings, epoch, kept.created_ms, rows)

    async def take_up(self, chat: str, id: bytes, control: Control, *, ended: bool = False) -> Runner:  # noqa: A002
        """Run a chat that rests, or has `ended`, beginning with a control; returns when that is on record.

        Raises `Refused` when it makes no sense, `NoSuchChat` when there is no such chat.
        """
        kept = await self.transcript.kept(chat)
        if kept.state == "ended" and not ended:
            raise Refused(f"chat {chat!r} has ended; it can be rewound, or forked")
        async with self._taking:
            runner = self.runners.get(chat)
            if runner is None:
                epoch = await self.transcript.take(chat, ended=ended)
                runner = self._runner(chat, kept.settings, epoch, kept.created_ms)
                event = runner.begin_control(id, control)
                rows = await self.transcript.rows(chat)
                self._begin(runner, Loaded(rows, control=event))
                await runner.heeded(event)
                return runner
        await runner.control(id, control)
        return runner

    def run(self, chat: str, settings: Settings, epoch: int, created_ms: int, rows: list[Row], *, fresh: bool = False) -> None:
        """Run a chat that this coordinator has taken, with its rows; `fresh`: it has just begun."""
        self._begin(self._runner(chat, settings, epoch, created_ms), Loaded(rows, fresh))

    def _begin(self, runner: Runner, loaded: Loaded) -> None:
        chat = runner.chat
        self.runners[chat] = runner
        task = asyncio.get_running_loop().create_task(runner.run(loaded), name=f"chat {chat}")
        self._tasks[chat] = task
        task.add_done_callback(lambda _: self._finished(chat, runner))

    def _runner(self, chat: str, settings: Settings, epoch: int, created_ms: int) -> Runner:
        async def ask(id_: bytes, question: Question) -> Answer:
            return await self._ask_person(id_, question)

        machine = Machine(
            chat, self._options, settings, epoch=epoch, created_ms=created_ms, member=self._roster.member, make_id=new_id
        )
        selector = Selector(self._options, settings.members, self._roster, self._client, ask, machine.turn_for)
        return Runner(machine, selector, self.transcript, self._client, self._options, self._publish, self._inbox.withdraw)

    def _finished(self, chat: str, runner: Runner) -> None:
        if self.runners.get(chat) is not runner:
            return
        if runner.fenced is not None and not self.fenced.done():
            self.fenced.set_result(runner.fenced)
        del self.runners[chat], self._tasks[chat]
        result = runner.machine.result
        if result is not None and result.outcome != "waits":
            self._inbox.chat_ended(chat)
        elif result is not None:  # it may have been answered while the chat lay down
            self._later(self._wake(chat))

    async def _wake(self, chat: str) -> None:
        """Take up a chat that rests, when none of its questions is open any more."""
        with contextlib.suppress(NoSuchChat):
            kept = await self.transcript.kept(chat)
            answered = not await self.transcript.read(inbox_module.waits, chat)
            if kept.state == "paused" and answered and chat not in self.runners:
                await self._resume(kept)

    async def info(self, chat: str) -> ChatInfo:
        """The chat at a glance; raises `NoSuchChat`."""
        return self._with_admin((await self.transcript.infos(self._roster, chat))[0])

    def _with_admin(self, info: ChatInfo) -> ChatInfo:
        admin = self._options.admin
        return msgspec.structs.replace(info, admin=admin if any(admin == member.name for member in info.members) else "")

    async def _chat_list(self, _: Any, __: Incoming) -> list[ChatInfo]:
        return [self._with_admin(info) for info in await self.transcript.infos(self._roster)]

    async def over(self, chat: str, runner: Runner) -> None:
        """Wait until a chat does not run any more."""
        task = self._tasks.get(chat)
        if task is not None and self.runners.get(chat) is runner:
            await asyncio.wait([task])

    # ---- the floor

    @property
    def running(self) -> list[Runner]:
        """The chats that run and are not paused."""
        return [runner for runner in self.runners.values() if runner.machine.phase is not Phase.PAUSED]

    @property
    def admins(self) -> list[str]:
        """Who could be asked, of the admins of the chats that run."""
        return [runner.machine.admin for runner in self.running if runner.machine.admin]

    async def take_over(self, by: str) -> list[str]:
        """Give the floor of every chat that runs to its admin, and pause those without one; returns the ids of the latter."""

        async def give(runner: Runner) -> str:
            try:
                await runner.control(new_id(), Control(what="takeover", by=by))
            except Refused:  # the admin has the floor, or the chat is over
                return ""
            return runner.chat if runner.machine.floor.paused else ""

        return [chat for chat in await asyncio.gather(*map(give, self.running)) if chat]

    async def go_on(self, chat: str, reason: str) -> None:
        """Put on record that a chat is not paused any more; it does nothing when the chat is over."""
        runner = self.runners.get(chat)
        if runner is not None:
            with contextlib.suppress(Refused):
                await runner.control(new_id(), Control(what="resume", reason=reason))

    async def _chat_info(self, ref: ChatRef, _: Incoming) -> ChatInfo:
        return await self.info(ref.chat)

    async def _chat_say(self, say: ChatSay, request: Incoming) -> ChatMessage:
        runner = self.runners.get(say.chat)
        if runner is None:
            await self.transcript.kept(say.chat)
            raise Refused(f"chat {say.chat!r} is not running")
        sender, name, members = _name(request), say.name, runner.machine.members
        self.acted = self.acted or sender.startswith(CONSOLE)
        if sender in members:
            name = sender
        elif name in members and not sender.startswith(CONSOLE):
            raise Refused(f"{sender} may not speak as {name}")
        try:
            check_message(ChatMessage(content=say.content, name=check_name(name)))
        except (BadMessage, BadName) as error:
            raise Refused(str(error)) from None
        return await runner.say(request.id, name, say.content)

    async def _chat_why(self, ref: ChatRef, _: Incoming) -> list[Why]:
        return await self.transcript.reasons(ref.chat, ref.sequence)

    async def _chat_verify(self, ref: ChatRef, _: Incoming) -> Verdict:
        return await self.transcript.verify(ref.chat)

    async def _history(self, wanted: HistoryRequest, _: Incoming) -> History:
        return await self.transcript.history(wanted.chat, wanted.after, wanted.limit)

    # ---- people

    async def _inbox_ask(self, question: Question, request: Incoming) -> Answer:
        sender, runner = _name(request), self.runners.get(question.chat)
        if runner is not None and sender not in runner.machine.members and not sender.startswith(CONSOLE):
            raise Refused(f"{sender} is no member of chat {question.chat!r}")
        return await self._ask_person(request.id, msgspec.structs.replace(question, agent=sender))

    async def _ask_person(self, id_: bytes, question: Question) -> Answer:
        runner = self.runners.get(question.chat)
        no_input = runner is not None and runner.machine.no_input
        if no_input and question.default is not None:
            return Answer(text=question.default)
        entry = await self._inbox.put(id_, question)
        if runner is not None and no_input and not entry.closed:
            runner.post(Waits(f"{question.agent or 'the selection'} waits for a person: {' '.join(question.text.split())[:200]}"))
        try:
            return await self._inbox.wait(entry)
        except asyncio.CancelledError:
            # Whoever asked was cancelled: when its turn was taken back, nobody needs the answer; else it will ask again.
            if (
                runner is not None
                and not self._closing
                and runner.machine.result is None
                and runner.machine.speaker != question.agent
            ):
                self._later(self._inbox.close(entry.item.number))
            raise

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    async def _inbox_list(self, _: Any, __: Incoming) -> list[InboxItem]:
        return await self._inbox.list()

    async def _inbox_answer(self, answer: InboxAnswer, request: Incoming) -> InboxItem:
        sender = _name(request)
        if any(sender == member.name for member in self._options.members):
            raise Refused("members ask people; they do not answer for them")
        self.acted = True
        item = await self._inbox.answer(msgspec.structs.replace(answer, by=answer.by or sender))
        if item.question.chat and item.question.chat not in self.runners:
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
    signals: bool = False,
) -> None:
    """Be the coordinator of the broker at `address` until `stop` is set; `ready` is called once it answers.

    `signals`: from then on SIGINT, SIGTERM and SIGHUP mean what `signals.Signals` says; for a process of its own.

    Raises `BadOptions`, `sqlite3.Error`, and the error that ended the connection: `Superseded`, `Refused`, `BrokerLost`;
    `Fenced` when another coordinator has taken the chats.
    """
    carrier = transport() if transport else open_transport(address, COORDINATOR)
    client = Client(carrier, name=COORDINATOR, info={"kind": "coordinator"})
    coordinator = Coordinator(client, options, database)
    async with client:
        try:
            await coordinator.start()
            if signals:
                Signals(coordinator, stop).listen()
            if ready:
                ready()
            stopping = asyncio.ensure_future(stop.wait())
            waiting: list[asyncio.Future[Any]] = [stopping, client.ended, coordinator.fenced]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if coordinator.fenced.done():
                raise coordinator.fenced.result()
            if client.ended.done() and not stop.is_set():
                raise client.ended.result() or Cancelled("the client was closed")
        finally:
            await coordinator.aclose()


def _name(request: Incoming) -> str:
    """Who asks, without the number of its replica."""
    return request.sender.partition("~")[0]
