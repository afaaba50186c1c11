"""Chats of a running team: started, followed, asked about."""

import asyncio
import contextlib
import os
from base64 import b32encode
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Self, TypeVar

import msgspec

from rostra.protocol import COORDINATOR, BadMessage, ChatMessage, Client, History, HistoryRequest, RequestError, Usage
from rostra.protocol.chat import (
    ChatControl,
    ChatEvent,
    ChatInfo,
    ChatRef,
    ChatRewind,
    ChatSay,
    ChatStart,
    Delta,
    Found,
    Result,
    SearchRequest,
    Verdict,
    Why,
)

T = TypeVar("T")

SECONDS = 30.0
"""Patience with the coordinator; it may be on its way back."""
QUIET = 3.0
"""Seconds without an event after which a follower asks whether it has missed the end."""


class TeamResult(msgspec.Struct, frozen=True, kw_only=True):
    """A chat that is over: how it ended (as `protocol.chat.Result`) and everything that was said."""

    chat: str
    outcome: str
    stop_reason: str
    messages: tuple[ChatMessage, ...]
    usage: Usage
    seconds: float

    @property
    def text(self) -> str:
        """What was said last."""
        return self.messages[-1].text if self.messages else ""


class Chats:
    """The coordinator's methods, by way of `client`; see docs/messages.md. All raise `RequestError`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._followers: set[_Follower] = set()
        client.on_bound = self._bound

    async def start(
        self, task: str, *, chat: str = "", members: Iterable[str] = (), max_rounds: int = 0, no_input: bool = False
    ) -> ChatInfo:
        """Begin a chat. `chat`: its id; `members`: of the team's agents, empty for all; `max_rounds`: 0 for the team file's."""
        wish = ChatStart(task=task, chat=chat or new_chat(), members=tuple(members), max_rounds=max_rounds, no_input=no_input)
        return await self._ask("chat.start", wish, ChatInfo)

    async def all(self) -> list[ChatInfo]:
        """All chats of this team."""
        return await self._ask("chat.list", None, list[ChatInfo])

    async def info(self, chat: str) -> ChatInfo:
        """One chat at a glance."""
        return await self._ask("chat.info", ChatRef(chat=chat), ChatInfo)

    async def history(self, chat: str, after: int = 0) -> AsyncGenerator[ChatMessage, None]:
        """The transcript after a place, in order."""
        while True:
            page = await self._ask("history", HistoryRequest(chat=chat, after=after), History)
            for message in page.messages:
                after = message.sequence
                yield message
            if not page.more or not page.messages:
                return

    async def say(self, chat: str, content: str, name: str = "user") -> ChatMessage:
        """Say something without taking a turn."""
        return await self._ask("chat.say", ChatSay(chat=chat, content=content, name=name), ChatMessage)

    async def stop(self, chat: str, reason: str = "", *, after_turn: bool = False) -> ChatInfo:
        """End a chat, now or after the open turn."""
        return await self._ask("chat.stop", ChatRef(chat=chat, reason=reason, after_turn=after_turn), ChatInfo)

    async def pause(self, chat: str, *, now: bool = False, reason: str = "") -> ChatInfo:
        """Begin no further turn; `now`: take the open one back."""
        return await self._ask("chat.pause", ChatControl(chat=chat, now=now, reason=reason), ChatInfo)

    async def resume(self, chat: str, reason: str = "") -> ChatInfo:
        """Let a chat go on that is paused, or rests."""
        return await self._ask("chat.resume", ChatControl(chat=chat, reason=reason), ChatInfo)

    async def step(self, chat: str) -> ChatInfo:
        """Let one turn happen, then pause."""
        return await self._ask("chat.step", ChatControl(chat=chat), ChatInfo)

    async def skip(self, chat: str, reason: str = "", *, agent: str = "") -> ChatInfo:
        """Pass over whoever has the floor; of several who were asked at once, over `agent`."""
        return await self._ask("chat.skip", ChatControl(chat=chat, agent=agent, reason=reason), ChatInfo)

    async def clear(self, chat: str, agent: str = "", *, last: int = 0, reason: str = "") -> ChatInfo:
        """Show a member, or everybody, nothing any more of what was said so far, but for the last messages."""
        return await self._ask("chat.clear", ChatControl(chat=chat, agent=agent, last=last, reason=reason), ChatInfo)

    async def next(self, chat: str, agent: str, *, now: bool = False, reason: str = "") -> ChatInfo:
        """Let a member speak next, whatever the rules say; `now`: take the open turn back."""
        return await self._ask("chat.next", ChatControl(chat=chat, agent=agent, now=now, reason=reason), ChatInfo)

    async def limit(
        self, chat: str, max_rounds: int = 0, *, tokens: int = 0, cost: float = 0.0, seconds: float = 0.0, reason: str = ""
    ) -> ChatInfo:
        """Move the limits of a running chat; 0: as it is."""
        wish = ChatControl(chat=chat, max_rounds=max_rounds, tokens=tokens, cost=cost, seconds=seconds, reason=reason)
        return await self._ask("chat.limit", wish, ChatInfo)

    async def selection(self, chat: str, method: str, reason: str = "") -> ChatInfo:
        """Let the speakers of a running chat be chosen otherwise from now on."""
        return await self._ask("chat.selection", ChatControl(chat=chat, selection=method, reason=reason), ChatInfo)

    async def rewind(self, chat: str, sequence: int, content: str = "", *, name: str = "user", paused: bool = False) -> ChatInfo:
        """Go back to a message, and on from there: by saying `content`, where it is given; `paused`: only when it is resumed."""
        wish = ChatRewind(chat=chat, sequence=sequence, content=content, name=name, paused=paused)
        return await self._ask("chat.rewind", wish, ChatInfo)

    async def fork(
        self, chat: str, sequence: int, content: str = "", *, fork: str = "", name: str = "user", paused: bool = False
    ) -> ChatInfo:
        """Begin a chat, of the id `fork`, with the first messages of another; the rest as `rewind`. Returns the new one."""
        wish = ChatRewind(chat=chat, sequence=sequence, content=content, name=name, paused=paused, fork=fork or new_chat())
        return await self._ask("chat.fork", wish, ChatInfo)

    async def search(self, query: str, *, chat: str = "", speaker: str = "", limit: int = 50) -> list[Found]:
        """The messages that hold the words of the query, the newest first."""
        return await self._ask("chat.search", SearchRequest(query=query, chat=chat, speaker=speaker, limit=limit), list[Found])

    async def why(self, chat: str, sequence: int = 0) -> list[Why]:
        """How speakers were chosen; of one turn, when its place is given."""
        return await self._ask("chat.why", ChatRef(chat=chat, sequence=sequence), list[Why])

    async def verify(self, chat: str) -> Verdict:
        """Whether the transcript is what was written."""
        return await self._ask("chat.verify", ChatRef(chat=chat), Verdict)

    async def follow(self, chat: str, *, deltas: bool = False) -> AsyncGenerator[ChatEvent | Delta, None]:
        """What happens in a chat that was begun already: its messages from the first on, without gaps, up to the result."""
        async with _Follower(self, chat, deltas) as follower:
            follower.check()  # what was said before
            async for event in follower.events():
                yield event

    async def stream(
        self,
        task: str,
        *,
        chat: str = "",
        members: Iterable[str] = (),
        max_rounds: int = 0,
        no_input: bool = False,
        deltas: bool = False,
    ) -> AsyncGenerator[ChatEvent | Delta, None]:
        """Begin a chat as `start` does and yield what happens, up to and including the event of type `result`.

        Messages come in order, from 1, each once, whatever broker and coordinator go through meanwhile. `deltas`: also the pieces
        of answers while they are written.
        """
        chat = chat or new_chat()
        async with _Follower(self, chat, deltas) as follower:
            await self.start(task, chat=chat, members=members, max_rounds=max_rounds, no_input=no_input)
            async for event in follower.events():
                yield event

    async def run(self, task: str, **options: Any) -> TeamResult:
        """As `stream`, but only the result is returned."""
        messages: list[ChatMessage] = []
        async with contextlib.aclosing(self.stream(task, **options)) as events:
            async for event in events:
                match event:
                    case ChatEvent(type="message", message=ChatMessage() as message):
                        messages.append(message)
                    case ChatEvent(type="result", result=Result() as result):
                        return TeamResult(
                            chat=result.chat,
                            outcome=result.outcome,
                            stop_reason=result.stop_reason,
                            messages=tuple(messages),
                            usage=result.usage,
                            seconds=result.seconds,
                        )
                    case _:
                        pass
        raise AssertionError("a stream ends with the result, or raises")

    async def _ask(self, method: str, payload: Any, reply: type[T]) -> T:
        answer: T = await self._client.request(COORDINATOR, method, payload, reply=reply, timeout=SECONDS, absent=SECONDS)
        return answer

    def _bound(self, _: bool) -> None:
        for follower in self._followers:
            follower.check()


def new_chat() -> str:
    """An id for a chat: eight letters and digits."""
    return b32encode(os.urandom(5)).decode().lower()


class _Follower:
    """One chat as one reader sees it: subscribed when entered, and never behind the transcript for long."""

    def __init__(self, chats: Chats, chat: str, deltas: bool) -> None:
        self._chats, self._chat, self._seen = chats, chat, 0
        self._patterns = [f"chat.{chat}", *([f"delta.{chat}"] if deltas else [])]
        self._queue: asyncio.Queue[ChatEvent | Delta | RequestError | None] = asyncio.Queue()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            for pattern in self._patterns:
                subscription = self._chats._client.subscribe(pattern, on_gap=lambda *_: self.check())
                await stack.enter_async_context(subscription)
                task = asyncio.create_task(self._pump(subscription))
                stack.push_async_callback(_ended, task)
            self._chats._followers.add(self)
            stack.callback(self._chats._followers.discard, self)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def check(self) -> None:
        """Something may have been missed."""
        self._queue.put_nowait(None)

    async def events(self) -> AsyncGenerator[ChatEvent | Delta, None]:
        """Up to and including the result. Raises `RequestError` when the connection is over for good."""
        while True:
            try:
                async with asyncio.timeout(QUIET):
                    event = await self._queue.get()
            except TimeoutError:
                event = None
            match event:
                case RequestError():
                    raise event
                case Delta():
                    yield event
                case ChatEvent(type="message"):
                    async for said in self._messages(event):
                        yield said
                case None | ChatEvent(type="result"):
                    async for caught_up in self._caught_up():
                        yield caught_up
                        if caught_up.type == "result":
                            return
                case ChatEvent():
                    if event.control is not None and event.control.what == "rewind":
                        self._seen = min(self._seen, event.control.sequence)
                    yield event

    async def _messages(self, event: ChatEvent) -> AsyncGenerator[ChatEvent, None]:
        """The message of an event, after those that are missing before it."""
        if event.message is not None and event.sequence == self._seen + 1:
            self._seen = event.sequence
            yield event
        elif event.sequence > self._seen:
            async for message in self._chats.history(self._chat, self._seen):
                yield self._said(message)

    async def _caught_up(self) -> AsyncGenerator[ChatEvent, None]:
        """What the transcript has beyond what was seen, and the result when there is one."""
        info = await self._chats.info(self._chat)
        self._seen = min(self._seen, info.messages)  # it was rewound
        if info.messages > self._seen:
            async for message in self._chats.history(self._chat, self._seen):
                yield self._said(message)
        if info.result is not None:
            yield ChatEvent(type="result", chat=self._chat, sequence=self._seen, result=info.result)

    def _said(self, message: ChatMessage) -> ChatEvent:
        self._seen = message.sequence
        return ChatEvent(type="message", chat=self._chat, sequence=message.sequence, speaker=message.name, message=message)

    async def _pump(self, subscription: Any) -> None:
        kind: Any = Delta if subscription.pattern.startswith("delta.") else ChatEvent
        try:
            async for event in subscription:
                with contextlib.suppress(BadMessage):  # somebody else's idea of an event
                    self._queue.put_nowait(event.decode(kind))
        except RequestError as error:
            self._queue.put_nowait(error)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
