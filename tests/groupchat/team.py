"""Members for chats in tests: written with `Service`, so that they know nothing of the agents' room."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from rostra.groupchat import ChatOptions, Coordinator
from rostra.protocol import (
    COORDINATOR,
    Answer,
    ChatMessage,
    Client,
    Incoming,
    Member,
    Question,
    Service,
    Subscription,
    Turn,
    TurnReply,
    Usage,
)
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatRef, ChatStart, Result

Join = Callable[..., Awaitable[Client]]
Open = Callable[[ChatOptions], Awaitable[Coordinator]]
Speak = Callable[[Turn], "Awaitable[TurnReply] | Awaitable[str] | TurnReply | str"]


class Speaker:
    """A member that says what `speak` returns, and remembers the turns it was given."""

    def __init__(self, client: Client, speak: Speak | None = None) -> None:
        self.client, self.name = client, client.name
        self.turns: list[Turn] = []
        self.ids: list[bytes] = []
        self._speak = speak or (lambda turn: f"{self.name} at {turn.sequence}")
        self.service = Service(client)
        self.service.method("turn", Turn, self._turn)

    async def _turn(self, turn: Turn, request: Incoming) -> TurnReply:
        self.turns.append(turn)
        self.ids.append(request.id)
        said: Any = self._speak(turn)
        if asyncio.iscoroutine(said):
            said = await said
        if isinstance(said, TurnReply):
            return said
        usage = Usage(model="m", prompt_tokens=10, completion_tokens=5, cost=0.01)
        return TurnReply(message=ChatMessage(content=said, role="assistant"), usage=(usage,))


async def coordinator(join: Join, database: Path, options: ChatOptions) -> Coordinator:
    """A coordinator that is ready."""
    client = await join(COORDINATOR)
    made = Coordinator(client, options, database)
    await made.start()
    return made


def options(*names: str, **rest: Any) -> ChatOptions:
    """Options of a chat in rotation between `names`."""
    rest.setdefault("selection", "round_robin")
    rest.setdefault("turn_seconds", 20.0)
    return ChatOptions(members=tuple(Member(name=name) for name in names), **rest)


async def start(client: Client, task: str = "the task", **rest: Any) -> ChatInfo:
    """Begin a chat."""
    info: ChatInfo = await client.request(COORDINATOR, "chat.start", ChatStart(task=task, **rest), reply=ChatInfo)
    return info


async def info(client: Client, chat: str) -> ChatInfo:
    """The chat at a glance."""
    found: ChatInfo = await client.request(COORDINATOR, "chat.info", ChatRef(chat=chat), reply=ChatInfo)
    return found


async def events_until_result(events: Subscription, seconds: float = 30.0) -> list[ChatEvent]:
    """The events of one chat up to its result."""
    seen: list[ChatEvent] = []
    async with asyncio.timeout(seconds):
        async for event in events:
            seen.append(event.decode(ChatEvent))
            if seen[-1].type == "result":
                break
    return seen


async def hold(client: Client, task: str = "the task", chat: str = "c1", **rest: Any) -> tuple[Result, list[ChatEvent]]:
    """Hold one chat from the beginning to the end."""
    async with client.subscribe(f"chat.{chat}") as events:
        await start(client, task, chat=chat, **rest)
        seen = await events_until_result(events)
    result = seen[-1].result
    assert result is not None
    return result, seen


def said(events: list[ChatEvent]) -> list[tuple[str, str]]:
    """Who said what, of the messages among the events."""
    return [(event.speaker, event.message.text) for event in events if event.type == "message" and event.message]


class Slow:
    """What a member says when it is let; `cancelled` when its turn was taken back."""

    def __init__(self) -> None:
        self.reached, self.go, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, turn: Turn) -> TurnReply:
        self.reached.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return TurnReply(message=ChatMessage(content=f"slow at {turn.sequence}"))


class Asker:
    """A member that asks a person what to say, each turn under the same id."""

    def __init__(self, client: Client, **question: Any) -> None:
        self.client, self._question = client, question
        self.answers: list[Answer] = []
        self.speaker = Speaker(client, self._speak)

    async def _speak(self, turn: Turn) -> TurnReply:
        question = Question(**{"text": "May I?", "chat": turn.chat, **self._question})
        id_ = self.speaker.ids[-1]
        answer: Answer = await self.client.request(COORDINATOR, "inbox.ask", question, reply=Answer, id=id_, timeout=None)
        self.answers.append(answer)
        return TurnReply(message=ChatMessage(content=answer.text))


@contextlib.asynccontextmanager
async def holding(join: Join, tmp_path: Path, chosen: ChatOptions) -> AsyncIterator[Coordinator]:
    """A coordinator as long as the context is open; it leaves as a killed one does: without a word to anybody."""
    made = await coordinator(join, tmp_path / "chats.db", chosen)
    try:
        yield made
    finally:
        await made.aclose()
        await made._client.aclose()
