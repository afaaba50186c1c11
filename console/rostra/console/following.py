"""Follows a chat: what was said so far and what comes, in order, each message once, whatever is lost on the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

import msgspec

from rostra.protocol import COORDINATOR, Client, Presence, ReceivedEvent, RequestError
from rostra.protocol.chat import (
    ChatEvent,
    ChatInfo,
    ChatMessage,
    ChatRef,
    Delta,
    History,
    HistoryRequest,
    InboxAnswer,
    InboxItem,
)
from rostra.protocol.directory import PRESENCE
from rostra.protocol.errors import BadMessage


class Missed(msgspec.Struct, frozen=True):
    """`count` events were lost on the way; the messages among them are fetched from the coordinator."""

    count: int


class Reconnected(msgspec.Struct, frozen=True):
    """The broker was away and is back; `fresh`: as another process."""

    fresh: bool


Followed = ChatEvent | Delta | Presence | Missed | Reconnected


async def coordinator_asked(client: Client, method: str, payload: Any, reply: Any, *, timeout: float = 15.0) -> Any:
    """Ask the coordinator; waits for one that is not there (yet, or any more) for half of `timeout` seconds."""
    return await client.request(COORDINATOR, method, payload, reply=reply, timeout=timeout, absent=timeout / 2)


async def history(client: Client, chat: str, after: int = 0) -> AsyncIterator[ChatMessage]:
    """The transcript of a chat after a place, in pages, in order."""
    while True:
        page: History = await coordinator_asked(client, "history", HistoryRequest(chat=chat, after=after), History)
        for message in page.messages:
            yield message
            after = message.sequence
        if not page.more or not page.messages:
            return


class Chat:
    """One chat, followed by one client.

    `deltas`, `presence`: also the pieces of answers, and who comes and goes. `through_rest`: follow on when the chat rests and
    waits for a person. Enter it before the chat is started (or at any time later), then iterate `events`. The subscription is proven before
    `__aenter__` returns, so nothing that happens from then on can be missed unnoticed.
    """

    def __init__(
        self, client: Client, chat: str, *, deltas: bool = False, presence: bool = False, through_rest: bool = False
    ) -> None:
        self.client, self.chat, self.seen, self._through_rest = client, chat, 0, through_rest
        self._patterns = [f"chat.{chat}", *([f"delta.{chat}"] if deltas else []), *([PRESENCE] if presence else [])]
        self._queue: asyncio.Queue[Followed | RequestError] = asyncio.Queue()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Subscribe; raises `BrokerLost` or `Refused`."""
        self.client.on_bound = self._bound
        async with contextlib.AsyncExitStack() as stack:
            for pattern in self._patterns:
                subscription = await stack.enter_async_context(self.client.subscribe(pattern, on_gap=self._gap))
                task = asyncio.create_task(self._pump(subscription))
                stack.push_async_callback(_ended, task)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.on_bound = None
        await self._stack.aclose()

    async def events(self, *, after: int = 0, from_start: bool = True) -> AsyncIterator[Followed]:
        """What happens, up to and including the result.

        `from_start`: first the messages after the place `after` that are in the transcript already. Raises `RequestError`
        when the connection is lost for good.
        """
        self.seen = after
        if from_start:
            async for event in self._caught_up():
                yield event
                if self._is_end(event):
                    return
        while True:
            event_or_error = await self._queue.get()
            match event_or_error:
                case RequestError():
                    raise event_or_error
                case ChatEvent():
                    async for event in self._in_order(event_or_error):
                        yield event
                        if self._is_end(event):
                            return
                case Missed() | Reconnected():
                    yield event_or_error
                    with contextlib.suppress(RequestError):  # the next event brings it
                        async for event in self._caught_up():
                            yield event
                            if self._is_end(event):
                                return
                case _:
                    yield event_or_error

    async def info(self) -> ChatInfo:
        """The chat at a glance."""
        info: ChatInfo = await coordinator_asked(self.client, "chat.info", ChatRef(chat=self.chat), ChatInfo)
        return info

    async def stop(self, reason: str) -> ChatInfo:
        """End the chat now."""
        info: ChatInfo = await coordinator_asked(self.client, "chat.stop", ChatRef(chat=self.chat, reason=reason), ChatInfo)
        return info

    async def item(self, number: int) -> InboxItem | None:
        """The question `number`, as long as it waits for a person."""
        items: list[InboxItem] = await coordinator_asked(self.client, "inbox.list", None, list[InboxItem])
        return next((item for item in items if item.number == number and item.answer is None), None)

    async def open_items(self) -> list[InboxItem]:
        """The questions of this chat that wait for a person."""
        items: list[InboxItem] = await coordinator_asked(self.client, "inbox.list", None, list[InboxItem])
        return [item for item in items if item.question.chat == self.chat and item.answer is None]

    async def answer(self, number: int, text: str) -> InboxItem:
        """Answer a question; raises `Refused` when somebody else did."""
        wish = InboxAnswer(number=number, text=text, by=self.client.name)
        item: InboxItem = await coordinator_asked(self.client, "inbox.answer", wish, InboxItem)
        return item

    # ---- inside

    async def _in_order(self, event: ChatEvent) -> AsyncIterator[ChatEvent]:
        """The event, after the messages that are missing before it; nothing for a message that was seen."""
        if event.type == "message":
            place = event.message.sequence if event.message is not None else event.sequence + 1  # too large for an event
            if place <= self.seen:
                return
            if place > self.seen + 1:
                async for message in history(self.client, self.chat, self.seen):
                    if self.seen < message.sequence < place:
                        self.seen = message.sequence
                        yield _said(self.chat, message)
            if event.message is None:
                return
            self.seen = place
        elif event.type == "result" and event.result is not None and event.result.messages > self.seen:
            async for message in history(self.client, self.chat, self.seen):
                self.seen = message.sequence
                yield _said(self.chat, message)
        yield event

    async def _caught_up(self) -> AsyncIterator[ChatEvent]:
        """What the transcript has beyond what was seen, and the result when the chat is over."""
        info = await self.info()
        if info.messages > self.seen:
            async for message in history(self.client, self.chat, self.seen):
                self.seen = message.sequence
                yield _said(self.chat, message)
        if info.result is not None and (info.state == "ended" or (info.state == "paused" and not self._through_rest)):
            yield ChatEvent(type="result", chat=self.chat, result=info.result)

    def _is_end(self, event: ChatEvent) -> bool:
        return event.result is not None and not (self._through_rest and event.result.outcome == "waits")

    async def _pump(self, subscription: Any) -> None:
        try:
            async for event in subscription:
                with contextlib.suppress(BadMessage):  # somebody else's idea of an event
                    self._queue.put_nowait(_decoded(event))
        except RequestError as error:
            self._queue.put_nowait(error)

    def _gap(self, topic: str, count: int) -> None:
        if topic == f"chat.{self.chat}":
            self._queue.put_nowait(Missed(count))

    def _bound(self, fresh: bool) -> None:
        self._queue.put_nowait(Reconnected(fresh))


def _said(chat: str, message: ChatMessage) -> ChatEvent:
    return ChatEvent(type="message", chat=chat, sequence=message.sequence, speaker=message.name, message=message)


def _decoded(event: ReceivedEvent) -> Followed:
    if event.topic == PRESENCE:
        return event.decode(Presence)
    return event.decode(Delta) if event.topic.startswith("delta.") else event.decode(ChatEvent)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
