"""What must hold after every campaign, read from the disks alone: transcripts, records of completions, mail, processes."""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from rostra.groupchat.reading import verify
from rostra.groupchat.rows import OPEN, decoded_message, decoded_why


@dataclass
class Figures:
    """What a campaign counted; added up over its parts and printed at its end."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """How long each recovery took."""

    def __iadd__(self, other: "Figures") -> "Figures":
        self.counts.update(other.counts)  # with what there was none of
        self.seconds += other.seconds
        return self

    def __str__(self) -> str:
        parts = [f"{value:,} {name}" for name, value in self.counts.items()]
        if self.seconds:
            ordered = sorted(self.seconds)
            p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
            parts.append(f"recovery p50 {p50:.2f} s, p99 {p99:.2f} s, max {ordered[-1]:.2f} s")
        return ", ".join(parts)


def check_transcript(database: Path, *, produced: Callable[[str, int], str] | None = None) -> Figures:
    """Every chat in a transcript: sequence, turns, open rows, chain, epochs, and each message as its speaker produced it.

    `produced`: what a speaker says as its n-th message, n from 1. Raises AssertionError for the first thing that is wrong.
    """
    figures = Figures()
    db = sqlite3.connect(database)
    with contextlib.closing(db):
        for chat, epoch, state, messages in db.execute("SELECT id, epoch, state, messages FROM chat").fetchall():
            rows = db.execute(
                "SELECT number, turn, kind, speaker, state, epoch, sequence, message FROM row WHERE chat = ? ORDER BY number",
                (chat,),
            ).fetchall()
            verdict = verify(db, chat)
            assert verdict.intact, f"{chat}: {verdict.problem}"
            assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), f"{chat}: rows are missing"
            placed = sorted(row[6] for row in rows if row[6])
            assert placed == list(range(1, messages + 1)), f"{chat}: a gap, or a double, among the messages"
            done = Counter(row[1] for row in rows if row[4] == "done")
            assert all(count == 1 for count in done.values()), f"{chat}: a turn was done twice"
            opened = [row[0] for row in rows if row[4] in OPEN]
            last = _last_round(db, chat)
            assert set(opened) <= set(last), f"{chat}: an open row that is not of the last round"
            assert state != "ended" or not opened, f"{chat}: ended with an open turn"
            epochs = [row[5] for row in rows if row[4] not in OPEN]
            assert epochs == sorted(epochs), f"{chat}: an older coordinator wrote after a newer one"
            assert not epochs or epochs[-1] <= epoch, f"{chat}: a row from the future"
            said: Counter[str] = Counter()
            for number, _, kind, speaker, row_state, _, _, raw in rows:
                message = decoded_message(raw)
                if row_state != "done" or message is None:
                    continue
                assert message.name == speaker, f"{chat}: row {number} is in another's name"
                if kind == "turn" and produced is not None:
                    said[speaker] += 1
                    wanted = produced(speaker, said[speaker])
                    assert message.text == wanted, f"{chat}: row {number} is {message.text!r}, {speaker} said {wanted!r}"
            figures.counts["chats"] += 1
            figures.counts["messages"] += messages
            figures.counts["lost"] += messages - len(set(placed))
            figures.counts["doubled"] += len(placed) - len(set(placed))
    return figures


def _last_round(db: sqlite3.Connection, chat: str) -> list[int]:
    """The numbers of the rows of the turns that were begun last, together; no other rows can be open."""
    asked = db.execute(
        "SELECT number, why FROM row WHERE chat = ? AND kind = 'turn' AND state <> 'late' ORDER BY number DESC", (chat,)
    ).fetchall()
    why = decoded_why(asked[0][1]) if asked else None
    return [number for number, _ in asked[: len(why.together) if why is not None and why.together else 1]]


class _Recorded(msgspec.Struct):
    digest: str


def check_calls(record: Path, replies: int, excused: int) -> Figures:
    """How many calls of a model were made more than once: at most one for each kill that could have hit a call."""
    calls = [msgspec.json.decode(line, type=_Recorded) for line in record.read_bytes().splitlines() if line.endswith(b"}")]
    repeated = len(calls) - len({one.digest for one in calls})
    assert repeated <= excused, f"{repeated} calls were repeated, {excused} kills can have caused it"
    assert len(calls) >= replies, f"{replies} replies of {len(calls)} calls"
    return Figures(Counter({"model calls": len(calls), "model calls repeated": repeated}))


def check_mail(sender_db: Path, recipient_db: Path, sender: str) -> Figures:
    """Letters in order, each once: what was confirmed is there, what is there was sent. From the two peers' own records."""
    with contextlib.closing(sqlite3.connect(sender_db)) as db:
        attempted = {row[0] for row in db.execute("SELECT number FROM attempted")}
        confirmed = {row[0] for row in db.execute("SELECT number FROM confirmed")}
    with contextlib.closing(sqlite3.connect(recipient_db)) as db:
        read = [row[0] for row in db.execute("SELECT number FROM read WHERE sender = ? ORDER BY place", (sender,))]
    assert len(read) == len(set(read)), f"{sender}: a letter was read twice"
    assert read == sorted(read), f"{sender}: letters out of order"
    assert confirmed <= set(read), f"{sender}: {sorted(confirmed - set(read))[:5]} were confirmed and never read"
    assert set(read) <= attempted, f"{sender}: letters that nobody sent"
    return Figures(Counter({"letters confirmed": len(confirmed), "letters read": len(read)}))


def check_nothing_left(folders: Iterable[Path], pids: Iterable[int] = ()) -> None:
    """No process, no socket, no half-written file is left."""
    for pid in pids:
        assert not _runs(pid), f"process {pid} is left"
    for folder in folders:
        left = [path for path in folder.rglob("*") if path.is_socket() or path.suffix == ".new"]
        assert not left, f"left behind: {left}"


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
