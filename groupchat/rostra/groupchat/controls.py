"""What operators may do to chats, as requests: pause, resume, … and time travel (docs/messages.md)."""

from base64 import b32encode
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rostra.protocol import BadMessage, BadName, ChatMessage, Incoming, Refused, Service
from rostra.protocol.chat import (
    ChatControl,
    ChatInfo,
    ChatRef,
    ChatRewind,
    Control,
    ControlKind,
    Found,
    Records,
    RecordsRequest,
    SearchRequest,
)
from rostra.protocol.clock import wall_ms
from rostra.protocol.names import check_name
from rostra.protocol.service import Handler

from .clearing import shown_after
from .fit import check_message
from .forking import forked
from .runner import Runner
from .searching import search

if TYPE_CHECKING:
    from .coordinator import Coordinator

CONSOLE = "console-"
SIMPLE: tuple[ControlKind, ...] = (
    "pause", "resume", "step", "skip", "next", "takeover", "mute", "unmute", "join", "leave", "limit", "clear",
    "selection",
)  # fmt: skip


class Controls:
    """The controls of a coordinator's chats; only consoles may use them."""

    def __init__(self, coordinator: "Coordinator", service: Service, after_start: Callable[[Handler], Handler]) -> None:
        self._coordinator = coordinator
        for what in SIMPLE:
            service.method(f"chat.{what}", ChatControl, after_start(self._simple(what)))
        service.method("chat.stop", ChatRef, after_start(self._stop))
        service.method("chat.rewind", ChatRewind, after_start(self._rewind))
        service.method("chat.fork", ChatRewind, after_start(self._fork))
        service.method("chat.records", RecordsRequest, after_start(self._records))
        service.method("chat.search", SearchRequest, after_start(self._search))

    def _simple(self, what: ControlKind) -> Callable[[ChatControl, Incoming], Awaitable[ChatInfo]]:
        async def handle(wish: ChatControl, request: Incoming) -> ChatInfo:
            by = self._operator(request)
            summary = await self._summary(wish, request.id) if what == "join" and wish.summarised else ""
            control = Control(
                what=what,
                by=by,
                summary=summary,
                agent=wish.agent,
                now=wish.now,
                reason=wish.reason[:1000],
                last=wish.last,
                max_rounds=wish.max_rounds,
                tokens=wish.tokens,
                cost=wish.cost,
                seconds=wish.seconds,
                selection=wish.selection.lower(),
            )
            return await self._control(wish.chat, request.id, control)

        return handle

    async def _summary(self, wish: ChatControl, id_: bytes) -> str:
        """What whoever joins is told; empty when it has joined, by the same request, or may not."""
        runner = self._coordinator.chats.runners.get(wish.chat)
        if runner is None or id_ in runner.machine.ledger.heeded or wish.agent in runner.machine.members:
            return ""
        messages = runner.machine.messages
        kept = shown_after(messages, max(0, wish.last))
        return await self._coordinator.summary(wish.chat, messages[:kept]) if kept else ""

    async def _control(self, chat: str, id_: bytes, control: Control) -> ChatInfo:
        coordinator = self._coordinator
        runner = coordinator.chats.runners.get(chat)
        if runner is None and control.what == "resume":
            await coordinator.chats.take_up(chat, id_, control)
            return await coordinator.info(chat)
        await self._running(runner, chat, await self._state(chat)).control(id_, control)
        return await coordinator.info(chat)

    def _operator(self, request: Incoming) -> str:
        """Who asks, when it is a console; raises `Refused` for anybody else."""
        by = operator(request)
        self._coordinator.acted = True
        return by

    async def _state(self, chat: str) -> str:
        return (await self._coordinator.transcript.kept(chat)).state

    def _running(self, runner: Runner | None, chat: str, state: str) -> Runner:
        if runner is None:
            how = "has ended" if state == "ended" else "rests and waits for a person; resume it first"
            raise Refused(f"chat {chat!r} {how}")
        return runner

    async def _stop(self, ref: ChatRef, request: Incoming) -> ChatInfo:
        coordinator, by = self._coordinator, self._operator(request)
        runner = coordinator.chats.runners.get(ref.chat)
        control = Control(what="stop", by=by, now=not ref.after_turn, reason=ref.reason[:1000])
        if runner is not None:
            await runner.control(request.id, control)
        elif await self._state(ref.chat) != "ended":  # it rests: end it without asking anybody again
            runner = await coordinator.chats.take_up(ref.chat, request.id, control)
        if runner is not None and not ref.after_turn:
            await coordinator.chats.over(ref.chat, runner)
        return await coordinator.info(ref.chat)

    async def _rewind(self, wish: ChatRewind, request: Incoming) -> ChatInfo:
        coordinator, control = self._coordinator, _travel("rewind", wish, self._operator(request))
        runner = coordinator.chats.runners.get(wish.chat)
        if runner is not None:
            await runner.control(request.id, control)
        else:
            _check_place(wish.sequence, (await coordinator.info(wish.chat)).messages)
            await coordinator.chats.take_up(wish.chat, request.id, control, ended=True)
        return await coordinator.info(wish.chat)

    async def _fork(self, wish: ChatRewind, request: Incoming) -> ChatInfo:
        coordinator, control = self._coordinator, _travel("fork", wish, self._operator(request))
        chat = coordinator.checked_id(wish.fork or b32encode(request.id[-5:]).decode().lower())
        transcript = coordinator.transcript
        if await transcript.began_by(chat) == request.id:
            return await coordinator.info(chat)  # the same request, after a restart
        kept = await transcript.kept(wish.chat)
        _check_place(wish.sequence, (await coordinator.info(wish.chat)).messages)
        rows, floor = forked(await transcript.rows(wish.chat), kept.settings, control, request.id, now_ms())
        epoch = await transcript.fork(chat, request.id, kept.settings, rows, floor)
        coordinator.chats.run(chat, kept.settings, epoch, rows[-1].done_ms, rows, fresh=True)
        return await coordinator.info(chat)

    async def _records(self, wish: RecordsRequest, _: Incoming) -> Records:
        return await self._coordinator.transcript.records(wish.chat, wish.after)

    async def _search(self, wish: SearchRequest, _: Incoming) -> list[Found]:
        return await self._coordinator.transcript.read(search, wish)


def operator(request: Incoming) -> str:
    """Who asks, when it is a console; raises `Refused` for anybody else."""
    sender = request.sender.partition("~")[0]
    if not sender.startswith(CONSOLE):
        raise Refused(f"{sender} may not do that; consoles may")
    return sender


def now_ms() -> int:
    """Milliseconds since 1970."""
    return wall_ms()


def _travel(what: ControlKind, wish: ChatRewind, by: str) -> Control:
    if wish.content:
        try:
            check_message(ChatMessage(content=wish.content, name=check_name(wish.name)))
        except (BadMessage, BadName) as error:
            raise Refused(str(error)) from None
    return Control(
        what=what,
        by=by,
        sequence=wish.sequence,
        content=wish.content,
        name=wish.name if wish.content else "",
        paused=wish.paused,
        chat=wish.chat if what == "fork" else "",
        reason=wish.reason[:1000],
    )


def _check_place(sequence: int, messages: int) -> None:
    if not 1 <= sequence <= messages:
        raise Refused(f"there is no message {sequence}; there are {messages}")
