"""Each mechanism switched off in turn: the simulation must see it, or it is worthless."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.groupchat.rows import begun, done, turn
from tests.protocol import test_simulation

from rostra.agents.responder import Context
from rostra.agents.tools import ToolBox, tool
from rostra.agents.tools.journal import ToolJournal
from rostra.broker.mail.desk import Desk
from rostra.broker.mail.office import Office
from rostra.broker.mail.operations import Kept, Store
from rostra.broker.mail.store import MailStore
from rostra.groupchat import statements
from rostra.groupchat.inputs import Close, Journal
from rostra.groupchat.transcript import Transcript
from rostra.protocol import ToolCall
from rostra.protocol.calls import Calls
from rostra.protocol.effects import Send
from rostra.protocol.mailing import Incoming, Outgoing
from rostra.protocol.messages import Stored

from . import mail_simulation
from .checker import check_transcript

SEEDS = 400
Patch = pytest.MonkeyPatch


@pytest.fixture
def _small() -> Iterator[None]:
    before = mail_simulation.small_bounds()
    yield
    mail_simulation.usual_bounds(before)


def no_dedup_in_the_store(patch: Patch) -> None:
    keep = MailStore._store

    def store(self: MailStore, operation: Store) -> Any:
        key = (operation.letter.source, operation.letter.epoch, operation.letter.recipient)
        if self._highest(key) >= operation.letter.sequence:
            self._high[key] = operation.letter.sequence - 1
        return keep(self, operation)

    patch.setattr(MailStore, "_store", store)


def no_order_in_the_store(patch: Patch) -> None:
    keep = MailStore._store

    def store(self: MailStore, operation: Store) -> Any:
        operation.previous = 0
        return keep(self, operation)

    patch.setattr(MailStore, "_store", store)


def stored_before_the_commit(patch: Patch) -> None:
    post = Desk.post

    def early(self: Desk, route: bytes, source: str, peer: bytes, header: Any, body: bytes) -> str | None:
        self._send(route, Stored(header.epoch, header.sequence), b"", peer)
        return post(self, route, source, peer, header, body)

    patch.setattr(Desk, "post", early)


def nothing_is_sent_again(patch: Patch) -> None:
    def tick(self: Outgoing, now: float) -> list[Any]:
        for lane in self._lanes.values():
            lane.moved_at = now
        return []

    patch.setattr(Outgoing, "tick", tick)


def no_going_back(patch: Patch) -> None:
    patch.setattr(Outgoing, "rejected", lambda self, recipient, header, now, details=None: [])
    nothing_is_sent_again(patch)


def verdicts_of_earlier_rounds_count(patch: Patch) -> None:
    heed = Outgoing.rejected

    def rejected(self: Outgoing, recipient: str, header: Any, now: float, details: Any = None) -> Any:
        lane = self._lanes.get(recipient)
        current = type(header)(header.epoch, header.sequence, header.code, "", lane.round if lane else 0)
        return heed(self, recipient, current, now, details)

    patch.setattr(Outgoing, "rejected", rejected)


def old_numbers_are_acknowledged(patch: Patch) -> None:
    rebound = Incoming.rebound

    def keeping(self: Incoming) -> None:
        number = self._number
        rebound(self)
        self._number = number

    patch.setattr(Incoming, "rebound", keeping)


def what_a_dead_connection_had_is_forgotten(patch: Patch) -> None:
    left = Office.left

    def leave(self: Office, route: bytes, now: float, *, died: bool) -> Any:
        name = self._names.get(route)
        if name is not None and len(self._boxes[name].out) > 1:
            self._boxes[name].out[route].pending.clear()
        return left(self, route, now, died=died)

    patch.setattr(Office, "left", leave)


def full_connections_are_not_tried_again(patch: Patch) -> None:
    patch.setattr(Office, "undelivered", lambda self, route, number: None)


def letters_stored_meanwhile_are_not_looked_for(patch: Patch) -> None:
    def kept(self: Office, result: Kept, now: float) -> Any:  # the letter is on disk, and nobody looks for it
        return []

    patch.setattr(Office, "kept", kept)


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    "switched_off",
    [
        no_dedup_in_the_store,
        no_order_in_the_store,
        stored_before_the_commit,
        nothing_is_sent_again,
        no_going_back,
        verdicts_of_earlier_rounds_count,
        old_numbers_are_acknowledged,
        what_a_dead_connection_had_is_forgotten,
        full_connections_are_not_tried_again,
        letters_stored_meanwhile_are_not_looked_for,
    ],
)
def test_the_simulation_of_mail_sees_that(
    switched_off: Callable[[Patch], None], monkeypatch: Patch, tell: Callable[[str], None]
) -> None:
    switched_off(monkeypatch)
    for seed in range(SEEDS):
        try:
            mail_simulation.check(mail_simulation.live(seed))
        except (AssertionError, sqlite3.Error) as error:
            tell(f"canary: {switched_off.__name__}: seen at seed {seed}: {error}")
            return
    pytest.fail(f"{switched_off.__name__}: {SEEDS} seeds saw nothing")


@pytest.mark.timeout(600)
def test_the_simulation_of_requests_sees_that_nothing_is_repeated(monkeypatch: Patch, tell: Callable[[str], None]) -> None:
    tick = Calls.tick
    monkeypatch.setattr(Calls, "tick", lambda self, now: [one for one in tick(self, now) if not isinstance(one, Send)])
    for seed in range(SEEDS):
        try:
            test_simulation.check(test_simulation.live(seed))
        except AssertionError as error:
            tell(f"canary: requests are not repeated: seen at seed {seed}: {str(error)[:80]}")
            return
    pytest.fail("nothing seen")


async def test_the_checker_sees_a_coordinator_that_is_not_fenced(
    tmp_path: Path, monkeypatch: Patch, tell: Callable[[str], None]
) -> None:
    """No epoch check, and no compare and swap: two coordinators write one chat."""
    monkeypatch.setattr(statements, "_guard", lambda connection, chat, epoch: None)
    transcript = Transcript(tmp_path / "transcript.db")
    try:
        await begun(transcript)
        await transcript.take("c1")
        for number, epoch in ((2, 2), (3, 1)):
            row = turn(number, epoch=epoch)
            await transcript.write("c1", 1, Journal((row,)))
            await transcript.write("c1", 1, Close((done(row, f"words {number}"),)))
    finally:
        await transcript.aclose()
    with pytest.raises(AssertionError, match="older coordinator"):
        check_transcript(tmp_path / "transcript.db")
    tell("canary: no epoch check: seen by the checker")


async def test_the_checker_sees_a_row_that_was_changed(tmp_path: Path, tell: Callable[[str], None]) -> None:
    transcript = Transcript(tmp_path / "transcript.db")
    await begun(transcript, turns=3)
    await transcript.aclose()
    check_transcript(tmp_path / "transcript.db")
    db = sqlite3.connect(tmp_path / "transcript.db", isolation_level=None)
    db.execute("UPDATE row SET speaker = 'b' WHERE number = 3")
    db.close()
    with pytest.raises(AssertionError, match="c1"):
        check_transcript(tmp_path / "transcript.db")
    tell("canary: a changed row: seen by the checker")


async def test_without_the_journal_a_side_effect_is_done_twice(tmp_path: Path, tell: Callable[[str], None]) -> None:
    done: list[str] = []

    @tool(description="Pays.")
    def pay(to: str) -> str:
        done.append(to)
        return "paid"

    journal = ToolJournal(tmp_path / "ann.db")
    call = ToolCall(id="1", name="pay", arguments='{"to": "bob"}')
    for kept in (journal, journal, None):
        await ToolBox([pay]).run([call], Context(agent="ann", journal=kept.task(b"turn") if kept else None))
    journal.close()
    assert done == ["bob", "bob"], "once with the journal, and once more without it"
    tell("canary: no journal of tools: the effect is done again")
