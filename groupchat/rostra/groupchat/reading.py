"""What is read from a transcript: functions over a read-only connection."""

import sqlite3
from collections.abc import Iterator

import msgspec

from rostra.protocol import ChatMessage, History, Member, Usage
from rostra.protocol.chat import ChatInfo, Record, Records, Result, Verdict, Why

from .errors import NoSuchChat
from .fit import prefix, weigh
from .floor import Floor
from .roster import Roster
from .rows import (
    Row,
    Settings,
    Stored,
    decoded_control,
    decoded_message,
    decoded_usage,
    decoded_why,
    genesis,
    row_hash,
)

_settings = msgspec.msgpack.Decoder(Settings)
_result = msgspec.msgpack.Decoder(Result)
_floor = msgspec.msgpack.Decoder(Floor)

MAX_PAGE = 1000
_COLUMNS = (
    "number, kind, turn, speaker, state, epoch, sequence, attempts, why, message, error, usage, selection_usage,"
    " control, asked_ms, done_ms, rewound"
)

_INFO = (
    "SELECT id, state, epoch, settings, created_ms, result, messages, prompt_tokens, completion_tokens, cost, estimated,"
    " (SELECT group_concat(speaker, ', ') FROM (SELECT speaker FROM row WHERE row.chat = chat.id AND row.state = 'asked'"
    " ORDER BY number)), floor, parent FROM chat"
)


class Kept(msgspec.Struct, frozen=True):
    """A chat as it lies on disk, without its rows."""

    chat: str
    state: str
    epoch: int
    settings: Settings
    created_ms: int
    result: Result | None


def unfinished(connection: sqlite3.Connection) -> list[Kept]:
    """The chats that have not ended, the oldest first."""
    return [
        _kept(found)
        for found in connection.execute(
            "SELECT id, state, epoch, settings, created_ms, result FROM chat WHERE state <> 'ended' ORDER BY created_ms, id"
        )
    ]


def kept(connection: sqlite3.Connection, chat: str) -> Kept:
    """One chat; raises `NoSuchChat`."""
    found = connection.execute("SELECT id, state, epoch, settings, created_ms, result FROM chat WHERE id = ?", (chat,)).fetchone()
    if found is None:
        raise NoSuchChat(chat)
    return _kept(found)


def began_by(connection: sqlite3.Connection, chat: str) -> bytes:
    """The id of the request that began the chat; empty when there is none."""
    found = connection.execute("SELECT request FROM chat WHERE id = ?", (chat,)).fetchone()
    return bytes(found[0]) if found else b""


def rows(connection: sqlite3.Connection, chat: str) -> list[Row]:
    """All rows of a chat, by number: for one that is taken over."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM row WHERE chat = ? ORDER BY number", (chat,))  # noqa: S608
    return [_row(one) for one in found]


def history(connection: sqlite3.Connection, chat: str, after: int, limit: int) -> History:
    """The messages after the place `after`, as many as the limit and a frame allow; raises `NoSuchChat`."""
    if not began_by(connection, chat):
        raise NoSuchChat(chat)
    limit = max(1, min(limit, MAX_PAGE))
    messages: list[ChatMessage] = []
    for (raw,) in connection.execute(
        "SELECT message FROM row WHERE chat = ? AND sequence > ? AND rewound = 0 ORDER BY sequence LIMIT ?",
        (chat, max(0, after), limit + 1),
    ):
        message = decoded_message(raw)
        assert message is not None
        messages.append(message)
    count = min(limit, prefix(map(weigh, messages)))
    return History(messages=tuple(messages[:count]), more=len(messages) > count)


def records(connection: sqlite3.Connection, chat: str, after: int) -> Records:
    """The closed rows after the link `after` of the chain, as many as fit in a frame, and last the open ones.

    Raises `NoSuchChat`.
    """
    found = connection.execute(
        f"SELECT {_COLUMNS}, link, hash FROM row WHERE chat = ? AND link > ? ORDER BY link LIMIT {MAX_PAGE + 1}",  # noqa: S608
        (chat, after),
    ).fetchall()
    if len(found) <= MAX_PAGE:
        found += connection.execute(
            f"SELECT {_COLUMNS}, link, hash FROM row WHERE chat = ? AND state IN ('asked', 'held') ORDER BY number",  # noqa: S608
            (chat,),
        ).fetchall()
    settings = msgspec.to_builtins(kept(connection, chat).settings)
    all_of_them = [_record(one) for one in found]
    count = min(MAX_PAGE, prefix(map(weigh, all_of_them)))
    return Records(records=tuple(all_of_them[:count]), more=len(found) > count, settings=settings)


def _record(found: tuple[object, ...]) -> Record:
    row, (link, hash_) = _row(found[:17]), found[17:]
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    return msgspec.convert({**values, "link": link, "hash": hash_}, Record)


def reasons(connection: sqlite3.Connection, chat: str, sequence: int) -> list[Why]:
    """How speakers were chosen, and what was voted, in order; with a sequence, the last choice of a speaker for that place.

    Of a long chat the newest that fit in a frame.
    """
    if not began_by(connection, chat):
        raise NoSuchChat(chat)
    # A turn that is open, or failed, has no place yet; the choice of its speaker says which one it was for.
    where, values = ("AND sequence IN (0, ?)", (chat, sequence)) if sequence else ("", (chat,))
    kinds = "'turn'" if sequence else "'turn', 'vote'"
    found = connection.execute(
        f"SELECT why, sequence FROM row WHERE chat = ? {where} AND kind IN ({kinds}) AND rewound = 0"  # noqa: S608
        f" ORDER BY number DESC LIMIT {MAX_PAGE}",
        values,
    )
    newest = [
        msgspec.structs.replace(why, sequence=place) if place else why  # in a round it was chosen before its place was known
        for raw, place in found
        if (why := decoded_why(raw)) is not None and sequence in (0, place or why.sequence)
    ]
    if sequence:
        return newest[:1]
    return newest[: prefix(map(weigh, newest))][::-1] if newest else []


def infos(connection: sqlite3.Connection, roster: Roster, chat: str = "") -> list[ChatInfo]:
    """One chat, or all of them at a glance, the newest first and as many as fit in a frame. Raises `NoSuchChat`."""
    where, values = ("WHERE id = ?", (chat,)) if chat else ("", ())
    order = f"{where} ORDER BY created_ms DESC, id LIMIT {MAX_PAGE}"
    found = connection.execute(f"{_INFO} {order}", values)
    all_of_them = [_info(one, roster) for one in found]
    if chat and not all_of_them:
        raise NoSuchChat(chat)
    return all_of_them[: prefix(map(weigh, all_of_them))] if all_of_them else []


def verify(connection: sqlite3.Connection, chat: str) -> Verdict:
    """Walk the chat's hash chain from its beginning; raises `NoSuchChat`."""
    found = connection.execute("SELECT head, links, messages, rows FROM chat WHERE id = ?", (chat,)).fetchone()
    if found is None:
        raise NoSuchChat(chat)
    head, links, messages, count = found
    problem = next(_problems(connection, chat, head, links, messages, count), "")
    return Verdict(chat=chat, messages=messages, intact=not problem, problem=problem, head=bytes(head).hex())


def _problems(connection: sqlite3.Connection, chat: str, head: bytes, links: int, messages: int, count: int) -> Iterator[str]:
    """What is wrong with a chain, first things first."""
    previous, link = genesis(chat), 0
    standing: dict[int, tuple[int, int]] = {}  # number -> place, and the column `rewound`, of what no control has rewound
    for one in connection.execute(
        f"SELECT {_COLUMNS}, link, previous, hash FROM row WHERE chat = ? AND state NOT IN ('asked', 'held') ORDER BY link",  # noqa: S608
        (chat,),
    ):
        number, kind, turn, speaker, state, epoch, place, attempts, why, message, error, usage, spent, control = one[:14]
        asked_ms, done_ms, rewound, its_link, its_previous, its_hash = one[14:]
        link += 1
        if its_link != link:
            yield f"link {link} of the chain is missing"
        plain = (its_link, number, kind, turn, speaker, state, epoch, place, attempts, error, asked_ms, done_ms)
        digest = row_hash(previous, plain, Stored(why, message, usage, spent, control))
        if its_previous != previous or its_hash != digest:
            yield f"row {number} (message {place}) is not what was written" if place else f"row {number} is not what was written"
        done = decoded_control(control)
        if done is not None and done.what == "rewind":
            kept = max((row for row, (its_place, _) in standing.items() if its_place == done.sequence), default=0)
            for row in [row for row in standing if kept < row < number]:
                if standing.pop(row)[1] != number:
                    yield f"row {row} was rewound, but is not marked so"
        elif kind != "control" and state != "late":
            standing[number] = (place, rewound)
        previous = digest
    places = [place for _, (place, _) in sorted(standing.items()) if place]
    for sequence, place in enumerate(places, 1):
        if place != sequence:
            yield f"message {sequence} is missing"
    for number, (_, rewound) in standing.items():
        if rewound:
            yield f"row {number} is marked as rewound, but no control did it"
    sequence = len(places)
    if previous != head or link != links:
        yield f"the chain ends after {link} rows, but {links} were written"
    if sequence != messages:
        yield f"there are {sequence} messages, but {messages} were written"
    (present,) = connection.execute("SELECT count(*) FROM row WHERE chat = ?", (chat,)).fetchone()
    if present != count:
        yield f"there are {present} rows, but {count} were written"


def _kept(found: tuple[object, ...]) -> Kept:
    chat, state, epoch, settings, created_ms, result = found[:6]
    assert isinstance(settings, bytes)
    assert isinstance(result, bytes)
    return msgspec.convert(
        {
            "chat": chat,
            "state": state,
            "epoch": epoch,
            "settings": _settings.decode(settings),
            "created_ms": created_ms,
            "result": _result.decode(result) if result else None,
        },
        Kept,
    )


def _info(found: tuple[object, ...], roster: Roster) -> ChatInfo:
    one = _kept(found)
    messages, prompt_tokens, completion_tokens, cost, estimated, speaker, floor, parent = found[6:]
    now = Floor(members=one.settings.members, max_rounds=one.settings.max_rounds)
    if isinstance(floor, bytes) and floor:
        now = _floor.decode(floor)
    rules = one.settings.rules
    budget = rules.get("budget", {})
    members: tuple[Member, ...] = tuple(roster.member(name) for name in now.members)
    return msgspec.convert(
        {
            "chat": one.chat,
            "state": one.state,
            "task": one.settings.task,
            "members": members,
            "messages": messages,
            "created_ms": one.created_ms,
            "epoch": one.epoch,
            "max_rounds": now.max_rounds,
            "muted": now.muted,
            "selection": now.selection or rules.get("selection", ""),
            "max_tokens": now.tokens or budget.get("tokens", 0),
            "max_cost": now.cost or budget.get("cost", 0.0),
            "max_seconds": now.seconds or budget.get("seconds", 0.0),
            "parent": parent,
            "speaker": speaker or "",
            "usage": msgspec.convert(
                {
                    "prompt_tokens": prompt_tokens,
                    "completion_tokens": completion_tokens,
                    "cost": cost,
                    "estimated": bool(estimated),
                },
                Usage,
            ),
            "result": one.result,
        },
        ChatInfo,
    )


def _row(found: tuple[object, ...]) -> Row:
    number, kind, turn, speaker, state, epoch, sequence, attempts, why, message, error, usage, spent = found[:13]
    control, asked_ms, done_ms, rewound = found[13:]
    assert isinstance(why, bytes)
    assert isinstance(message, bytes)
    assert isinstance(usage, bytes)
    assert isinstance(spent, bytes)
    assert isinstance(control, bytes)
    return msgspec.convert(
        {
            "number": number,
            "kind": kind,
            "turn": turn,
            "speaker": speaker,
            "state": state,
            "epoch": epoch,
            "sequence": sequence,
            "attempts": attempts,
            "why": decoded_why(why),
            "message": decoded_message(message),
            "error": error,
            "usage": decoded_usage(usage),
            "selection_usage": decoded_usage(spent),
            "control": decoded_control(control),
            "asked_ms": asked_ms,
            "done_ms": done_ms,
            "rewound": rewound,
        },
        Row,
    )
