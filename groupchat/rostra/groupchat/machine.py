"""One group chat as a pure state machine: what happened goes in, what is to be done comes out. No socket, clock or disk.

A turn's life: a speaker is selected; its row is journalled; the member is asked; the answer closes the row and becomes the next
message; the stop conditions look at it; and again. `now` is milliseconds since 1970, given with each input.

Beside it: `turns` (the life of a turn that is open), `asides` (what is written beside the turns), `ledger` (what the rows add up
to), `scribe` (makes rows), `steering` (what controls mean to the open turn), `limits`, `telling` (what observers are told).
"""

from typing import Literal, assert_never

from rostra.protocol import COORDINATOR, Turn, TurnReply
from rostra.protocol.chat import Control, Result
from rostra.protocol.people import Asking

from .clearing import control_of
from .floor import problem
from .glance import Glance, Phase
from .inputs import (
    Abandon,
    Acknowledge,
    Answered,
    Append,
    Broken,
    Controlled,
    Effect,
    Failed,
    Finish,
    Heed,
    Input,
    Loaded,
    Mark,
    Petition,
    Said,
    Select,
    Selected,
    Stopped,
    Ticked,
    Voted,
    Waits,
    Withdraw,
)
from .limits import budget_of, extended, extension_id, extension_question, reached, used_up
from .methods import METHODS
from .rows import Row
from .selection import Chosen, Polled, Round, Unchosen
from .steering import about_budget, interrupts, reason_of, settled, wanted

Outcome = Literal["ended", "limit", "failed", "member_failed", "waits", "stopped"]


class Machine(Glance):
    """One chat under one coordinator's epoch."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """Take one input; returns the effects, to be carried out in order."""
        if self.phase in (Phase.RESTING, Phase.ENDED):
            return self._afterwards(event, now_ms)
        if isinstance(event, Loaded):
            return self._loaded(event, now_ms)
        self._clock(now_ms)
        match event:
            case Selected(choice):
                return self._selected(choice, now_ms) if self.phase is Phase.SELECTING else []
            case Answered(turn, reply):
                row = self._turns.current(turn)
                return self._answered(row, reply, now_ms) if row else [self._late(turn, reply, now_ms)]
            case Failed(turn):
                row = self._turns.current(turn)
                return self._failed(row, event, now_ms) if row else []
            case Said():
                return self._hear(event, now_ms)
            case Controlled():
                return self._controlled(event, now_ms)
            case Voted(id_, speaker, tally):
                return [*self._asides.vote(id_, speaker, tally, now_ms), Heed(id_)]
            case Stopped(reason):
                return [Abandon(), *self._finish("stopped", reason or "stopped by an operator", now_ms)]
            case Waits(reason):
                return [Abandon(), *self._finish("waits", reason, now_ms)]
            case Broken(reason):
                return [Abandon(), *self._finish("failed", reason, now_ms)]
            case Ticked():
                return self._ticked(now_ms)
            case _:
                assert_never(event)

    # ---- beginning

    def _loaded(self, loaded: Loaded, now_ms: int) -> list[Effect]:
        ledger = self.ledger
        for row in loaded.rows:
            self._scribe.rows = row.number
            if row.kind == "turn" and row.state != "late":
                ledger.floor = ledger.floor.turn_begun()
            self._turns.take(row)
        self._clock(now_ms)
        self.phase = Phase.ASKING if self._turns.open else Phase.SELECTING
        effects: list[Effect] = []
        if loaded.fresh:
            effects.append(self._tell.started(self.messages[0].name))
            effects += map(self._tell.message, self.messages)
        elif not (self.floor.paused and not self._turns.open):
            effects.append(self._tell.state(len(self.messages), "running"))
        if self.floor.asking:
            effects.append(self._petition())
        if self.floor.stop is not None and self.floor.stop.now and loaded.control is None:
            return effects + self._finish("stopped", reason_of(self.floor.stop), now_ms)
        begun = self._turns.open
        if loaded.control is not None:
            effects += self._controlled(loaded.control, now_ms)
        if not begun:
            return effects if loaded.control is not None else [*effects, *self._next(now_ms)]
        if self.phase is not Phase.ASKING or self._turns.open != begun:
            return effects
        if self._turns.complete:  # it was known what came of it, and not written yet
            return [*effects, *self._turns.settle(now_ms), *self._next(now_ms)]
        return effects + self._turns.asks()

    def _clock(self, now_ms: int) -> None:
        self.ledger.facts = self.ledger.facts.at(self.ledger.seconds(now_ms))

    # ---- turns

    def _next(self, now_ms: int) -> list[Effect]:
        """After a message, or a failed turn: write what people said meanwhile, stop, or select."""
        effects: list[Effect] = []
        while True:
            effects += self._cleared(now_ms)
            ended = self._ended(now_ms)
            if ended:
                return effects + ended
            if not self._asides.waiting:
                break
            effects += self._asides.write(now_ms)
        if self.floor.stop is not None:
            return effects + self._finish("stopped", reason_of(self.floor.stop), now_ms)
        if self.floor.paused:
            if self.phase is Phase.PAUSED:
                return effects
            self.phase = Phase.PAUSED
            return [*effects, Mark("paused"), self._tell.state(len(self.messages), "paused")]
        if self.floor.next is not None:
            return effects + self._selected(wanted(self.floor.next, len(self.messages) + 1), now_ms)
        self.phase = Phase.SELECTING
        return [*effects, Select(self.ledger.situation(self.chat, self._scribe.rows + 1))]

    def _selected(self, choice: Chosen | Round | Unchosen | Polled, now_ms: int) -> list[Effect]:
        if isinstance(choice, Polled):
            polled: list[Effect] = []
            for tally in choice.tallies:
                polled += self._asides.vote(self._scribe.make_id(), COORDINATOR, tally, now_ms)
            return polled + self._next(now_ms)
        if isinstance(choice, Unchosen):
            self.ledger.spent(choice.usage)
            if choice.outcome == "muted":
                pause = Control(what="pause", reason=choice.reason)
                return [*self._asides.control(self._scribe.make_id(), pause, now_ms), *self._next(now_ms)]
            return self._finish(choice.outcome, choice.reason, now_ms)
        effects: list[Effect] = []
        while self._asides.waiting:
            effects += self._asides.write(now_ms)
            ended = self._ended(now_ms)
            if ended:
                return effects + ended
        self.phase = Phase.ASKING
        choices, need = (choice.choices, choice.need) if isinstance(choice, Round) else ((choice,), 0)
        room = self.floor.max_rounds - len(self.messages)
        return effects + self._turns.begin(choices[:room], min(need, room), now_ms)

    def turn_for(self, member: str) -> Turn:
        """What a member is sent when it is its turn."""
        return self._turns.brief(member)

    def _answered(self, row: Row, reply: TurnReply, now_ms: int) -> list[Effect]:
        silent = self._turns.silent(row, reply, now_ms)
        if silent is not None:
            return self._finish("ended", silent.error, now_ms, silent)
        effects = self._turns.answered(row, reply, now_ms)
        return effects if self._turns.open else [*effects, *self._next(now_ms)]

    def _failed(self, row: Row, failed: Failed, now_ms: int) -> list[Effect]:
        effects = self._turns.failed(row, failed, now_ms)
        return effects if self._turns.open else [*effects, *self._next(now_ms)]

    def _late(self, turn: bytes, reply: TurnReply, now_ms: int) -> Append:
        """An answer to a turn that is over."""
        return Append(self._scribe.late(turn, reply, now_ms))

    # ---- what people say beside the turns

    def _hear(self, said: Said, now_ms: int) -> list[Effect]:
        """It is written when the open turn is closed: the place that the turn was promised stays its own."""
        effects = self._asides.hear(said)
        return self._next(now_ms) if self.phase is Phase.PAUSED and not effects else effects

    def forget(self, id: bytes) -> None:  # noqa: A002 - the wire's word
        """Whoever said this with the request `id` gave up before it was written."""
        self.ledger.said.pop(id, None)

    def _cleared(self, now_ms: int) -> list[Effect]:
        """What a person just said may have cleared what members are shown."""
        row = self.ledger.last
        person = row is not None and (row.kind == "said" or row.speaker in self._options.people)
        if row is None or not person or not self._options.clear_history:
            return []
        found = control_of(row, self.messages[:-1], self.floor.members)
        return [] if found is None or found[0] in self.ledger.heeded else self._asides.control(*found, now_ms)

    # ---- what operators do

    def _controlled(self, event: Controlled, now_ms: int) -> list[Effect]:
        id_ = event.id
        if id_ in self.ledger.heeded:  # the same request, once more
            return [Heed(id_)]
        control = settled(event.control, floor=self.floor, speakers=self.speakers, admin=self.admin, messages=self.messages)
        wrong = problem(
            self.floor,
            control,
            team=[member.name for member in self._options.members],
            speakers=self.speakers,
            messages=len(self.messages),
            methods=[one for one in METHODS if one != "flow" or self._options.flow is not None],
        )
        if wrong:
            return [Heed(id_, wrong)]
        if control.what == "answer":
            return [*self._heard(id_, control, now_ms), Heed(id_)]
        was_paused, was_asking = self.phase is Phase.PAUSED, bool(self.floor.asking)
        if control.what == "stop" and control.now:
            recorded = self._asides.control(id_, control, now_ms)
            return [Abandon(), *recorded, *self._finish("stopped", reason_of(control), now_ms), Heed(id_)]
        if self._turns.open and not interrupts(control, self.speakers):
            return [*self._asides.control(id_, control, now_ms), Heed(id_)]
        effects = self._interrupted(control, now_ms)
        effects += self._asides.control(id_, control, now_ms)
        if was_asking and not self.floor.asking:
            effects.append(Withdraw(""))
        if was_paused and not self.floor.paused:
            effects += self._going_on()
        if self._turns.open:  # one of several was taken back
            return [*effects, Heed(id_)]
        return [*effects, *self._next(now_ms), Heed(id_)]

    def _going_on(self) -> list[Effect]:
        self.phase = Phase.SELECTING
        return [Mark("running"), self._tell.state(len(self.messages), "running")]

    def _heard(self, id_: bytes, control: Control, now_ms: int) -> list[Effect]:
        """A person has answered; it interrupts nobody."""
        if not (self.floor.asking and about_budget(control)):
            return self._asides.control(id_, control, now_ms)
        reason = self.floor.asking
        control = extended(control, self._options.budget, self.floor, self.ledger.facts)
        effects = self._asides.control(id_, control, now_ms)
        if self.floor.asking:
            return [*effects, *self._finish("limit", f"{reason}, and nobody extended it", now_ms)]
        return [*effects, *self._going_on(), *self._next(now_ms)]

    def _interrupted(self, control: Control, now_ms: int) -> list[Effect]:
        """Nobody waits any more for what is under way; an open turn is closed, and an answer that still comes is late."""
        if self.phase is Phase.PAUSED:
            return []
        effects = self._turns.taken_back(control, now_ms)
        if self._turns.open:
            return effects
        self.phase = Phase.SELECTING
        return [Abandon(), Withdraw(""), *effects]

    # ---- ending

    def _ended(self, now_ms: int) -> list[Effect]:
        """The effects of ending, when a condition or a limit says so; else nothing."""
        met = self.ledger.watch.look(self.ledger.facts)
        if met is not None:
            return self._finish("limit" if met.limit else "ended", met.reason, now_ms)
        wished = self._wished()
        if wished is not None:
            return self._finish(*wished, now_ms)
        if self.ledger.all_passed:
            return self._finish("ended", "everybody passed", now_ms)
        budget = budget_of(self._options.budget, self.floor)
        reason = reached(budget, self.ledger.facts, self.floor.max_rounds)
        if self._options.extending is not None and not self.no_input and reason == used_up(budget, self.ledger.facts):
            return self._asked(reason, now_ms) if reason and not self.floor.asking else []
        return self._finish("limit", reason, now_ms) if reason else []

    def _wished(self) -> tuple[Outcome, str] | None:
        """How, and why, the user's stop function ends the chat; what the opening says ends none."""
        function, messages = self._options.stop_function, self.messages
        if function is None or len(messages) < 2:
            return None
        try:
            answer = function(tuple(messages))
        except Exception as error:  # noqa: BLE001 - somebody else's function must not cost the answer just given
            return "failed", f"the stop function raised {type(error).__name__}: {error}"
        if not answer:
            return None
        return "ended", answer if isinstance(answer, str) else "the stop function ended the chat"

    def _asked(self, reason: str, now_ms: int) -> list[Effect]:
        """A person is asked whether the budget is extended; the chat is paused until then."""
        effects = self._asides.control(self._scribe.make_id(), Control(what="budget", reason=reason), now_ms)
        self.phase = Phase.PAUSED
        return [*effects, Mark("paused"), self._tell.state(len(self.messages), "paused"), self._petition()]

    def _petition(self) -> Petition:
        asking = self._options.extending or Asking()
        id_ = extension_id(self.chat, self.floor.extensions)
        return Petition(id_, extension_question(self.chat, self.floor.asking, asking))

    def _ticked(self, now_ms: int) -> list[Effect]:
        """Time has passed. Before a person is asked to extend the budget, what is under way is finished."""
        if self._options.extending is not None and not self.no_input and self.ledger.watch.look(self.ledger.facts) is None:
            return []
        ended = self._ended(now_ms)
        return [Abandon(), *ended] if ended else []

    def _finish(self, outcome: Outcome, reason: str, now_ms: int, closed: Row | None = None) -> list[Effect]:
        rows: tuple[Row, ...] = ()
        told: list[Effect] = []
        if closed is not None:
            self._turns.take(closed)
            rows = (closed,)
        elif outcome != "waits":
            rows, told = self._turns.cut_off(reason, now_ms)
        self.phase = Phase.RESTING if outcome == "waits" else Phase.ENDED
        self.result = Result(
            chat=self.chat,
            outcome=outcome,
            stop_reason=reason,
            messages=len(self.messages),
            usage=self.usage,
            seconds=round(self.ledger.seconds(now_ms), 3),
        )
        return [Finish(self.result, rows), *told, *self._asides.unwritten(), self._tell.result(self.result)]

    def _afterwards(self, event: Input, now_ms: int) -> list[Effect]:
        match event:
            case Said():
                return [Acknowledge(event.id, self.ledger.heard.get(event.id))]
            case Voted(id_):
                return [Heed(id_, "" if id_ in self.ledger.tallies else "the chat is over")]
            case Controlled(id_):
                over = "the chat has ended" if self.phase is Phase.ENDED else "the chat rests; resume it first"
                return [Heed(id_, "" if id_ in self.ledger.heeded else over)]
            case Answered(turn, reply) if self.phase is Phase.ENDED:
                return [self._late(turn, reply, now_ms)]
            case _:
                return []
