"""Follows a chat from a console: what is said and done in it, and what happens around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import msgspec

from rostra.protocol import COORDINATOR, BrokerLost, Client, Presence, RequestError, TimedOut
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatStart, Delta, InboxAnswer, InboxItem
from rostra.protocol.directory import PRESENCE
from rostra.protocol.errors import BadMessage
from rostra.protocol.people import InboxRef
from rostra.protocol.session import State
from rostra.team.chats import Chats

from .connection import person_name


class Reconnected(msgspec.Struct, frozen=True):
    """The broker was away and is back; `fresh`: as another process."""

    fresh: bool


class Listening(msgspec.Struct, frozen=True):
    """From now on nothing is missed: always the first one."""


Followed = ChatEvent | Delta | Presence | Reconnected | Listening


async def coordinator_asked(client: Client, method: str, payload: Any, reply: Any, *, timeout: float = 15.0) -> Any:
    """Ask the coordinator; waits for one that is not there (yet, or any more) for half of `timeout` seconds."""
    return await client.request(COORDINATOR, method, payload, reply=reply, timeout=timeout, absent=timeout / 2)


class Chat:
    """One chat as a console follows it. Enter it, then iterate `events`.

    `start`: begin the chat so; without it, it was begun before. `presence`: also who comes and goes. `through_rest`: follow on
    when the chat rests and waits for a person.
    """

    def __init__(
        self,
        client: Client,
        chat: str,
        *,
        start: ChatStart | None = None,
        presence: bool = False,
        through_rest: bool = False,
    ) -> None:
        self.client, self.chat = client, chat
        self._start, self._presence, self._through_rest = start, presence, through_rest
        self._chats = Chats(client)
        self._queue: asyncio.Queue[Followed | RequestError] = asyncio.Queue()
        self._stirred = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._seen, self._listening = 0, False

    @property
    def begins(self) -> bool:
        """Whether the chat is begun by whoever follows it: then nothing of it is missed."""
        return self._start is not None

    async def __aenter__(self) -> Self:
        """Listen to what is around the chat; raises `BrokerLost` or `Refused`."""
        resync = self.client.on_bound

        def bound(fresh: bool) -> None:
            if resync:
                resync(fresh)
            self._queue.put_nowait(Reconnected(fresh))

        self.client.on_bound = bound
        async with contextlib.AsyncExitStack() as stack:
            if self._presence:
                await self._listen(stack, PRESENCE, self._came_or_went)
            if self._through_rest:
                await self._listen(stack, f"chat.{self.chat}", lambda _: self._stirred.set())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def events(self, *, after: int = 0) -> AsyncIterator[Followed]:
        """What happens, from the place `after` in the transcript on, up to and including the result.

        Messages come in order, each once. Raises `RequestError` when the chat cannot be begun, or the connection is over.
        """
        self._seen = after
        following = asyncio.create_task(self._follow())
        try:
            while True:
                event = await self._queue.get()
                if isinstance(event, RequestError):
                    raise event
                yield event
                if isinstance(event, ChatEvent) and self.is_end(event):
                    return
        finally:
            await _ended(following)

    def is_end(self, event: ChatEvent) -> bool:
        """Whether the chat is over with this event."""
        return event.result is not None and not (self._through_rest and event.result.outcome == "waits")

    def push(self, event: ChatEvent) -> None:
        """Let this be the next event, after those that have come already."""
        self._queue.put_nowait(event)

    async def info(self) -> ChatInfo:
        """The chat at a glance."""
        return await self._chats.info(self.chat)

    async def stop(self, reason: str) -> ChatInfo:
        """End the chat now."""
        return await self._chats.stop(self.chat, reason)

    async def open_items(self) -> list[InboxItem]:
        """The questions of this chat that wait for a person."""
        items: list[InboxItem] = await coordinator_asked(self.client, "inbox.list", None, list[InboxItem])
        own = [item for item in items if item.question.chat == self.chat and item.answer is None]
        return [await self._whole(item) if item.question.detail else item for item in own]

    async def _whole(self, item: InboxItem) -> InboxItem:
        """An item of the list, where details are cut, with all of it."""
        whole: InboxItem = await coordinator_asked(self.client, "inbox.item", InboxRef(number=item.number), InboxItem)
        return whole

    async def item(self, number: int) -> InboxItem | None:
        """The question `number`, as long as it waits for a person."""
        return next((item for item in await self.open_items() if item.number == number), None)

    async def answer(self, number: int, text: str, digest: str = "") -> InboxItem:
        """Answer a question (`digest`: the one that was read); raises `Refused` when somebody else did."""
        wish = InboxAnswer(number=number, text=text, by=person_name(), digest=digest)
        item: InboxItem = await coordinator_asked(self.client, "inbox.answer", wish, InboxItem)
        return item

    # ---- inside

    async def _follow(self) -> None:
        start = self._start
        try:
            while True:
                self._stirred.clear()
                if start is not None:
                    source = self._chats.stream(
                        start.task,
                        chat=self.chat,
                        members=start.members,
                        max_rounds=start.max_rounds,
                        no_input=start.no_input,
                        deltas=True,
                    )
                    start = None
                else:
                    source = self._chats.follow(self.chat, deltas=True)
                async with contextlib.aclosing(source) as events:
                    async for event in events:
                        self._take(event)
                await self._stirred.wait()  # it rests, or nobody listens any more
        except RequestError as error:
            gone = isinstance(error, TimedOut) and self.client.session.state is not State.BOUND
            self._queue.put_nowait(BrokerLost("the broker went away and did not come back") if gone else error)

    def _take(self, event: ChatEvent | Delta) -> None:
        if not self._listening:
            self._listening = True
            self._queue.put_nowait(Listening())
        if isinstance(event, ChatEvent) and event.control is not None and event.control.what == "rewind":
            self._seen = min(self._seen, event.control.sequence)
        if isinstance(event, ChatEvent) and event.type == "message":
            if event.sequence <= self._seen:
                return
            self._seen = event.sequence
        self._queue.put_nowait(event)

    def _came_or_went(self, event: Any) -> None:
        with contextlib.suppress(BadMessage):
            self._queue.put_nowait(event.decode(Presence))

    async def _listen(self, stack: contextlib.AsyncExitStack, pattern: str, take: Callable[[Any], None]) -> None:
        subscription = await stack.enter_async_context(self.client.subscribe(pattern))

        async def pump() -> None:
            with contextlib.suppress(RequestError):  # whoever follows hears of it
                async for event in subscription:
                    take(event)

        task = asyncio.create_task(pump())
        stack.push_async_callback(_ended, task)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
