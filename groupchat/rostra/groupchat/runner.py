"""Runs one chat: feeds its state machine with what happens, and carries out what it wants done."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, assert_never

from rostra.protocol import (
    BadMessage,
    BrokerLost,
    ChatMessage,
    Client,
    NoSuchAgent,
    PeerLost,
    Question,
    Refused,
    RequestError,
    Stopping,
    Superseded,
    TimedOut,
    TurnReply,
    Unsupported,
)
from rostra.protocol.chat import ChatEvent, Control
from rostra.protocol.clock import wall_ms

from .errors import Fenced
from .inputs import (
    Abandon,
    Acknowledge,
    Act,
    Answered,
    Ask,
    Broken,
    Controlled,
    Effect,
    Failed,
    Heed,
    Input,
    Petition,
    Publish,
    Said,
    Select,
    Selected,
    Ticked,
    Voted,
    Withdraw,
)
from .machine import Machine
from .options import ChatOptions
from .patience import Patience
from .recording import gathered
from .selection import Situation
from .selector import Selector
from .transcript import Transcript

log = logging.getLogger(__name__)


class Runner:
    """One chat of this coordinator."""

    def __init__(
        self,
        machine: Machine,
        selector: Selector,
        transcript: Transcript,
        client: Client,
        options: ChatOptions,
        publish: Callable[[ChatEvent], None],
        withdraw: Callable[[str, str], Awaitable[None]],
        petition: Callable[[bytes, Question], Awaitable[None]],
    ) -> None:
        self.machine, self.chat = machine, machine.chat
        self._selector, self._transcript, self._client, self._options = selector, transcript, client, options
        self._publish, self._withdraw, self._petition = publish, withdraw, petition
        self.patience = Patience()
        self._inputs: deque[Input] = deque()
        self._wakeup = asyncio.Event()
        self.fenced: Fenced | None = None
        """Why the chat was left to another coordinator."""
        self._outstanding: dict[bytes, asyncio.Task[None]] = {}
        """What is under way: requests to members, by their turn; the selection, by nothing."""
        self._acknowledgements: dict[bytes, asyncio.Future[ChatMessage | None]] = {}
        self._heeds: dict[bytes, asyncio.Future[str]] = {}
        self._over = False

    def post(self, event: Input) -> None:
        """Something happened to the chat."""
        self._inputs.append(event)
        self._wakeup.set()

    async def say(self, id: bytes, name: str, content: str) -> ChatMessage:  # noqa: A002 - the wire's word
        """Put in what a person says; returns the message once it is in the transcript.

        Raises `Refused` when the chat ends before.
        """
        future = self._acknowledgements.get(id)
        if future is None:
            future = self._acknowledgements[id] = asyncio.get_running_loop().create_future()
            self.post(Said(id, name, content))
        try:
            message = await asyncio.shield(future)
        except asyncio.CancelledError:
            self.machine.forget(id)
            self._acknowledgements.pop(id, None)
            raise
        if message is None:
            raise Refused("the chat has ended")
        return message

    def begin_control(self, id: bytes, control: Control) -> Controlled:  # noqa: A002 - the wire's word
        """The input for a control, whose outcome `heeded` waits for."""
        self._heeds.setdefault(id, asyncio.get_running_loop().create_future())
        return Controlled(id, control)

    async def vote(self, event: Voted) -> None:
        """Put a vote on record; raises `Refused` when the chat is over."""
        self._heeds.setdefault(event.id, asyncio.get_running_loop().create_future())
        self.post(event)
        await self.heeded(event)

    async def heeded(self, event: Controlled | Voted) -> None:
        """Return once a control, or a vote, is on record; raises `Refused` when it makes no sense, or the chat is over."""
        future = self._heeds[event.id]
        if self._over and not future.done():  # nobody takes an input any more
            raise Refused("the chat is over")
        problem = await asyncio.shield(future)
        if problem:
            raise Refused(problem)

    async def control(self, id: bytes, control: Control) -> None:  # noqa: A002 - the wire's word
        """Do something to the chat; returns and raises as `heeded`."""
        event = self.begin_control(id, control)
        self.post(event)
        await self.heeded(event)

    async def run(self, *events: Input) -> None:
        """Run the chat until it ends or rests, beginning with `events`.

        A chat that this coordinator can no longer write is left to whoever took it.
        """
        self._inputs.extendleft(reversed(events))
        try:
            await self._run()
        except Fenced as error:
            log.warning("%s", error)
            self.fenced = error
        except Exception as error:
            log.exception("chat %s cannot go on", self.chat)
            with contextlib.suppress(Exception):
                await self._carry_out(self.machine.handle(Broken(f"{type(error).__name__}: {error}"), wall_ms()))
        finally:
            await self._abandon(*self._outstanding)
            for future in self._acknowledgements.values():
                if not future.done():
                    future.set_result(None)
            self._over = True
            for heed in self._heeds.values():
                if not heed.done():
                    heed.set_result("the chat is over")

    async def _run(self) -> None:
        while self.machine.result is None:
            event = await self._next()
            await self._carry_out(self._going_on(self.machine.handle(event, wall_ms())))

    def _going_on(self, effects: list[Effect]) -> list[Effect]:
        """The effects, with those of the next choice when nobody has to be asked for it.

        So the end of a turn and the beginning of the next are written in one transaction, and no turn of the loop is between.
        """
        while effects and isinstance(last := effects[-1], Select) and not self._inputs:
            choice = self._selector.at_once(last.situation)
            if choice is None:
                break
            effects = [*effects[:-1], *self.machine.handle(Selected(choice), wall_ms())]
        return effects

    async def _next(self) -> Input:
        while not self._inputs:
            self._wakeup.clear()
            due_ms = self.machine.due_ms
            try:
                async with asyncio.timeout(None if due_ms is None else max(0, due_ms - wall_ms()) / 1000):
                    await self._wakeup.wait()
            except TimeoutError:
                return Ticked()
        return self._inputs.popleft()

    async def _carry_out(self, effects: list[Effect]) -> None:
        for step in gathered(effects):
            if not isinstance(step, tuple):
                await self._do(step)
            elif not await self._transcript.write(self.chat, self.machine.epoch, *step):
                raise Fenced(self.chat, self.machine.epoch)

    async def _do(self, effect: Act) -> None:
        match effect:
            case Select(situation):
                self._begin(b"", lambda: self._select(situation))
            case Ask():
                self._begin(effect.turn, lambda: self._ask(effect))
            case Acknowledge(id_, message):
                future = self._acknowledgements.pop(id_, None)
                if future is not None and not future.done():
                    future.set_result(message)
            case Heed(id_, problem):
                heed = self._heeds.get(id_)
                if heed is not None and not heed.done():
                    heed.set_result(problem)
            case Withdraw(agent):
                await self._withdraw(self.chat, agent)
            case Petition(id_, question):
                await self._petition(id_, question)
            case Publish(event):
                self._publish(event)
            case Abandon(b""):
                await self._abandon(*self._outstanding)
                self._inputs = deque(event for event in self._inputs if not isinstance(event, Selected))
            case Abandon(turn):
                await self._abandon(turn)
            case _:
                assert_never(effect)

    # ---- what takes time

    def _begin(self, key: bytes, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._outstanding = {key: task for key, task in self._outstanding.items() if not task.done()}
        self._outstanding[key] = asyncio.get_running_loop().create_task(self._guarded(work))

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except RequestError as error:
            if not self._client.ended.done():
                self.post(Broken(f"{type(error).__name__}: {error}"))
        except Exception as error:
            log.exception("chat %s cannot go on", self.chat)
            self.post(Broken(f"{type(error).__name__}: {error}"))

    async def _abandon(self, *keys: bytes) -> None:
        tasks = [task for key in keys if (task := self._outstanding.pop(key, None)) is not None and not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _select(self, situation: Situation) -> None:
        self.post(Selected(await self._selector.select(situation)))

    async def _ask(self, ask: Ask) -> None:
        options = self._options
        person = ask.member in options.people or ask.member in options.inner  # whose turns have deadlines of their own
        seconds = None if person else options.turn_seconds
        absent = 0.0 if options.on_absent == "skip" else float("inf") if person else options.turn_seconds
        if ask.pause:
            await asyncio.sleep(ask.pause)
        try:
            async with self.patience.with_(ask.member, seconds):
                reply = await self._client.request(
                    ask.member, "turn", ask.body, reply=TurnReply, id=ask.turn, timeout=None, absent=absent
                )
        except TimeoutError:
            self.post(_failure(ask.turn, TimedOut(f"{ask.member} did not answer in time"), options))
        except (RequestError, BadMessage) as error:
            if not self._client.ended.done():
                self.post(_failure(ask.turn, error, options))
        else:
            self.post(Answered(ask.turn, reply))


def _failure(turn: bytes, error: RequestError | BadMessage, options: ChatOptions) -> Failed:
    """What a failed request says about the member."""
    text = f"{error.code}: {error}"
    match error:
        case BrokerLost():
            return Failed(turn, "broker", text)
        case NoSuchAgent() if options.on_absent == "skip":
            return Failed(turn, "absent", text)
        case NoSuchAgent() | PeerLost() | TimedOut() | Stopping() | Superseded():
            return Failed(turn, "lost", text)
        case BadMessage() | Refused() | Unsupported():
            return Failed(turn, "final", text)
        case RequestError(details={"retryable": False}):
            return Failed(turn, "final", text)
        case _:
            return Failed(turn, "raised", text)
