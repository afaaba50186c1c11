"""The life of a turn once its speaker is chosen: journalled, asked, asked again, and closed, one way or another. Pure.

Usually one turn is open. Where several members are asked at once, their turns are a round: what comes of each is held until all
is known; then they are closed together, in the order in which they were begun, whoever answered first.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from rostra.protocol import BadMessage, Member, Turn, TurnReply
from rostra.protocol.chat import Control

from .briefing import as_kept, brief, introduced, is_pass
from .facts import plausible
from .fit import check_message
from .floor import sentence
from .inputs import Abandon, Ask, Close, Effect, Failed, Hold, Journal, Tried, Withdraw
from .ledger import Ledger
from .options import ChatOptions
from .rows import ENOUGH, Row
from .scribe import Scribe
from .selection import Chosen
from .telling import Telling

RETRY_PAUSE = 0.25
"""Seconds before a member is asked again; doubled each time."""


class Turns:
    """The open turns of one chat, if there are any. `member` tells who somebody is."""

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
        self._open: dict[bytes, Row] = {}

    @property
    def open(self) -> tuple[Row, ...]:
        """The rows that are not closed, in order."""
        return tuple(self._open.values())

    @property
    def asked(self) -> tuple[Row, ...]:
        """Those of them whose answer is waited for."""
        return tuple(row for row in self._open.values() if row.state == "asked")

    @property
    def speakers(self) -> tuple[str, ...]:
        """Whose answer is waited for."""
        return tuple(row.speaker for row in self.asked)

    @property
    def place(self) -> int:
        """The place in the transcript of the next message."""
        return len(self._ledger.messages) + 1

    def current(self, turn: bytes) -> Row | None:
        """The open turn with this id, when its answer is waited for."""
        row = self._open.get(turn)
        return row if row is not None and row.state == "asked" else None

    def take(self, row: Row) -> None:
        """Count a row from the disk, or one that was just closed."""
        if row.open:
            self._open[row.turn] = row
        elif row.state != "late":
            self._open.pop(row.turn, None)
            self._ledger.take(row, open_turn=bool(self._open))

    # ---- asking

    def brief(self, member: str) -> Turn:
        """What a member is sent when it is its turn."""
        turn = brief(self._ledger, member, chat=self._chat, epoch=self._scribe.epoch, introduction=self._introduction)
        together = next((row.why.together for row in self._open.values() if row.why is not None), ())
        return msgspec.structs.replace(turn, sequence=turn.sequence + together.index(member)) if member in together else turn

    def _introduction(self) -> str:
        members = map(self._member, self._ledger.floor.members)
        return introduced(members if self._options.introductions else (), passes=self._options.passes)

    def begin(self, choices: Sequence[Chosen], need: int, now_ms: int) -> list[Effect]:
        """The turns of those who were chosen begin; of several, `need` messages are enough (0: all are waited for)."""
        together = tuple(choice.speaker for choice in choices) if len(choices) > 1 else ()
        known = {"sequence": self.place, "together": together, "need": need if together else 0}
        for choice in choices:
            row = self._scribe.turn(msgspec.structs.replace(choice, why=msgspec.structs.replace(choice.why, **known)), now_ms)
            self._open[row.turn] = row
        self._ledger.floor = self._ledger.floor.turn_begun()
        selected = [self._tell.selected(row.speaker, row.why) for row in self.open if row.why is not None]
        return [Journal(self.open), *selected, *self.asks()]

    def asks(self) -> list[Effect]:
        """Ask everybody whose answer is waited for."""
        return [self._ask(row) for row in self.asked]

    def _ask(self, row: Row, pause: float = 0.0) -> Ask:
        return Ask(row.turn, row.speaker, self.brief(row.speaker), pause)

    # ---- what comes of it

    def silent(self, row: Row, reply: TurnReply, now_ms: int) -> Row | None:
        """The closed row of a member that has nothing to say, with the reason as its error: that ends the chat.

        None: it has something to say, or passes; in a round silence is a pass.
        """
        if reply.message is not None or reply.passed or len(self._open) > 1:
            return None
        reason = reply.reason or f"{row.speaker} had nothing to say"
        return row.with_(state="done", usage=plausible(reply.usage), error=reason, done_ms=now_ms)

    def answered(self, row: Row, reply: TurnReply, now_ms: int) -> list[Effect]:
        """The member has answered with a message, or passed."""
        row, message = row.with_(usage=plausible(reply.usage)), reply.message
        if message is None or reply.passed or (self._options.passes and is_pass(message)):
            return self._came(row, now_ms)
        try:
            check_message(message)
        except BadMessage as error:
            return self._give_up(row, str(error), "failed", now_ms)
        return self._came(row.with_(message=as_kept(message, row.speaker, 0)), now_ms)

    def failed(self, row: Row, failed: Failed, now_ms: int) -> list[Effect]:
        """The member has not answered: it is asked again, or the turn is over."""
        if failed.kind == "broker":
            return [self._ask(row, RETRY_PAUSE)]
        if failed.kind in ("lost", "raised") and row.attempts <= self._options.turn_retries:
            row = self._open[row.turn] = row.with_(attempts=row.attempts + 1)
            return [Tried(row.turn, row.attempts), self._ask(row, RETRY_PAUSE * 2 ** (row.attempts - 2))]
        return self._give_up(row, failed.error, "skipped" if failed.kind == "absent" else "failed", now_ms)

    def _give_up(self, row: Row, error: str, type_: Literal["failed", "skipped"], now_ms: int) -> list[Effect]:
        row = row.with_(error=error)
        return self._came(row, now_ms, self._tell.missed(type_, row, self.place))

    def _came(self, row: Row, now_ms: int, *told: Effect) -> list[Effect]:
        """What came of a turn is known: it is held until the round is over."""
        row = self._open[row.turn] = row.with_(state="held", done_ms=now_ms)
        effects = self.settle(now_ms) if self.complete else [Hold(row)]
        return [*effects[:1], *told, *effects[1:]]

    @property
    def complete(self) -> bool:
        """Whether nobody's answer is needed any more, of those who were asked."""
        need = next((row.why.need for row in self._open.values() if row.why is not None), 0)
        said = sum(row.message is not None for row in self._open.values())
        return bool(self._open) and (not self.asked or 0 < need <= said)

    def settle(self, now_ms: int, error: str = ENOUGH, state: Literal["failed", "cancelled"] = "cancelled") -> list[Effect]:
        """Close all open rows, in order; those that are not answered with this `state` and `error`."""
        left = self.asked
        closed = self._closed(now_ms, error, state)
        messages = [self._tell.message(row.message) for row in closed if row.message is not None]
        passes = [self._tell.passed(row, self.place) for row in closed if row.state == "passed"]
        missed = [self._tell.missed("skipped", row.with_(error=error), self.place) for row in left]
        withdrawn: list[Effect] = [effect for row in left for effect in (Abandon(row.turn), Withdraw(row.speaker))]
        return [Close(tuple(closed)), *withdrawn, *messages, *passes, *missed]

    def _closed(self, now_ms: int, error: str, state: Literal["failed", "cancelled"]) -> list[Row]:
        return [self._close(row, now_ms, error, state) for row in self.open]

    def _close(self, row: Row, now_ms: int, error: str, state: Literal["failed", "cancelled"]) -> Row:
        """Close one row, counting it."""
        closed = row.with_(epoch=self._scribe.epoch)
        if row.state == "asked":
            closed = closed.with_(state=state, error=error, done_ms=now_ms)
        elif row.message is not None:
            message = msgspec.structs.replace(row.message, sequence=self.place)
            closed = closed.with_(state="done", sequence=message.sequence, message=message)
        else:
            closed = closed.with_(state="failed" if row.error else "passed")
        self.take(closed)
        return closed

    def taken_back(self, control: Control, now_ms: int) -> list[Effect]:
        """An operator takes open turns back, those of one member or all; answers that still come are late."""
        alone = [row for row in self.asked if control.what in ("skip", "leave") and row.speaker == control.agent]
        if alone and len(self.asked) > 1:
            row = alone[0].with_(error=sentence(control))
            told = self._tell.missed("skipped", row, self.place)
            return [Abandon(row.turn), Withdraw(row.speaker), *self._came(row, now_ms, told)]
        if not self._open:
            return []
        return self.settle(now_ms, sentence(control), "failed" if control.what == "skip" else "cancelled")

    def cut_off(self, reason: str, now_ms: int) -> tuple[tuple[Row, ...], list[Effect]]:
        """The chat ends in the midst of open turns: their rows, closed, and what observers are told. What was held stands."""
        held = [row for row in self.open if row.state == "held"]
        left, self._open = self.asked, {row.turn: row for row in held}
        closed = self._closed(now_ms, "", "failed")
        for row in left:
            self._ledger.spent(row.selection_usage)
        error = f"the chat ended: {reason}"
        failed = [row.with_(state="failed", epoch=self._scribe.epoch, error=error, done_ms=now_ms) for row in left]
        told = [self._tell.message(row.message) for row in closed if row.message is not None]
        return tuple(sorted([*closed, *failed], key=lambda row: row.number)), list(told)

    def forget(self) -> None:
        """No turn is open any more: its row was closed with the chat."""
        self._open.clear()
