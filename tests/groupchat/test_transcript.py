"""The transcript on disk: chains, fences, crashes, and commits that are shared."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from rostra.groupchat import BadOptions, ChatExists, Fenced, NoSuchChat, Transcript, reading
from rostra.groupchat.floor import Floor
from rostra.groupchat.inputs import Append, Close, Finish, Journal, Record, Tried
from rostra.groupchat.roster import Roster
from rostra.groupchat.rows import Row, genesis, plain_columns, row_hash, stored
from rostra.groupchat.schema import MIGRATIONS
from rostra.groupchat.scribe import opening_row
from rostra.groupchat.searching import search
from rostra.groupchat.writer import connect
from rostra.protocol import Usage
from rostra.protocol.chat import Control, Result, SearchRequest

from .rows import OPTIONS, SETTINGS, begun, done, turn


@pytest.fixture
async def transcript(tmp_path: Path) -> AsyncIterator[Transcript]:
    made = Transcript(tmp_path / "chats.db")
    yield made
    await made.aclose()


async def test_rows_come_back_as_they_were_written(transcript: Transcript) -> None:
    await begun(transcript, turns=1)
    await transcript.write("c1", 1, Journal((turn(3),)))
    await transcript.write("c1", 1, Tried(turn(3).turn, 2))
    opening, closed, open_row = await transcript.rows("c1")
    assert opening == opening_row(SETTINGS, OPTIONS, b"o" * 16, 1)
    assert closed == done(turn(2), "words 2")
    assert open_row == turn(3).with_(attempts=2)
    (info,) = await transcript.infos(Roster(OPTIONS.members))
    assert (info.messages, info.speaker, info.state) == (2, "a", "running")
    assert info.usage == Usage(prompt_tokens=3, completion_tokens=2, cost=0.5)
    assert (await transcript.verify("c1")).intact


async def test_an_answer_is_applied_once_and_a_second_one_is_kept_as_late(transcript: Transcript) -> None:
    await begun(transcript)
    await transcript.write("c1", 1, Journal((turn(2),)))
    assert await transcript.write("c1", 1, Close((done(turn(2)),)))
    assert not await transcript.write("c1", 1, Close((done(turn(2), "another answer"),)))
    assert [(row.state, row.sequence) for row in await transcript.rows("c1")] == [("done", 1), ("done", 2), ("late", 0)]
    assert [message.text for message in (await transcript.history("c1")).messages] == ["the task", "words"]
    (info,) = await transcript.infos(Roster(()), "c1")
    assert info.usage.completion_tokens == 2
    assert (await transcript.verify("c1")).intact


async def test_a_message_out_of_order_is_not_written(transcript: Transcript) -> None:
    await begun(transcript)
    await transcript.write("c1", 1, Journal((turn(2),)))
    with pytest.raises(ValueError, match="cannot follow"):
        await transcript.write("c1", 1, Close((done(turn(2)).with_(sequence=5),)))
    assert (await transcript.rows("c1"))[1].state == "asked"


async def test_only_one_turn_is_open(transcript: Transcript) -> None:
    await begun(transcript)
    await transcript.write("c1", 1, Journal((turn(2),)))
    with pytest.raises(ValueError, match="is open"):
        await transcript.write("c1", 1, Journal((turn(3),)))


async def test_a_chat_that_was_taken_is_fenced_from_its_former_coordinator(transcript: Transcript, tmp_path: Path) -> None:
    await begun(transcript)
    await transcript.write("c1", 1, Journal((turn(2),)))
    other = Transcript(tmp_path / "chats.db")
    assert await other.take("c1") == 2
    result = Result(chat="c1", outcome="stopped", stop_reason="x")
    with pytest.raises(Fenced):
        await transcript.write("c1", 1, Close((done(turn(2)),)))
    with pytest.raises(Fenced):
        await transcript.write("c1", 1, Journal((turn(3),)))
    with pytest.raises(Fenced):
        await transcript.write("c1", 1, Append(done(turn(3))))
    with pytest.raises(Fenced):
        await transcript.write("c1", 1, Tried(turn(2).turn, 2))
    with pytest.raises(Fenced):
        await transcript.write("c1", 1, Finish(result))
    assert await other.write("c1", 2, Close((done(turn(2)).with_(epoch=2),)))
    assert (await other.verify("c1")).intact
    await other.aclose()


async def test_an_ended_chat_is_not_taken_again_but_one_at_rest_is(transcript: Transcript) -> None:
    await begun(transcript)
    await transcript.write("c1", 1, Finish(Result(chat="c1", outcome="waits", stop_reason="x")))
    assert [kept.state for kept in await transcript.unfinished()] == ["paused"]
    assert await transcript.take("c1") == 2
    await transcript.write("c1", 2, Finish(Result(chat="c1", outcome="ended", stop_reason="x")))
    with pytest.raises(NoSuchChat):
        await transcript.take("c1")
    assert await transcript.unfinished() == []
    with pytest.raises(ChatExists):
        await begun(transcript)


COLUMNS = (
    "number", "kind", "turn", "speaker", "state", "epoch", "sequence", "attempts", "why", "message", "error", "usage",
    "selection_usage", "asked_ms", "done_ms", "link", "previous", "hash",
)  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
async def test_one_changed_byte_is_found(transcript: Transcript, tmp_path: Path, column: str) -> None:
    await begun(transcript, turns=3)
    with sqlite3.connect(tmp_path / "chats.db") as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        (value,) = connection.execute(f"SELECT {column} FROM row WHERE number = 3").fetchone()
        match value:
            case bytes():
                middle = len(value) // 2
                changed: object = value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
            case str():
                changed = chr(ord(value[0]) ^ 1) + value[1:] if value else "x"
            case _:
                changed = value + 1 if column not in ("number", "sequence", "link") else 9
        connection.execute(f"UPDATE row SET {column} = ? WHERE number = 3", (changed,))
    connection.close()
    verdict = await transcript.verify("c1")
    assert not verdict.intact
    assert verdict.problem


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM row WHERE number = 3",
        "DELETE FROM row WHERE number = 4",
        "UPDATE row SET number = number + 100, link = link + 100 WHERE number = 2",
        "UPDATE chat SET head = x'00'",
        "UPDATE chat SET messages = messages + 1",
        "UPDATE chat SET rows = rows + 1",
    ],
)
async def test_what_is_missing_moved_or_slipped_in_is_found(transcript: Transcript, tmp_path: Path, statement: str) -> None:
    await begun(transcript, turns=3)
    with sqlite3.connect(tmp_path / "chats.db") as connection:
        connection.execute(statement)
    connection.close()
    assert not (await transcript.verify("c1")).intact


async def test_rows_of_one_chat_do_not_fit_into_another(transcript: Transcript, tmp_path: Path) -> None:
    await begun(transcript, turns=1)
    await begun(transcript, "c2", turns=1)
    with sqlite3.connect(tmp_path / "chats.db") as connection:
        connection.execute("DELETE FROM row WHERE chat = 'c1'")
        connection.execute("UPDATE row SET chat = 'c1' WHERE chat = 'c2'")
        connection.execute("UPDATE chat SET head = (SELECT head FROM chat WHERE id = 'c2')")
    connection.close()
    assert not (await transcript.verify("c1")).intact


async def test_history_is_paged_by_number_and_by_size(transcript: Transcript) -> None:
    await begun(transcript)
    for number in range(2, 6):
        await transcript.write("c1", 1, Journal((turn(number),)))
        await transcript.write("c1", 1, Close((done(turn(number), "x" * 300_000),)))
    page = await transcript.history("c1", 0, 3)
    assert ([one.sequence for one in page.messages], page.more) == ([1, 2, 3], True)
    page = await transcript.history("c1", 1, 1000)
    assert ([one.sequence for one in page.messages], page.more) == ([2, 3], True)
    page = await transcript.history("c1", 4)
    assert ([one.sequence for one in page.messages], page.more) == ([5], False)
    assert (await transcript.history("c1", 5)).messages == ()


async def test_chats_that_write_at_once_share_their_commits(transcript: Transcript) -> None:
    chats = [f"c{number}" for number in range(40)]
    before = transcript.writer.commits
    await asyncio.gather(*(begun(transcript, chat) for chat in chats))
    assert transcript.writer.commits - before < len(chats)
    assert transcript.writer.writes >= len(chats)
    before = transcript.writer.commits
    await begun(transcript, "alone")
    assert transcript.writer.commits - before == 1


async def test_one_bad_write_does_not_take_its_neighbours_with_it(transcript: Transcript) -> None:
    await begun(transcript)
    outcomes = await asyncio.gather(begun(transcript, "c2"), begun(transcript), begun(transcript, "c3"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, ChatExists, int]
    assert len(await transcript.infos(Roster(()))) == 3


async def test_a_reader_does_not_write(transcript: Transcript) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await transcript.read(lambda db: db.execute("DELETE FROM chat"))


async def test_the_database_keeps_its_promises(transcript: Transcript, tmp_path: Path) -> None:
    def pragma(name: str) -> object:
        return transcript.writer._connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("user_version") == len(MIGRATIONS)


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chats.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(BadOptions, match="schema 999"):
        Transcript(tmp_path / "chats.db")


async def test_what_was_reported_as_written_survives_a_killed_process(tmp_path: Path) -> None:
    program = Path(__file__).with_name("rows.py")
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(program), str(tmp_path / "chats.db"), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    reported = 0
    while reported < 20:
        reported = int(await child.stdout.readline())
    child.kill()
    rest = await child.stdout.read()
    await child.wait()
    reported = max([reported, *(int(line) for line in rest.split(b"\n")[:-1])])
    transcript = Transcript(tmp_path / "chats.db")
    verdict = await transcript.verify("c1")
    assert verdict.intact, verdict.problem
    assert verdict.messages >= reported
    rows = await transcript.rows("c1")
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert all(row.state == "done" for row in rows[:-1])
    await transcript.aclose()


def old_database(path: Path) -> None:
    """A database as the first version has written it: a chat of three messages."""
    assert isinstance(MIGRATIONS[0], str)
    encode = msgspec.msgpack.encode
    with sqlite3.connect(path) as connection:
        connection.executescript(MIGRATIONS[0] + "PRAGMA user_version = 1;")
        rows = [opening_row(SETTINGS, OPTIONS, b"o" * 16, 1), *(done(turn(number), f"words {number}") for number in (2, 3))]
        previous = genesis("c1")
        connection.execute(
            "INSERT INTO chat (id, request, state, epoch, settings, created_ms, head) VALUES ('c1', ?, 'running', 1, ?, 1, x'')",
            (b"r" * 16, encode(SETTINGS)),
        )
        for link, row in enumerate(rows, 1):
            columns = stored(row)
            digest = row_hash(previous, plain_columns(row, link), columns)
            connection.execute(
                "INSERT INTO row (chat, number, kind, turn, speaker, state, epoch, sequence, attempts, why, message, error,"
                " usage, selection_usage, asked_ms, done_ms, link, previous, hash) VALUES"
                " ('c1', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (row.number, row.kind, row.turn, row.speaker, row.state, row.epoch, row.sequence, row.attempts, columns.why,
                 columns.message, row.error, columns.usage, columns.selection_usage, row.asked_ms, row.done_ms, link, previous,
                 digest),
            )  # fmt: skip
            previous = digest
        connection.execute("UPDATE chat SET head = ?, rows = 3, links = 3, messages = 3", (previous,))
    connection.close()


@pytest.mark.parametrize("reader_first", [True, False])
async def test_a_database_of_an_older_version_is_brought_up_to_date(tmp_path: Path, reader_first: bool) -> None:
    old_database(tmp_path / "chats.db")
    if reader_first:  # a console looks at it before any coordinator does
        connection = connect(tmp_path / "chats.db", read_only=True)
        assert len(reading.history(connection, "c1", 0, 10).messages) == 3
        connection.close()
    transcript = Transcript(tmp_path / "chats.db")
    assert (await transcript.verify("c1")).intact
    assert [message.text for message in (await transcript.history("c1")).messages] == ["the task", "words 2", "words 3"]
    (found,) = await transcript.read(search, SearchRequest(query="words 3"))
    assert (found.chat, found.sequence, found.speaker) == ("c1", 3, "a")
    await transcript.write("c1", 1, Journal((turn(4),)))
    assert await transcript.write("c1", 1, Close((done(turn(4), "words 4"),)))
    assert (await transcript.verify("c1")).messages == 4
    await transcript.aclose()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE row SET rewound = 0 WHERE number = 4",
        "UPDATE row SET rewound = 6 WHERE number = 2",
        "UPDATE row SET control = x'80' WHERE number = 6",
        "UPDATE chat SET messages = 5",
    ],
)
async def test_a_rewind_that_was_tampered_with_is_found(transcript: Transcript, tmp_path: Path, statement: str) -> None:
    await begun(transcript, turns=4)
    control = Control(what="rewind", by="console-1", sequence=3)
    row = Row(number=6, kind="control", turn=b"c" * 16, speaker="console-1", state="done", epoch=1, control=control, asked_ms=1)
    await transcript.write("c1", 1, Record(row, Floor(members=("a", "b"), max_rounds=10)))
    assert [message.sequence for message in (await transcript.history("c1")).messages] == [1, 2, 3]
    assert (await transcript.verify("c1")).intact
    with sqlite3.connect(tmp_path / "chats.db") as connection:
        connection.execute(statement)
    connection.close()
    assert not (await transcript.verify("c1")).intact
