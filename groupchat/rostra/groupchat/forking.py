"""A chat that begins with what was said in another, here or elsewhere. Pure."""

from collections.abc import Callable, Iterable

import msgspec

from rostra.protocol import ChatMessage, Usage
from rostra.protocol.chat import Control

from .floor import Floor
from .ledger import Ledger
from .rows import Kind, Row, Settings

_LASTING = frozenset({"mute", "unmute", "join", "leave", "limit", "clear", "selection", "answer"})
"""Controls that are true of the fork, too; the others were about turns that were open then."""


def forked(rows: Iterable[Row], settings: Settings, control: Control, request: bytes, now_ms: int) -> tuple[list[Row], Floor]:
    """The rows of a fork of the chat with these `rows`, up to message `control.sequence`, and its floor.

    What failed on the way, and what it cost, is part of it; what was rewound, or came late, is not. The last row is `control`.
    """
    standing = sorted(
        (row for row in rows if not row.rewound and not row.open and row.state != "late"), key=lambda row: row.number
    )
    end = next(row.number for row in standing if row.sequence == control.sequence)
    kept = [row for row in standing if row.number <= end and (row.control is None or row.control.what in _LASTING)]
    made = [row.with_(number=number, epoch=1) for number, row in enumerate(kept, 1)]
    made.append(
        Row(
            number=len(made) + 1,
            kind="control",
            turn=request,
            speaker=control.by,
            state="done",
            epoch=1,
            control=control,
            asked_ms=now_ms,
            done_ms=now_ms,
        )
    )
    ledger = Ledger(settings, None, now_ms)
    for row in made:
        ledger.take(row)
    return made, ledger.floor


def imported(
    said: Iterable[tuple[ChatMessage, tuple[Usage, ...]]],
    settings: Settings,
    make_id: Callable[[], bytes],
    reason: str,
    now_ms: int,
) -> tuple[list[Row], Floor]:
    """The rows of a chat whose messages, and what models used for them, come from elsewhere, and its floor: it is paused.

    The last row is the control that says so, a fork of no chat of ours. `reason`: where the messages come from.
    """
    made: list[Row] = []
    for number, (message, usage) in enumerate(said, 1):
        kind: Kind = "opening" if number == 1 else "turn" if message.name in settings.members else "said"
        row = Row(
            number=number,
            kind=kind,
            turn=make_id(),
            speaker=message.name,
            state="done",
            epoch=1,
            sequence=number,
            message=msgspec.structs.replace(message, sequence=number),
            usage=usage,
            asked_ms=now_ms,
            done_ms=now_ms,
        )
        made.append(row)
    control = Control(what="fork", sequence=len(made), paused=True, reason=reason)
    made.append(
        made[-1].with_(
            number=len(made) + 1, kind="control", turn=make_id(), speaker="", sequence=0, message=None, usage=(), control=control
        )
    )
    ledger = Ledger(settings, None, now_ms)
    for row in made:
        ledger.take(row)
    return made, ledger.floor
