"""Transcripts on this machine's disk, read without a coordinator: chats outlive the team that held them."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from rostra.groupchat import reading
from rostra.groupchat.roster import Roster
from rostra.groupchat.searching import search
from rostra.groupchat.writer import connect
from rostra.protocol import ChatMessage, Refused
from rostra.protocol.chat import ChatInfo, ChatRef, Found, Record, SearchRequest
from rostra.team.places import Places

from .exporting import Exported

T = TypeVar("T")


def databases(team: str = "") -> list[Path]:
    """The transcripts on this disk: of all teams, or of one (its name, or its file)."""
    places = Places.here()
    if not team:
        return sorted(places.data.glob("*/*/transcript.db"))
    if Path(team).is_file():
        from rostra.team.file import TeamFile

        team = TeamFile.load(team).name
    return places.transcripts(team)


def read(database: Path, function: Callable[..., T], *arguments: Any) -> T:
    """What `function` reads from one database."""
    connection = connect(database, read_only=True)
    try:
        return function(connection, *arguments)
    finally:
        connection.close()


def of_chat(chat: str, team: str = "") -> Path:
    """The database that holds a chat; raises `Refused` when none does."""
    for database in databases(team):
        with contextlib.suppress(sqlite3.Error):  # another version's, or no database
            if read(database, reading.began_by, chat):
                return database
    raise Refused(f"there is no chat {chat!r} on this machine")


def chats(team: str = "") -> list[ChatInfo]:
    """The chats on this disk, the oldest first."""
    found: list[ChatInfo] = []
    for database in databases(team):
        with contextlib.suppress(sqlite3.Error):
            found += read(database, reading.infos, Roster(()))
    return sorted(found, key=lambda info: info.created_ms)


def transcript(chat: str, team: str = "") -> tuple[ChatInfo, list[ChatMessage]]:
    """A chat at a glance, and all its messages."""
    database = of_chat(chat, team)
    return read(database, reading.infos, Roster(()), chat)[0], read(database, _messages, chat)


def exported(chat: str, team: str = "") -> Exported:
    """A whole chat."""
    database = of_chat(chat, team)
    records: list[Record] = []
    more, settings = True, dict[str, Any]()
    while more:
        page = read(database, reading.records, chat, records[-1].link if records else 0)
        records += page.records
        more, settings = page.more, page.settings
    info, messages = transcript(chat, team)
    return Exported(chat=info, messages=tuple(messages), records=tuple(records), settings=settings)


def found(wish: SearchRequest, team: str = "") -> list[Found]:
    """The messages on this disk that a search finds, the newest first."""
    hits: list[Found] = []
    for database in databases(team):
        with contextlib.suppress(sqlite3.Error):
            hits += read(database, search, wish)
    return sorted(hits, key=lambda hit: (-hit.done_ms, hit.chat, -hit.sequence))[: wish.limit]


def answer(method: str, ref: ChatRef, team: str = "") -> Any:
    """What a coordinator would answer to `chat.why` or `chat.verify`."""
    database = of_chat(ref.chat, team)
    if method == "chat.verify":
        return read(database, reading.verify, ref.chat)
    return read(database, reading.reasons, ref.chat, ref.sequence)


def _messages(connection: sqlite3.Connection, chat: str) -> list[ChatMessage]:
    return list(_pages(connection, chat))


def _pages(connection: sqlite3.Connection, chat: str) -> Iterator[ChatMessage]:
    after, more = 0, True
    while more:
        page = reading.history(connection, chat, after, reading.MAX_PAGE)
        yield from page.messages
        more = page.more and bool(page.messages)
        after = page.messages[-1].sequence if page.messages else after
