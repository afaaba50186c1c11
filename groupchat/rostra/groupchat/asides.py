"""What is written beside the turns: what people say, votes, and what operators do. Pure."""

from rostra.protocol import Tally
from rostra.protocol.chat import Control

from .inputs import Acknowledge, Append, Effect, Record, Said
from .ledger import Ledger
from .scribe import Scribe
from .telling import Telling
from .turns import Turns


class Asides:
    """Rows of one chat that are closed from the start."""

    def __init__(self, ledger: Ledger, scribe: Scribe, tell: Telling, turns: Turns) -> None:
        self._ledger, self._scribe, self._tell, self._turns = ledger, scribe, tell, turns

    @property
    def waiting(self) -> bool:
        """Whether people said something that is not written yet."""
        return bool(self._ledger.said)

    def hear(self, said: Said) -> list[Effect]:
        """A person says something: it is written by `write`, unless it was before."""
        if said.id in self._ledger.heard:
            return [Acknowledge(said.id, self._ledger.heard[said.id])]
        self._ledger.said[said.id] = said
        return []

    def write(self, now_ms: int) -> list[Effect]:
        """Write the first of what people said."""
        said = self._ledger.said.pop(next(iter(self._ledger.said)))
        row = self._scribe.said(said, len(self._ledger.messages) + 1, now_ms)
        assert row.message is not None
        self._turns.take(row)
        return [Append(row), Acknowledge(said.id, row.message), self._tell.message(row.message)]

    def unwritten(self) -> list[Effect]:
        """The chat is over: what people said and is not written never will be."""
        effects: list[Effect] = [Acknowledge(id_, None) for id_ in self._ledger.said]
        self._ledger.said.clear()
        return effects

    def vote(self, id_: bytes, speaker: str, tally: Tally, now_ms: int) -> list[Effect]:
        """The members have voted. It is no message: it may be written while a turn is open."""
        if id_ in self._ledger.tallies:  # the same request, once more
            return []
        row = self._scribe.vote(id_, speaker, tally, len(self._ledger.messages), now_ms)
        self._turns.take(row)
        return [Append(row), self._tell.vote(row, len(self._ledger.messages))]

    def control(self, id_: bytes, control: Control, now_ms: int) -> list[Effect]:
        """An operator has done something."""
        row = self._scribe.control(id_, control, now_ms)
        self._turns.take(row)
        return [Record(row, self._ledger.floor), self._tell.state(len(self._ledger.messages), control=control)]
