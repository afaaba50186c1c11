"""What the closed rows of a chat add up to: its messages, figures, and floor. Pure.

Taking the same rows again, in the order of their numbers, gives the same account after any restart.
"""

from collections import Counter

from rostra.protocol import COORDINATOR, ChatMessage, Tally, Usage
from rostra.protocol.chat import Control

from .conditions import Condition, Watch
from .facts import Facts
from .fit import Weight, weigh
from .floor import Floor
from .flow import Move
from .inputs import Said
from .rows import ENOUGH, Row, Settings
from .selection import Situation


class Ledger:
    """The account of one chat that began at `created_ms`. `stop`: the condition that ends it, or None."""

    def __init__(self, settings: Settings, stop: Condition | None, created_ms: int) -> None:
        self.messages: list[ChatMessage] = []
        self.weights: list[Weight] = []
        self.facts = Facts()
        self.floor = Floor(members=settings.members, max_rounds=settings.max_rounds, no_input=settings.no_input)
        self.watch = Watch(stop)
        self.ordinal = 0
        """How many answers of the selecting model are on record."""
        self.own: dict[str, int] = {}
        """The place up to which each member has seen the chat when it last spoke: that of its message, or before its round."""
        self.last_speaker = ""
        self.failures: Counter[str] = Counter()
        """Failed turns of each member since the last message."""
        self.passed: tuple[str, ...] = ()
        """Who has passed since the last message."""
        self.moves: list[Move] = []
        """What came of each turn."""
        self.said: dict[bytes, Said] = {}
        """What people said and is not written yet, by the request's id."""
        self.heard: dict[bytes, ChatMessage] = {}
        """What people said and is written."""
        self.heeded: set[bytes] = set()
        """The requests of the controls on record."""
        self.votes = 0
        """How many votes are on record, those on the next speaker included."""
        self.tallies: dict[bytes, Tally] = {}
        """What came of the votes that somebody asked for, by the request's id."""
        self._polls: list[tuple[int, str, str]] = []
        """The votes on the stop condition: after how many messages, on what, which option won."""
        self.rewound = False
        self._stop, self._created_ms = stop, created_ms
        self._standing: list[Row] = []
        """The rows with a message that no control has rewound."""
        self._last_ms = created_ms
        """When the last row was closed."""
        self._paused_ms = 0
        self._paused_since: int | None = None

    def seconds(self, now_ms: int) -> float:
        """Seconds since the chat began, without those in which it was paused."""
        paused = self._paused_ms + (max(0, now_ms - self._paused_since) if self._paused_since is not None else 0)
        return max(0, now_ms - self._created_ms - paused) / 1000

    def at_ms(self, seconds: float) -> int:
        """When `seconds` will have passed, if the chat is not paused before."""
        return self._created_ms + self._paused_ms + int(seconds * 1000)

    def situation(self, chat: str, row: int) -> Situation:
        """What whoever selects the next speaker must know; `row`: the number of the row that the turn will have."""
        return Situation(
            chat,
            len(self.messages) + 1,
            row,
            self.last_speaker,
            self.messages,
            dict(self.failures),
            self.ordinal,
            self.floor.members,
            self.floor.muted,
            self.passed,
            self.moves,
            max(1, self.floor.max_rounds - self.facts.messages),
            self.floor.cleared,
            self.votes,
            self.floor.selection,
            self.watch.votes(self.facts, len(self.floor.members)),
        )

    @property
    def last(self) -> Row | None:
        """The row of the last message."""
        return self._standing[-1] if self._standing else None

    @property
    def all_passed(self) -> bool:
        """Whether everybody who gets turns has passed since the last message."""
        return bool(self.passed) and set(self.floor.members) - set(self.floor.muted) <= set(self.passed)

    def spent(self, usage: tuple[Usage, ...]) -> None:
        """Count what no row holds."""
        self.facts = self.facts.with_usage(usage)

    def take(self, row: Row, *, open_turn: bool = False) -> None:
        """Count a closed row; `open_turn`: another one is open while it is closed."""
        self.facts = self.facts.with_usage((*row.usage, *row.selection_usage))
        if row.why is not None:
            self.ordinal += len(row.why.answers)
            self.votes += row.why.tally is not None
        if row.control is not None:
            self._take_control(row.turn, row.control)
        elif row.kind == "turn" and row.state != "cancelled":
            self.floor = self.floor.turn_over()
        self._take_time(row.done_ms, open_turn)
        if row.rewound:
            return
        if row.kind == "vote" and row.why is not None and row.why.tally is not None:
            self._take_vote(row.turn, row.speaker, row.why.tally)
        if row.state == "failed":
            self.failures[row.speaker] += 1
        if row.state == "passed":
            self.passed = tuple(dict.fromkeys((*self.passed, row.speaker)))
            self.last_speaker = row.speaker
        if row.kind == "turn":
            self._take_move(row)
        if row.message is not None:
            self._standing.append(row)
            self._count(row, row.message)

    def _count(self, row: Row, message: ChatMessage) -> None:
        self.messages.append(message)
        self.weights.append(weigh(message))
        self.facts = self.facts.with_message(message)
        self.failures.clear()
        self.passed = ()
        if row.kind == "turn":
            together = row.why is not None and bool(row.why.together)
            self.own[row.speaker] = row.why.sequence - 1 if together and row.why is not None else row.sequence
        if row.kind == "said":
            self.heard[row.turn] = message
            self.said.pop(row.turn, None)
        elif row.speaker in self.floor.members:
            self.last_speaker = row.speaker
        self.watch.look(self.facts)

    def _take_move(self, row: Row) -> None:
        """Taken back by an operator, a turn is no move: whoever was to speak still is."""
        state = "dropped" if row.error == ENOUGH else row.state
        if state in ("done", "passed", "failed", "dropped"):
            together = row.why.together if row.why is not None else ()
            begun = row.number - (together.index(row.speaker) if row.speaker in together else 0)
            place = len(self.messages) + (row.message is not None)
            self.moves.append(Move(begun, row.speaker, state, row.message, place))

    def _take_vote(self, id_: bytes, speaker: str, tally: Tally) -> None:
        self.tallies[id_] = tally
        if speaker == COORDINATOR:  # nobody else's question ends the chat
            self._polls.append((len(self.messages), tally.proposal.text, tally.winner))
            self.facts = self.facts.with_vote(tally.proposal.text, tally.winner)
            self.watch.look(self.facts)

    def _take_control(self, id_: bytes, control: Control) -> None:
        self.heeded.add(id_)
        self.floor = self.floor.with_control(control)
        if control.what == "rewind":
            self._rewind(control.sequence)
        if control.content:  # what is said instead of what was said then
            self.said[id_] = Said(id_, control.name or "user", control.content)

    def _rewind(self, sequence: int) -> None:
        """Count anew, up to the place `sequence`. What was spent stays spent."""
        self.rewound = True
        standing, self._standing = self._standing[:sequence], self._standing[:sequence]
        self.messages, self.weights, self.own, self.heard = [], [], {}, {}
        self.failures.clear()
        self.passed = ()
        self.last_speaker = ""
        self.watch = Watch(self._stop)
        self.facts = Facts(usage=self.facts.usage, seconds=self.facts.seconds)
        self.moves = [move for move in self.moves if move.place < sequence + (move.message is not None)]
        self._polls = [poll for poll in self._polls if poll[0] < sequence]
        for row in standing:
            assert row.message is not None
            self._count(row, row.message)
            for place, text, winner in self._polls:
                if place == len(self.messages):
                    self.facts = self.facts.with_vote(text, winner)
                    self.watch.look(self.facts)

    def _take_time(self, done_ms: int, open_turn: bool) -> None:
        """A chat is paused from the moment on at which nothing is open any more."""
        self._last_ms = max(done_ms, self._last_ms)
        if not self.floor.paused and self._paused_since is not None:
            self._paused_ms += max(0, done_ms - self._paused_since)
            self._paused_since = None
        elif self.floor.paused and self._paused_since is None and not open_turn:
            self._paused_since = self._last_ms
