"""Rows for transcripts in tests. Run as a program with the path of a database, it writes turns until it is killed."""

import asyncio
import sys
from pathlib import Path

from rostra.groupchat import ChatOptions, Transcript
from rostra.groupchat.inputs import Close, Journal
from rostra.groupchat.rows import Row, Settings
from rostra.groupchat.scribe import opening_row
from rostra.protocol import ChatMessage, Member, Usage
from rostra.protocol.chat import Why

SETTINGS = Settings(task="the task", members=("a", "b"), max_rounds=10)
OPTIONS = ChatOptions(members=(Member(name="a"), Member(name="b")))


def turn(number: int, *, epoch: int = 1) -> Row:
    """An open turn."""
    return Row(
        number=number,
        kind="turn",
        turn=number.to_bytes(16, "big"),
        speaker="a",
        state="asked",
        epoch=epoch,
        why=Why(sequence=number, speaker="a", reason="next"),
        selection_usage=(Usage(prompt_tokens=3),),
        asked_ms=1,
    )


def done(row: Row, text: str = "words") -> Row:
    """The same turn, answered."""
    message = ChatMessage(content=text, name=row.speaker, sequence=row.number)
    return row.with_(state="done", sequence=row.number, message=message, usage=(Usage(completion_tokens=2, cost=0.5),), done_ms=2)


async def begun(transcript: Transcript, chat: str = "c1", turns: int = 0) -> int:
    """Begin a chat, and let `turns` turns be done."""
    epoch = await transcript.create(chat, b"r" * 16, SETTINGS, opening_row(SETTINGS, OPTIONS, b"o" * 16, 1))
    for number in range(2, turns + 2):
        await transcript.write(chat, 1, Journal((turn(number),)))
        assert await transcript.write(chat, 1, Close((done(turn(number), f"words {number}"),)))
    return epoch


async def _write_until_killed(path: Path) -> None:
    transcript = Transcript(path)
    await begun(transcript)
    number = 2
    while True:
        await transcript.write("c1", 1, Journal((turn(number),)))
        await transcript.write("c1", 1, Close((done(turn(number), f"words {number}"),)))
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    asyncio.run(_write_until_killed(Path(sys.argv[1])))
