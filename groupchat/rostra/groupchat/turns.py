"""The life of a turn once its speaker is chosen: journalled, asked, asked again, and closed, one way or another. Pure."""

from collections.abc import Callable
from typing import Literal

import msgspec

from rostra.protocol import BadMessage, Member, Turn, TurnReply
from rostra.protocol.chat import Control

from .briefing import as_kept, brief, introduced
from .facts import plausible
from .fit import check_message
from .floor import sentence
from .inputs import Ask, Close, Effect, Failed, Journal, Tried, Withdraw
from .ledger import Ledger
from .options import ChatOptions
from .rows import Row
from .scribe import Scribe
from .selection import Chosen
from .telling import Telling

RETRY_PAUSE = 0.25
"""Seconds before a member is asked again; doubled each time."""


class Turns:
    """The open turn of one chat, if there is one. `member` tells who somebody is."""

    def __init__(
        self,
        chat: str,
        options: ChatOptions,
        ledger: Ledger,
        scribe: Scribe,
        tell: Telling,
        member: Callable[[str], Member],
    ) -> None:
        self._chat, self._options, self._member = chat, options, member
        self._ledger, self._scribe, self._tell = ledger, scribe, tell
        self.open: Row | None = None

    @property
    def speaker(self) -> str:
        """Whose turn is open; empty: nobody's."""
        return self.open.speaker if self.open is not None else ""

    @property
    def place(self) -> int:
        """The place in the transcript of the next message."""
        return len(self._ledger.messages) + 1

    def current(self, turn: bytes) -> Row | None:
        """The open turn, when it is this one."""
        return self.open if self.open is not None and self.open.turn == turn else None

    def take(self, row: Row) -> None:
        """Count a closed row."""
        self._ledger.take(row, open_turn=self.open is not None)

    def brief(self, member: str) -> Turn:
        """What a member is sent when it is its turn."""
        introduction = self._introduction if self._options.introductions else None
        return brief(self._ledger, member, chat=self._chat, epoch=self._scribe.epoch, introduction=introduction)

    def _introduction(self) -> str:
        return introduced(map(self._member, self._ledger.floor.members))

    def begin(self, choice: Chosen, now_ms: int) -> list[Effect]:
        """The turn of whoever was chosen begins."""
        if choice.why.sequence != self.place:
            choice = msgspec.structs.replace(choice, why=msgspec.structs.replace(choice.why, sequence=self.place))
        row = self.open = self._scribe.turn(choice, now_ms)
        self._ledger.floor = self._ledger.floor.turn_begun()
        return [Journal(row), self._tell.selected(row.speaker, choice.why), self.ask(row)]

    def ask(self, row: Row, pause: float = 0.0) -> Ask:
        """Ask whose turn it is, after `pause` seconds."""
        return Ask(row.turn, row.speaker, self.brief(row.speaker), pause)

    def silent(self, row: Row, reply: TurnReply, now_ms: int) -> Row:
        """The closed row of a member that has nothing to say, with the reason as its error; it closes the chat, too."""
        reason = reply.reason or f"{row.speaker} had nothing to say"
        return row.with_(state="done", usage=plausible(reply.usage), error=reason, done_ms=now_ms)

    def answered(self, row: Row, reply: TurnReply, now_ms: int) -> list[Effect]:
        """The member has answered with a message."""
        assert reply.message is not None
        usage = plausible(reply.usage)
        message = as_kept(reply.message, row.speaker, self.place)
        try:
            check_message(message)
        except BadMessage as error:
            return self._give_up(row.with_(usage=usage), str(error), "failed", now_ms)
        closed = row.with_(
            state="done",
            epoch=self._scribe.epoch,
            sequence=message.sequence,
            message=message,
            usage=usage,
            done_ms=now_ms,
        )
        self.open = None
        self.take(closed)
        return [Close(closed), self._tell.message(message)]

    def failed(self, row: Row, failed: Failed, now_ms: int) -> list[Effect]:
        """The member has not answered: it is asked again, or the turn is closed."""
        if failed.kind == "broker":
            return [self.ask(row, RETRY_PAUSE)]
        if failed.kind in ("lost", "raised") and row.attempts <= self._options.turn_retries:
            row = self.open = row.with_(attempts=row.attempts + 1)
            return [Tried(row.turn, row.attempts), self.ask(row, RETRY_PAUSE * 2 ** (row.attempts - 2))]
        return self._give_up(row, failed.error, "skipped" if failed.kind == "absent" else "failed", now_ms)

    def _give_up(self, row: Row, error: str, type_: Literal["failed", "skipped"], now_ms: int) -> list[Effect]:
        closed = row.with_(state="failed", epoch=self._scribe.epoch, error=error, done_ms=now_ms)
        self.open = None
        self.take(closed)
        return [Close(closed), self._tell.missed(type_, closed, self.place)]

    def taken_back(self, control: Control, now_ms: int) -> list[Effect]:
        """An operator takes the open turn back; an answer that still comes is late."""
        row, self.open = self.open, None
        if row is None:
            return []
        closed = row.with_(
            state="failed" if control.what == "skip" else "cancelled",
            epoch=self._scribe.epoch,
            error=sentence(control),
            done_ms=now_ms,
        )
        self.take(closed)
        return [Close(closed), Withdraw(row.speaker), self._tell.missed("skipped", closed, self.place)]

    def cut_off(self, reason: str, now_ms: int) -> Row | None:
        """The chat ends in the middle of the open turn: its row, closed, if there is one."""
        row, self.open = self.open, None
        if row is None:
            return None
        self._ledger.spent(row.selection_usage)
        return row.with_(state="failed", epoch=self._scribe.epoch, error=f"the chat ended: {reason}", done_ms=now_ms)
