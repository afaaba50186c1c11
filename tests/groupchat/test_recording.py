"""What a chat writes at one moment is one transaction, and nobody hears of it before."""

from pathlib import Path

import pytest

from rostra.groupchat import Transcript
from rostra.groupchat.inputs import Abandon, Acknowledge, Ask, Close, Effect, Journal, Mark, Publish
from rostra.groupchat.recording import gathered
from rostra.protocol import Turn
from rostra.protocol.chat import ChatEvent

from .rows import begun, done, turn
from .team import Join, Open, Speaker, hold, options

CLOSE, JOURNAL = Close((done(turn(2)),)), Journal((turn(3),))
SAID = Publish(ChatEvent(type="message", chat="c1"))
SELECTED = Publish(ChatEvent(type="selected", chat="c1"))
ASK = Ask(turn(3).turn, "a", Turn(chat="c1", sequence=4, epoch=1, after=0))


@pytest.mark.parametrize(
    ("effects", "steps"),
    [
        ([CLOSE, SAID, JOURNAL, SELECTED, ASK], [(CLOSE, JOURNAL), SAID, SELECTED, ASK]),
        ([SAID, CLOSE], [SAID, (CLOSE,)]),
        ([CLOSE, Acknowledge(b"", None), Mark("paused"), SAID], [(CLOSE, Mark("paused")), Acknowledge(b"", None), SAID]),
        ([JOURNAL, ASK, CLOSE], [(JOURNAL,), ASK, (CLOSE,)]),
        ([Abandon(), CLOSE, Abandon(), JOURNAL], [Abandon(), (CLOSE,), Abandon(), (JOURNAL,)]),
        ([], []),
    ],
)
def test_what_is_written_shares_a_transaction_and_observers_wait_for_it(effects: list[Effect], steps: list[object]) -> None:
    assert list(gathered(effects)) == steps


async def test_nothing_is_written_after_a_turn_that_was_closed_before(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "transcript.db")
    await begun(transcript, turns=1)
    assert not await transcript.write("c1", 1, Close((done(turn(2), "once more"),)), Journal((turn(4),)))
    rows = await transcript.rows("c1")
    assert [(row.number, row.state) for row in rows] == [(1, "done"), (2, "done"), (3, "late")]
    await transcript.aclose()


async def test_a_turn_in_rotation_is_one_commit(join: Join, held: Open) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    coordinator = await held(options("a", "b", max_rounds=21))
    await hold(await join("console-1"))
    assert coordinator.transcript.writer.commits == 22  # the opening, the first turn's beginning, and the end of each
