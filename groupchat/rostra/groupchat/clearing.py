"""`clear history`: what a person says to have members shown no more of the chat than its last messages. Pure."""

import re
from collections.abc import Collection, Sequence
from hashlib import blake2b

import msgspec

from rostra.protocol import ChatMessage
from rostra.protocol.chat import Control

from .rows import Row

_COMMAND = re.compile(r"\bclear\s+history\b((?:[ \t]+\S+){0,2})", re.IGNORECASE)


class Clearing(msgspec.Struct, frozen=True):
    """Whose view is cleared (empty: everybody's), and how many messages before the command are still shown."""

    agent: str = ""
    keep: int = 0


def command(text: str, members: Collection[str]) -> Clearing | None:
    """What `text` has cleared: `clear history`, then perhaps a member, a number, or both; None: nothing.

    Of several the last one counts. What follows and is neither ends the command.
    """
    found = list(_COMMAND.finditer(text))
    if not found:
        return None
    agent, keep = "", 0
    for word in found[-1].group(1).split():
        plain = word.strip(".,;:!?`'\"")
        if plain.isdecimal():
            keep = int(plain)
        elif plain in members:
            agent = plain
        else:
            break
    return Clearing(agent, keep)


def shown_after(messages: Sequence[ChatMessage], keep: int) -> int:
    """The last place that is not shown when the last `keep` of `messages` are; a call stays with its response."""
    place = max(0, len(messages) - keep)
    while 0 < place < len(messages) and messages[place].tool_responses:
        place -= 1
    return place


def control_of(row: Row, messages: Sequence[ChatMessage], members: Collection[str]) -> tuple[bytes, Control] | None:
    """The control, and its id, that what a person said in this row amounts to; `messages` come before it. None: it is none."""
    wanted = command(row.message.text, members) if row.message is not None else None
    if wanted is None:
        return None
    control = Control(
        what="clear",
        by=row.speaker,
        agent=wanted.agent,
        last=wanted.keep,
        sequence=shown_after(messages, wanted.keep),
    )
    return blake2b(row.turn, digest_size=16, person=b"rostra clear").digest(), control
