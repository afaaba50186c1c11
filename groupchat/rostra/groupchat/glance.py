"""What can be read off a chat that is being held: where it stands, who takes part, what it has used. Pure."""

from collections.abc import Callable
from enum import Enum

from rostra.protocol import ChatMessage, Member, Usage
from rostra.protocol.chat import Result
from rostra.protocol.ids import new_id

from .asides import Asides
from .floor import Floor
from .ledger import Ledger
from .limits import Clock, budget_of
from .options import ChatOptions
from .rows import Settings
from .scribe import Scribe
from .steering import admin_of
from .stop import parse
from .telling import Telling
from .turns import Turns


class Phase(Enum):
    """Where a chat stands."""

    LOADING = "loading"
    SELECTING = "selecting"
    ASKING = "asking"
    PAUSED = "paused"
    """An operator paused it: nothing is begun until one says so."""
    RESTING = "resting"
    """It waits for a person whom nobody can ask; it can be taken up again from the disk."""
    ENDED = "ended"


class Glance:
    """One chat under one coordinator's epoch, as others see it; `machine.Machine` makes it go on."""

    def __init__(
        self,
        chat: str,
        options: ChatOptions,
        settings: Settings,
        *,
        epoch: int,
        created_ms: int,
        member: Callable[[str], Member] = lambda name: Member(name=name),
        make_id: Callable[[], bytes] = new_id,
    ) -> None:
        self.chat, self.epoch = chat, epoch
        self.phase = Phase.LOADING
        self.result: Result | None = None
        stop = parse(options.stop) if options.stop.strip() else None
        self.ledger = Ledger(settings, stop, created_ms)
        self._options, self._clocked = options, Clock(stop)
        self._scribe, self._tell = Scribe(epoch, make_id), Telling(chat)
        self._turns = Turns(chat, options, self.ledger, self._scribe, self._tell, member)
        self._asides = Asides(self.ledger, self._scribe, self._tell, self._turns)

    @property
    def messages(self) -> list[ChatMessage]:
        """The messages of the transcript."""
        return self.ledger.messages

    @property
    def floor(self) -> Floor:
        """Who has the floor, as operators have left it."""
        return self.ledger.floor

    @property
    def members(self) -> tuple[str, ...]:
        """Who takes part now."""
        return self.floor.members

    @property
    def no_input(self) -> bool:
        """Whether nobody answers questions to people."""
        return self.floor.no_input

    @property
    def speakers(self) -> tuple[str, ...]:
        """Whose answer is waited for."""
        return self._turns.speakers

    @property
    def rows(self) -> int:
        """The number of the last row."""
        return self._scribe.rows

    @property
    def votes(self) -> int:
        """How many votes the chat has had, the one on whose turn is open included."""
        why = self._turns.open[0].why if self._turns.open else None
        return self.ledger.votes + (why is not None and why.tally is not None)

    @property
    def due_ms(self) -> int | None:
        """When time alone may end the chat: `Ticked` wants to be given then. None: never, or not any more."""
        if self.phase in (Phase.PAUSED, Phase.RESTING, Phase.ENDED):
            return None
        seconds = self._clocked.after(self.ledger.facts.seconds, budget_of(self._options.budget, self.floor))
        return None if seconds is None else self.ledger.at_ms(seconds) + 1

    @property
    def admin(self) -> str:
        """Who gets the floor when somebody takes over; empty: there is nobody to ask."""
        return admin_of(self.floor, self._options.admin)

    @property
    def usage(self) -> Usage:
        """What the chat has used so far."""
        return self.ledger.facts.usage
