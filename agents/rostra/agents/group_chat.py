"""A group chat as one agent: what its members say to each other is one turn outside (AutoGen's society of mind)."""

from collections.abc import Sequence
from hashlib import blake2b

from rostra.protocol import COORDINATOR, ChatMessage, Client, RemoteError
from rostra.protocol.chat import ChatInfo, ChatRef, ChatStart, History, HistoryRequest

from .responder import Context

SECONDS = 60.0
"""How long the coordinator may be away."""


class GroupChatAgent:
    """Answers with the last word of an inner chat, which the coordinator holds between other members of the team.

    Who these are, and by which rules they speak, says the team file. Its task is what was said since this agent spoke last. The
    inner chat is on record like any other, and a turn that is done again finds the one that it began.
    """

    def __init__(self, name: str, client: Client, *, description: str = "") -> None:
        self.name, self.description, self._client = name, description, client

    async def respond(self, message: ChatMessage, context: Context) -> ChatMessage | None:
        """See `Responder.respond`. Raises `RequestError`."""
        outer = context.chat or "ask"
        key = context.turn or context.sender.encode() + message.text.encode()
        id_ = blake2b(key, digest_size=16, person=b"rostra inner").digest()
        chat = f"{outer[:80]}-{self.name}-{id_[:4].hex()}"
        start = ChatStart(task=task_of(context.history, self.name), chat=chat, agent=self.name, within=context.chat)
        await self._client.request(COORDINATOR, "chat.start", start, reply=ChatInfo, id=id_, timeout=SECONDS, absent=SECONDS)
        info: ChatInfo = await self._client.request(
            COORDINATOR, "chat.wait", ChatRef(chat=chat), reply=ChatInfo, timeout=None, absent=float("inf")
        )
        context.usage.append(info.usage)
        result = info.result
        if result is None or result.outcome not in ("ended", "limit"):
            why = result.stop_reason if result is not None else "it does not run"
            raise RemoteError(f"the inner chat {chat} came to nothing: {why}", details={"retryable": False})
        last = await self._last(chat, info.messages)
        if last is None:
            context.reason = f"in {chat} nobody said anything: {result.stop_reason}"
            return None
        return ChatMessage(role="assistant", content=last.content, metadata={"chat": chat})

    async def _last(self, chat: str, messages: int) -> ChatMessage | None:
        """The last message that has words, but for the task."""
        after = max(1, messages - 20)
        wanted = HistoryRequest(chat=chat, after=after)
        page: History = await self._client.request(COORDINATOR, "history", wanted, reply=History, timeout=SECONDS, absent=SECONDS)
        return next((message for message in reversed(page.messages) if message.text.strip()), None)


def task_of(history: Sequence[ChatMessage], name: str) -> str:
    """What was said since `name` spoke last: the words, with who said them where there are several messages."""
    news: list[ChatMessage] = []
    for message in reversed(history):
        if message.name == name:
            break
        if message.text.strip():
            news.append(message)
    if len(news) == 1:
        return news[0].text
    return "\n\n".join(f"{message.name or 'user'}: {message.text}" for message in reversed(news))
