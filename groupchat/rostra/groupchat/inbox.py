"""The inbox: questions to people, on disk until somebody answers. The first answer wins; a deadline applies the default."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable

import msgspec

from rostra.protocol import Answer, ChatMessage, Question, Refused, TimedOut
from rostra.protocol.chat import ChatEvent, InboxAnswer, InboxItem

from .fit import prefix, weigh
from .transcript import Transcript

log = logging.getLogger(__name__)

_encoder = msgspec.msgpack.Encoder()
_question = msgspec.msgpack.Decoder(Question)
_answer = msgspec.msgpack.Decoder(Answer)
_COLUMNS = "number, question, asked_ms, answer, closed_ms, due_ms, id"

_Found = tuple[int, bytes, int, bytes, int, int, bytes]


class Entry(msgspec.Struct, frozen=True):
    """An item as it lies on disk. `closed` without an answer: its deadline passed, or its chat ended."""

    item: InboxItem
    id: bytes
    due_ms: int
    closed: bool


class Inbox:
    """Asks people and waits for them; `publish` takes the events."""

    def __init__(self, transcript: Transcript, publish: Callable[[ChatEvent], None]) -> None:
        self._transcript, self._publish = transcript, publish
        self._waiting: dict[int, set[asyncio.Future[Answer]]] = {}
        self._chats: dict[int, str] = {}
        self._timers: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Watch the deadlines of what was asked before."""
        for entry in await self._transcript.read(_open):
            self._watch(entry)

    async def aclose(self) -> None:
        """Stop watching; the items stay."""
        for timer in self._timers.values():
            timer.cancel()
        await asyncio.gather(*self._timers.values(), return_exceptions=True)

    async def list(self) -> "list[InboxItem]":
        """What waits for a person, the oldest first, as far as it fits in a frame."""
        items = [entry.item for entry in await self._transcript.read(_open)]
        return items[: prefix(map(weigh, items))] if items else []

    async def put(self, id: bytes, question: Question) -> Entry:  # noqa: A002 - the wire's word
        """Write the question down, once for each id, and tell the consoles."""
        now_ms = time.time_ns() // 1_000_000
        entry, new = await self._transcript.writer.write(lambda db: _put(db, id, question, now_ms))
        if new:
            self._watch(entry)
            self._tell("question", entry.item, question.text, question.agent)
        return entry

    async def wait(self, entry: Entry) -> Answer:
        """The answer, whenever it comes.

        Raises `TimedOut` when the deadline passes and there is no default, `Refused` when the chat ends.
        """
        number = entry.item.number
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(number, set()).add(future)
        self._chats[number] = entry.item.question.chat
        try:
            now = await self._transcript.read(_entry, number)
            if now.item.answer is not None:
                return now.item.answer
            if now.closed:
                raise TimedOut("nobody answered in time")
            return await future
        finally:
            waiting = self._waiting.get(number, set())
            waiting.discard(future)
            if not waiting:
                self._waiting.pop(number, None)
                self._chats.pop(number, None)

    async def answer(self, answer: InboxAnswer) -> InboxItem:
        """Answer an item; raises `Refused` when it is unknown, answered already, or of no use any more."""
        now_ms = time.time_ns() // 1_000_000
        said = Answer(text=answer.text, by=answer.by)
        return await self._close(answer.number, said, now_ms)

    async def withdraw(self, chat: str, agent: str) -> None:
        """Close what `agent` asked in a chat: nobody needs to answer it any more."""
        for entry in await self._transcript.read(_open):
            question = entry.item.question
            if question.chat == chat and question.agent == agent:
                await self.close(entry.item.number)

    async def close(self, number: int) -> None:
        """Close one item without an answer."""
        now_ms = time.time_ns() // 1_000_000
        if not await self._transcript.writer.write(lambda db: _expire(db, number, now_ms)):
            return
        self._stop_timer(number)
        for future in self._waiting.get(number, ()):
            if not future.done():
                future.set_exception(Refused("nobody needs the answer any more"))
        entry = await self._transcript.read(_entry, number)
        question = entry.item.question
        self._publish(ChatEvent(type="answered", chat=question.chat, speaker=question.agent, question=number, why="withdrawn"))

    def chat_ended(self, chat: str) -> None:
        """The chat is over, and with it its questions, which are closed on disk already."""
        for number in [number for number, its in self._chats.items() if its == chat]:
            for future in self._waiting.get(number, ()):
                if not future.done():
                    future.set_exception(Refused("the chat has ended"))
            self._stop_timer(number)

    async def _close(self, number: int, answer: Answer, now_ms: int) -> InboxItem:
        entry = await self._transcript.writer.write(lambda db: _close(db, number, answer, now_ms))
        self._stop_timer(number)
        for future in self._waiting.get(number, ()):
            if not future.done():
                future.set_result(answer)
        self._tell("answered", entry.item, answer.text, answer.by)
        return entry.item

    def _stop_timer(self, number: int) -> None:
        timer = self._timers.pop(number, None)
        if timer is not None and timer is not asyncio.current_task():
            timer.cancel()

    def _watch(self, entry: Entry) -> None:
        if entry.due_ms and not entry.closed and entry.item.number not in self._timers:
            self._timers[entry.item.number] = asyncio.get_running_loop().create_task(self._expire(entry))

    async def _expire(self, entry: Entry) -> None:
        number, default = entry.item.number, entry.item.question.default
        await asyncio.sleep(max(0, entry.due_ms - time.time_ns() // 1_000_000) / 1000)
        now_ms = time.time_ns() // 1_000_000
        try:
            if default is not None:
                await self._close(number, Answer(text=default), now_ms)
                return
            await self._transcript.writer.write(lambda db: _expire(db, number, now_ms))
        except Refused:
            return  # somebody was quicker
        except sqlite3.Error:
            log.exception("the inbox item %d could not be closed", number)
            return
        self._timers.pop(number, None)
        for future in self._waiting.get(number, ()):
            if not future.done():
                future.set_exception(TimedOut("nobody answered in time"))

    def _tell(self, type_: str, item: InboxItem, text: str, name: str) -> None:
        event = ChatEvent(
            type="question" if type_ == "question" else "answered",
            chat=item.question.chat,
            speaker=item.question.agent,
            question=item.number,
            message=ChatMessage(content=text, name=name),
        )
        self._publish(event)


def _item(found: _Found) -> Entry:
    number, question, asked_ms, answer, closed_ms, due_ms, id_ = found
    item = InboxItem(
        number=number,
        question=_question.decode(question),
        asked_ms=asked_ms,
        answer=_answer.decode(answer) if answer else None,
    )
    return Entry(item, id_, due_ms, closed_ms > 0)


def _open(connection: sqlite3.Connection) -> list[Entry]:
    found = connection.execute(f"SELECT {_COLUMNS} FROM inbox WHERE closed_ms = 0 ORDER BY number LIMIT 5000")  # noqa: S608
    return [_item(one) for one in found]


def _entry(connection: sqlite3.Connection, number: int) -> Entry:
    found = connection.execute(f"SELECT {_COLUMNS} FROM inbox WHERE number = ?", (number,)).fetchone()  # noqa: S608
    if found is None:
        raise Refused(f"the inbox has no item {number}")
    return _item(found)


def waits(connection: sqlite3.Connection, chat: str) -> bool:
    """Whether a question of the chat waits for its answer."""
    return connection.execute("SELECT 1 FROM inbox WHERE chat = ? AND closed_ms = 0", (chat,)).fetchone() is not None


def _put(connection: sqlite3.Connection, id_: bytes, question: Question, now_ms: int) -> tuple[Entry, bool]:
    found = connection.execute(f"SELECT {_COLUMNS} FROM inbox WHERE id = ?", (id_,)).fetchone()  # noqa: S608
    if found is not None:
        return _item(found), False
    due_ms = now_ms + round(question.seconds * 1000) if question.seconds > 0 else 0
    cursor = connection.execute(
        "INSERT INTO inbox (id, chat, question, asked_ms, due_ms) VALUES (?, ?, ?, ?, ?)",
        (id_, question.chat, _encoder.encode(question), now_ms, due_ms),
    )
    assert cursor.lastrowid is not None
    return _entry(connection, cursor.lastrowid), True


def _close(connection: sqlite3.Connection, number: int, answer: Answer, now_ms: int) -> Entry:
    entry = _entry(connection, number)
    if entry.item.answer is not None:
        raise Refused(f"item {number} was answered by {entry.item.answer.by or 'its default'} already")
    if entry.closed:
        raise Refused(f"item {number} is closed: its time or its chat is over")
    connection.execute("UPDATE inbox SET answer = ?, closed_ms = ? WHERE number = ?", (_encoder.encode(answer), now_ms, number))
    return _entry(connection, number)


def _expire(connection: sqlite3.Connection, number: int, now_ms: int) -> bool:
    cursor = connection.execute("UPDATE inbox SET closed_ms = ? WHERE number = ? AND closed_ms = 0", (now_ms, number))
    return cursor.rowcount > 0
