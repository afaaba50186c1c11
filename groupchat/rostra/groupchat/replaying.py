"""A recorded chat is played again by the state machine, without members, models, network or clock. Pure.

What members answered, people said and operators did is taken from the record; who was asked what, in which order, what became of
the answers and how the chat ended must come out again as it was written. So it shows whether a record was tampered with, and
whether this version of the machine still does with it what the version did that wrote it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

import msgspec

from rostra.protocol import COORDINATOR, ChatMessage, Member, Tally, TurnReply
from rostra.protocol.chat import Record, Result, Why

from .choices import wrong_choice
from .floor import sentence
from .glance import Phase
from .inputs import (
    Answered,
    Append,
    Ask,
    Broken,
    Close,
    Controlled,
    Effect,
    Failed,
    Finish,
    Heed,
    Hold,
    Input,
    Journal,
    Loaded,
    Said,
    Select,
    Selected,
    Ticked,
    Voted,
    Waits,
)
from .inputs import Record as Recorded
from .machine import Machine
from .rows import ENOUGH, OPEN, Row, Settings, genesis, plain_columns, row_hash, stored
from .rules import options_of
from .selection import Chosen, Polled, Round, Situation, Unchosen
from .steering import interrupts

_COMPARED = ("kind", "speaker", "state", "sequence", "message", "error", "usage", "selection_usage", "control")


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded chat: what an export holds. `created_ms`: when it began, milliseconds since 1970."""

    chat: str
    created_ms: int
    settings: Settings
    records: tuple[Record, ...]
    members: tuple[Member, ...] = ()
    result: Result | None = None


def replay(script: Script) -> list[str]:
    """Everything that does not come out as it was written, a sentence each; empty: all of it does."""
    broken = list(_broken_links(script))
    return broken or list(dict.fromkeys(_Replay(script).run()))


def _broken_links(script: Script) -> Iterator[str]:
    """Whether the records are what was hashed."""
    previous = genesis(script.chat)
    closed = [record for record in script.records if record.state not in OPEN]
    for link, record in enumerate(closed, 1):
        row = row_of(record)
        if record.link != link:
            yield f"row {link} of the chain is missing"
            return
        previous = row_hash(previous, plain_columns(row, link), stored(row))
        if previous != record.hash:
            yield f"row {row.number}{f' (message {row.sequence})' if row.sequence else ''} is not what was written"
            return
    if not script.records:
        yield "there are no rows to play"


def row_of(record: Record) -> Row:
    """A record as a row; raises `msgspec.ValidationError` for one of a kind that this version does not know."""
    values = {name: getattr(record, name) for name in Row.__struct_fields__}
    return msgspec.convert(values, Row)


class _Replay:
    def __init__(self, script: Script) -> None:
        self._script, self._settings = script, script.settings
        self._options = options_of(script.settings.rules, script.members)
        every = [row_of(record) for record in script.records]
        self._rows = [row for row in every if not row.open]
        self._open = [row for row in every if row.open]
        self._ids = {row.number: row.turn for row in every}
        self._made: dict[int, Row] = {}
        self._problems: list[str] = []
        self._together: dict[int, Row] = {}
        """The rows of the round that is open, by their number."""
        self._situation: Situation | None = None
        self._result: Result | None = None
        self._machine = self._new()

    def _new(self) -> Machine:
        def make_id() -> bytes:  # the machine has counted the row, where it is the one of a turn
            number = machine.rows
            return self._ids.get(number if number not in self._made else number + 1, b"")

        machine = Machine(
            self._script.chat,
            self._options,
            self._settings,
            epoch=1,
            created_ms=self._script.created_ms,
            make_id=make_id,
        )
        return machine

    def run(self) -> Iterable[str]:
        """Play it; returns the problems."""
        rows = self._rows
        begun = next((place for place, row in enumerate(rows, 1) if row.control and row.control.what == "fork"), 1)
        for row in rows[:begun]:
            self._made[row.number] = row
        self._feed(Loaded(rows[:begun], fresh=True), rows[begun - 1].done_ms)
        turns = [row for row in [*rows[begun:], *self._open] if row.kind == "turn" and row.state != "late"]
        turns.sort(key=lambda row: row.number)
        for place, row in enumerate(rows[begun:], begun):
            while turns and turns[0].number <= row.number:
                self._ask(self._round(turns))
            if row.number not in self._made or self._made[row.number].state == "asked":
                self._close(row, rows[place + 1 :])
        while turns:  # what is open
            self._ask(self._round(turns))
        if any(row.state == "held" for row in self._open):
            self._answers()
        self._end()
        for row in rows:
            self._compare(row)
        extra = [number for number, made in self._made.items() if number not in self._ids and not made.open]
        self._problems += [f"row {number} is not on record" for number in extra]
        return self._problems

    # ---- feeding

    def _feed(self, event: Input, now_ms: int) -> None:
        for effect in self._machine.handle(event, now_ms):
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Select(situation):
                self._situation = situation
            case Ask():
                self._situation = None
            case Append(row) | Hold(row) | Recorded(row):
                self._made[row.number] = row
            case Journal(rows) | Close(rows):
                self._made |= {row.number: row for row in rows}
            case Finish(result, rows):
                self._result, self._situation = result, None
                self._made |= {row.number: row for row in rows}
            case Heed(_, problem) if problem:
                self._problems.append(f"what an operator did is refused: {problem}")
            case _:
                pass

    def _round(self, turns: list[Row]) -> list[Row]:
        """Take the rows of the turns that begin next, together, off the list."""
        why = turns[0].why
        count = len(why.together) if why is not None and why.together else 1
        taken = turns[:count]
        del turns[:count]
        self._together = {row.number: row for row in taken} if count > 1 else {}
        return taken

    def _answers(self) -> None:
        """What came of the turns of a round by itself; answers last, since enough of them end it."""
        done = {sentence(row.control) for row in self._rows if row.control is not None}
        for state in ("failed", "passed", "held", "done"):
            for row in self._together.values():
                own = row.error not in done and not row.error.startswith("the chat ended: ")
                if row.state == state and own and self._made[row.number].state == "asked":
                    self._close(row, [], alone=True)

    def _ask(self, rows: Sequence[Row]) -> None:
        """The turns of these rows begin."""
        row = rows[0]
        if row.number in self._made:
            return  # somebody was wanted next, and the machine has asked at once
        situation = self._situation
        if situation is None or row.why is None:
            self._problems.append(f"row {row.number}: it was not to be {row.speaker}'s turn")
            return
        said = any(one.kind == "said" and one.done_ms == row.asked_ms and one.number < row.number for one in self._rows)
        wrong = "" if said else wrong_choice(self._options, situation, rows)  # it was said while the choice was made
        if wrong:
            self._problems.append(f"row {row.number}: {wrong}")
        self._situation = None
        chosen = tuple(Chosen(one.speaker, one.why, one.selection_usage) for one in rows if one.why is not None)
        self._feed(Selected(Round(chosen, row.why.need) if len(chosen) > 1 else chosen[0]), row.asked_ms)

    def _close(self, row: Row, later: Sequence[Row], *, alone: bool = False) -> None:
        """What became of a row happens again; of a round, first what came of all its turns, unless it is meant `alone`."""
        if row.number in self._together and not alone:
            self._answers()
            if self._made[row.number].state != "asked":
                return
            later = [one for one in later if one.number not in self._together]
        if row.kind != "said" and row.state != "late" and self._machine.phase is not Phase.PAUSED:
            for said in later:  # what was said meanwhile is written right after it
                if said.kind != "said":
                    break
                self._say(said)
        match row.kind, row.state:
            case "control", _:
                self._control(row)
            case "said", _:
                self._say(row)
            case "vote", _ if row.speaker == COORDINATOR:
                polls = [row, *takewhile(lambda one: (one.kind, one.speaker) == ("vote", COORDINATOR), later)]
                tallies = tuple(tally for one in polls if one.done_ms == row.done_ms and (tally := _tally(one)) is not None)
                self._situation = None
                self._feed(Selected(Polled(tallies)), row.done_ms)
            case "vote", _ if (tally := _tally(row)) is not None:
                self._feed(Voted(row.turn, row.speaker, tally), row.done_ms)
            case "turn", "late":
                reply = TurnReply(message=row.message, usage=row.usage, reason=row.error)
                self._feed(Answered(row.turn, reply), row.done_ms)
            case "turn", "passed":
                self._feed(Answered(row.turn, TurnReply(usage=row.usage, passed=True)), row.done_ms)
            case "turn", "cancelled" if row.error == ENOUGH:
                pass  # enough of the others had answered
            case "turn", "held" if row.message is None:
                again = TurnReply(usage=row.usage, passed=True)
                self._feed(Failed(row.turn, "final", row.error) if row.error else Answered(row.turn, again), row.done_ms)
            case "turn", "done" | "held":
                self._feed(Answered(row.turn, TurnReply(message=row.message, usage=row.usage, reason=row.error)), row.done_ms)
            case "turn", _:
                control = later[0].control if later else None
                if control is not None and sentence(control) == row.error:
                    return  # the control closes it
                self._fail(row)
            case _:
                self._problems.append(f"row {row.number} is of no kind that is known here")

    def _say(self, row: Row) -> None:
        if row.message is not None and row.turn not in self._machine.ledger.heard:
            self._feed(Said(row.turn, row.speaker, row.message.text), row.done_ms)

    def _fail(self, row: Row) -> None:
        reason = row.error.removeprefix("the chat ended: ")
        if reason != row.error:
            self._feed(Ticked(), row.done_ms)
            if self._result is None:
                self._feed(Broken(reason), row.done_ms)
            return
        for _ in range(row.attempts - 1):
            self._feed(Failed(row.turn, "raised", row.error), row.done_ms)
        self._feed(Failed(row.turn, "final", row.error), row.done_ms)

    def _control(self, row: Row) -> None:
        control = row.control
        if control is not None and (control.now or interrupts(control, ())) and control.what not in ("skip", "leave"):
            self._answers()  # it has cut the round short
        if control is None:
            self._problems.append(f"row {row.number} says not what was done")
            return
        event = Controlled(row.turn, control)
        if control.what == "pause" and not control.by and control.reason.startswith("only members that are muted"):
            self._feed(Selected(Unchosen("muted", control.reason)), row.done_ms)
        elif self._machine.phase in (Phase.ENDED, Phase.RESTING):
            marks = {recorded.number: recorded.rewound for recorded in self._rows}
            rows = [
                made.with_(rewound=marks[number] if marks.get(number, 0) < row.number else 0)
                for number, made in sorted(self._made.items())
            ]
            self._machine, self._result = self._new(), None
            self._feed(Loaded(rows, control=event), row.done_ms)
        else:
            self._feed(event, row.done_ms)

    # ---- comparing

    def _end(self) -> None:
        """The chat ends as it did, where the end is in no row."""
        wanted, script = self._script.result, self._script
        if self._machine.ledger.said and self._situation is not None:  # it was written, and that was the end
            name = self._situation.members[0]
            why = Why(sequence=self._situation.sequence, speaker=name, reason="")
            self._feed(Selected(Chosen(name, why)), self._rows[-1].done_ms)
        if wanted is not None and self._result is None:
            at_ms = script.created_ms + round(wanted.seconds * 1000)
            match wanted.outcome:
                case "limit":
                    self._feed(Ticked(), at_ms + 1)
                case "waits":
                    self._feed(Waits(wanted.stop_reason), at_ms)
                case "ended" | "failed" | "member_failed" if self._machine.phase is Phase.SELECTING:
                    self._feed(Selected(Unchosen(wanted.outcome, wanted.stop_reason)), at_ms)
                case "failed":
                    self._feed(Broken(wanted.stop_reason), at_ms)
                case _:
                    pass
        made = self._result
        if wanted is None or made is None:
            if (wanted is None) != (made is None):
                self._problems.append("the chat does not end as it did")
        elif (made.outcome, made.stop_reason, made.messages) != (wanted.outcome, wanted.stop_reason, wanted.messages):
            self._problems.append(
                f"it ends as {made.outcome} ({made.stop_reason}), not as {wanted.outcome} ({wanted.stop_reason})"
            )

    def _compare(self, row: Row) -> None:
        made = self._made.get(row.number)
        if made is None:
            self._problems.append(f"row {row.number} does not come out again")
            return
        for name in _COMPARED:
            if getattr(made, name) != getattr(row, name):
                place = f" (message {row.sequence})" if row.sequence else ""
                self._problems.append(f"row {row.number}{place}: its {name} comes out differently")
                return


def _tally(row: Row) -> Tally | None:
    """The tally of a vote as it was when it was counted."""
    tally = row.why.tally if row.why is not None else None
    return tally if tally is None else msgspec.structs.replace(tally, usage=row.usage)


def said_differently(records: Iterable[Record], messages: Sequence[ChatMessage]) -> str:
    """Why `messages` are not what the records hold; empty: they are."""
    standing = [record.message for record in records if record.sequence and not record.rewound and record.message]
    standing.sort(key=lambda message: message.sequence)
    for mine, theirs in zip(standing, messages, strict=False):
        if _shown(mine) != _shown(theirs):
            return f"message {mine.sequence} is not what was written"
    return "" if len(standing) == len(messages) else f"there are {len(messages)} messages, but {len(standing)} were written"


def _shown(message: ChatMessage) -> object:
    return msgspec.structs.replace(message, metadata={})
