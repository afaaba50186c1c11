"""What teachable agents have learned, as commands see it: the files on this machine's disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rostra.agents.memos import Memo, Memos, rating
from rostra.protocol import ChatMessage, Refused
from rostra.team.places import Places

from . import archive


def files(team: str = "", agent: str = "") -> list[Path]:
    """The memories on this disk: of all teams, or of one (its name, or its file), or of one agent."""
    places = Places.here()
    if team and Path(team).is_file():
        from rostra.team.file import TeamFile

        team = TeamFile.load(team).name
    return sorted(places.data.glob(f"{team or '*'}/memory/{agent or '*'}.db"))


@contextmanager
def opened(agent: str, team: str = "") -> Iterator[Memos]:
    """The memory of one agent; raises `Refused` when there is none of that name, or several."""
    found = files(team, agent)
    if not found:
        raise Refused(f"no agent {agent!r} has learned anything on this machine; only teachable ones do")
    if len(found) > 1:
        teams = ", ".join(sorted({path.parent.parent.name for path in found}))
        raise Refused(f"several teams have an agent {agent!r}; say --team ({teams})")
    with _opened(found[0]) as memos:
        yield memos


def counted(team: str = "") -> list[tuple[str, str, int, int]]:
    """Team, agent, how many memos, and when the newest was made (milliseconds since 1970; 0: there is none)."""
    rows: list[tuple[str, str, int, int]] = []
    for path in files(team):
        with _opened(path) as memos:
            all_ = memos.all()
        rows.append((path.parent.parent.name, path.stem, len(all_), all_[-1].made_ms if all_ else 0))
    return rows


def rate(chat: str, turn: int, good: bool, why: str, messages: list[ChatMessage], team: str = "") -> tuple[str, Memo]:
    """Make a memo of a person's rating of message `turn` of `chat`; returns who learned it, and the memo.

    Raises `Refused` when there is no such message, or when who said it does not learn.
    """
    said = next((one for one in messages if one.sequence == turn), None)
    if said is None:
        raise Refused(f"the chat {chat!r} has no message {turn}; it has {len(messages)}")
    home = archive.of_chat(chat, team).parent.parent
    path = home / "memory" / f"{said.name}.db"
    if not path.is_file():
        raise Refused(f"{said.name} said message {turn}, and is not teachable: nobody would learn from this")
    before = next((one.text for one in reversed(messages[: turn - 1]) if one.name != said.name), "")
    topic, content = rating(good, why, before, said.text)
    with _opened(path) as memos:
        return said.name, memos.add(topic, content, f"rating of chat {chat}, message {turn}")


@contextmanager
def _opened(path: Path) -> Iterator[Memos]:
    try:
        memos = Memos(path)
    except sqlite3.DatabaseError as error:
        raise Refused(f"{path}: {error}") from None
    try:
        yield memos
    finally:
        memos.close()
