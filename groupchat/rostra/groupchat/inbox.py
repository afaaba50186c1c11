"""The inbox: questions to people, on disk until somebody answers. The first answer wins; a deadline applies the default."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from typing import Literal

import msgspec

from rostra.protocol import Answer, ChatMessage, Question, Refused, TimedOut
from rostra.protocol.chat import ChatEvent, Control, InboxAnswer, InboxItem
from rostra.protocol.clock import wall_ms
from rostra.protocol.people import MAX_DETAIL

from .fit import prefix, weigh
from .inputs import Controlled
from .transcript import Transcript

log = logging.getLogger(__name__)

_encoder = msgspec.msgpack.Encoder()
_question = msgspec.msgpack.Decoder(Question)
_answer = msgspec.msgpack.Decoder(Answer)
BRIEF = 2_000
"""Characters of a detail that the list of the inbox shows."""
MAX_NAME = 200
_COLUMNS = "number, question, asked_ms, answer, closed_ms, due_ms, id"

_Found = tuple[int, bytes, int, bytes, int, int, bytes]


class Entry(msgspec.Struct, frozen=True):
    """An item as it lies on disk. `closed` without an answer: its deadline passed, or its chat ended."""

    item: InboxItem
    id: bytes
    due_ms: int
    closed: bool


class Inbox:
    """Asks people and waits for them; `publish` takes the events.

    `closed` is told of each question that was answered, or whose time was up, before whoever asked is. `remind_seconds`: how
    often there is a reminder of a question; 0: never.
    """

    def __init__(
        self,
        transcript: Transcript,
        publish: Callable[[ChatEvent], None],
        closed: Callable[[Entry], None] = lambda _: None,
        *,
        remind_seconds: float = 0.0,
    ) -> None:
        self._transcript, self._publish, self._closed, self._remind = transcript, publish, closed, remind_seconds
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
        """What waits for a person, the oldest first, as far as it fits in a frame; long details are cut."""
        items = [_brief(entry.item) for entry in await self._transcript.read(_open)]
        return items[: prefix(map(weigh, items))] if items else []

    async def entry(self, number: int) -> Entry:
        """One item, open or closed; raises `Refused` when there is none."""
        return await self._transcript.read(_entry, number)

    async def put(self, id: bytes, question: Question) -> Entry:  # noqa: A002 - the wire's word
        """Write the question down, once for each id, and tell the consoles.

        Raises `Refused` when the id stands for a question about something else.
        """
        now_ms = wall_ms()
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

    async def answer(self, answer: InboxAnswer, origin: str) -> InboxItem:
        """Answer an item from `origin`, the verified name of a console.

        Raises `Refused` when it is unknown, answered already, of no use any more, or not what was read.
        """
        if len(answer.text) > MAX_DETAIL or len(answer.by) > MAX_NAME:
            raise Refused(f"an answer has {MAX_DETAIL} characters at most, and a name {MAX_NAME}")
        said = Answer(text=answer.text, by=answer.by or origin, origin=origin, at_ms=wall_ms())
        return await self._close(answer.number, said, answer.digest)

    async def withdraw(self, chat: str, agent: str) -> None:
        """Close what `agent` asked in a chat: nobody needs to answer it any more."""
        for entry in await self._transcript.read(_open):
            question = entry.item.question
            if question.chat == chat and question.agent == agent:
                await self.close(entry.item.number)

    async def close(self, number: int) -> None:
        """Close one item without an answer."""
        now_ms = wall_ms()
        if not await self._transcript.writer.write(lambda db: _expire(db, number, now_ms)):
            return
        self._stop_timer(number)
        for future in self._waiting.get(number, ()):
            if not future.done():
                future.set_exception(Refused("nobody needs the answer any more"))
        self._tell_closed((await self._transcript.read(_entry, number)).item, "withdrawn")

    def chat_ended(self, chat: str) -> None:
        """The chat is over, and with it its questions, which are closed on disk already."""
        for number in [number for number, its in self._chats.items() if its == chat]:
            for future in self._waiting.get(number, ()):
                if not future.done():
                    future.set_exception(Refused("the chat has ended"))
            self._stop_timer(number)

    async def _close(self, number: int, answer: Answer, read: str = "") -> InboxItem:
        entry = await self._transcript.writer.write(lambda db: _close(db, number, answer, read))
        self._stop_timer(number)
        self._closed(entry)
        kept = entry.item.answer
        assert kept is not None
        for future in self._waiting.get(number, ()):
            if not future.done():
                future.set_result(kept)
        self._tell("answered", entry.item, answer.text, answer.by)
        return entry.item

    def _stop_timer(self, number: int) -> None:
        timer = self._timers.pop(number, None)
        if timer is not None and timer is not asyncio.current_task():
            timer.cancel()

    def _watch(self, entry: Entry) -> None:
        if (entry.due_ms or self._remind) and not entry.closed and entry.item.number not in self._timers:
            self._timers[entry.item.number] = asyncio.get_running_loop().create_task(self._wait_for(entry))

    async def _wait_for(self, entry: Entry) -> None:
        """Remind people until the time is up."""
        item, due_ms = entry.item, entry.due_ms
        while True:
            now_ms, next_ms = wall_ms(), due_ms or None
            if self._remind:
                every_ms = max(1, round(self._remind * 1000))
                reminder_ms = item.asked_ms + ((now_ms - item.asked_ms) // every_ms + 1) * every_ms
                next_ms = min(reminder_ms, next_ms or reminder_ms)
            assert next_ms is not None
            await asyncio.sleep(max(0, next_ms - now_ms) / 1000)
            if due_ms and wall_ms() >= due_ms:
                await self._expire(entry)
                return
            self._tell("reminder", item, item.question.text, item.question.agent)

    async def _expire(self, entry: Entry) -> None:
        number, default = entry.item.number, entry.item.question.default
        now_ms = wall_ms()
        try:
            if default is not None:
                await self._close(number, Answer(text=default, at_ms=now_ms))
                return
            await self._transcript.writer.write(lambda db: _expire(db, number, now_ms))
        except Refused:
            return  # somebody was quicker
        except sqlite3.Error:
            log.exception("the inbox item %d could not be closed", number)
            return
        self._timers.pop(number, None)
        self._closed(await self._transcript.read(_entry, number))
        for future in self._waiting.get(number, ()):
            if not future.done():
                future.set_exception(TimedOut("nobody answered in time"))
        self._tell_closed(entry.item, "expired")

    def _tell_closed(self, item: InboxItem, why: str) -> None:
        question = item.question
        self._publish(ChatEvent(type="answered", chat=question.chat, speaker=question.agent, question=item.number, why=why))

    def _tell(self, type_: Literal["question", "reminder", "answered"], item: InboxItem, text: str, name: str) -> None:
        event = ChatEvent(
            type=type_,
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
        due_ms=due_ms,
    )
    return Entry(item, id_, due_ms, closed_ms > 0)


def _open(connection: sqlite3.Connection) -> list[Entry]:
    found = connection.execute(f"SELECT {_COLUMNS} FROM inbox WHERE closed_ms = 0 ORDER BY number LIMIT 5000")  # noqa: S608
    return [_item(one) for one in found]


def _brief(item: InboxItem) -> InboxItem:
    detail = item.question.detail
    if len(detail) <= BRIEF:
        return item
    question = msgspec.structs.replace(item.question, detail=f"{detail[:BRIEF]}…")
    return msgspec.structs.replace(item, question=question)


def answered(connection: sqlite3.Connection, chat: str) -> list[Entry]:
    """The questions of a chat that were answered, or whose time was up, and that no row of its transcript tells of."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM inbox"  # noqa: S608
        " WHERE chat = ? AND closed_ms > 0 AND (answer <> x'' OR (due_ms > 0 AND closed_ms >= due_ms)) ORDER BY number",
        (chat,),
    )
    told = {turn for (turn,) in connection.execute("SELECT turn FROM row WHERE chat = ? AND kind = 'control'", (chat,))}
    return [entry for entry in map(_item, found) if answer_control(entry).id not in told]


def answer_control(entry: Entry) -> Controlled:
    """What was answered, as it goes on record. Its id follows from the question's, which may be that of a turn."""
    id_ = blake2b(entry.id, digest_size=16, person=b"rostra answer").digest()
    item = entry.item
    by = item.answer.by if item.answer is not None else ""
    return Controlled(id_, Control(what="answer", by=by, agent=item.question.agent, item=item))


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
        entry = _item(found)
        kept = entry.item.question
        if kept.digest != question.digest or (kept.digest and kept.agent != question.agent):
            raise Refused("this request asked about something else before")
        return entry, False
    due_ms = now_ms + round(question.seconds * 1000) if question.seconds > 0 else 0
    cursor = connection.execute(
        "INSERT INTO inbox (id, chat, question, asked_ms, due_ms) VALUES (?, ?, ?, ?, ?)",
        (id_, question.chat, _encoder.encode(question), now_ms, due_ms),
    )
    assert cursor.lastrowid is not None
    return _entry(connection, cursor.lastrowid), True


def _close(connection: sqlite3.Connection, number: int, answer: Answer, read: str) -> Entry:
    entry = _entry(connection, number)
    if entry.item.answer is not None:
        raise Refused(f"item {number} was answered by {entry.item.answer.by or 'its default'} already")
    digest = entry.item.question.digest
    if read and read != digest:
        raise Refused(f"item {number} asks about something else: its digest is {digest or 'empty'}")
    if entry.closed:
        raise Refused(f"item {number} is closed: its time or its chat is over")
    answer = msgspec.structs.replace(answer, digest=digest)
    connection.execute(
        "UPDATE inbox SET answer = ?, closed_ms = ? WHERE number = ?", (_encoder.encode(answer), answer.at_ms, number)
    )
    return _entry(connection, number)


def _expire(connection: sqlite3.Connection, number: int, now_ms: int) -> bool:
    cursor = connection.execute("UPDATE inbox SET closed_ms = ? WHERE number = ? AND closed_ms = 0", (now_ms, number))
    return cursor.rowcount > 0
