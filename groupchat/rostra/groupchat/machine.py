"""One group chat as a pure state machine: what happened goes in, what is to be done comes out. No socket, clock or disk.

A turn's life: a speaker is selected; its row is journalled; the member is asked; the answer closes the row and becomes the next
message; the stop conditions look at it; and again. `now` is milliseconds since 1970, given with each input.
"""

from collections.abc import Callable
from enum import Enum
from typing import Literal, assert_never

import msgspec

from rostra.protocol import COORDINATOR, BadMessage, ChatMessage, Member, Tally, Turn, TurnReply, Usage
from rostra.protocol.chat import ChatEvent, Control, Result, Why
from rostra.protocol.ids import new_id

from .conditions import Watch
from .facts import plausible
from .fit import check_message, prefix
from .floor import Floor, problem, sentence
from .inputs import (
    Abandon,
    Acknowledge,
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
    Input,
    Journal,
    Loaded,
    Mark,
    Publish,
    Record,
    Said,
    Select,
    Selected,
    Stopped,
    Ticked,
    Tried,
    Voted,
    Waits,
    Withdraw,
)
from .ledger import Ledger
from .options import ChatOptions
from .rows import Row, Settings
from .selection import Chosen, Polled, Situation, Unchosen
from .stop import parse
from .votes import vote_row

RETRY_PAUSE = 0.25
"""Seconds before a member is asked again; doubled each time."""

Outcome = Literal["ended", "limit", "failed", "member_failed", "waits", "stopped"]


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


class Machine:
    """One chat under one coordinator's epoch."""

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
        self._options, self._settings = options, settings
        self._member, self._make_id = member, make_id
        self._times = sorted({*Watch(stop).times, *([options.budget.seconds] if options.budget.seconds else [])})
        self._rows = 0
        self._open: Row | None = None

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
    def speaker(self) -> str:
        """Whose turn is open; empty: nobody's."""
        return self._open.speaker if self._open is not None else ""

    @property
    def votes(self) -> int:
        """How many votes the chat has had, the one on whose turn is open included."""
        why = self._open.why if self._open is not None else None
        return self.ledger.votes + (why is not None and why.tally is not None)

    @property
    def due_ms(self) -> int | None:
        """When time alone may end the chat: `Ticked` wants to be given then. None: never, or not any more."""
        if self.phase in (Phase.PAUSED, Phase.RESTING, Phase.ENDED):
            return None
        later = (seconds for seconds in self._times if seconds > self.ledger.facts.seconds)
        seconds = next(later, None)
        return None if seconds is None else self.ledger.at_ms(seconds) + 1

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
                open_row = self._current(turn)
                return self._answered(open_row, reply, now_ms) if open_row else self._late(turn, reply, now_ms)
            case Failed(turn):
                open_row = self._current(turn)
                return self._failed(open_row, event, now_ms) if open_row else []
            case Said():
                return self._hear(event, now_ms)
            case Controlled():
                return self._controlled(event, now_ms)
            case Voted(id_, speaker, tally):
                return [*self._voted(id_, speaker, tally, now_ms), Heed(id_)]
            case Stopped(reason):
                return [Abandon(), *self._finish("stopped", reason or "stopped by an operator", now_ms)]
            case Waits(reason):
                return [Abandon(), *self._finish("waits", reason, now_ms)]
            case Broken(reason):
                return [Abandon(), *self._finish("failed", reason, now_ms)]
            case Ticked():
                ended = self._ended(now_ms)
                return [Abandon(), *ended] if ended else []
            case _:
                assert_never(event)

    # ---- beginning

    def _loaded(self, loaded: Loaded, now_ms: int) -> list[Effect]:
        ledger = self.ledger
        for row in loaded.rows:
            self._rows = row.number
            if row.kind == "turn" and row.state != "late":
                ledger.floor = ledger.floor.turn_begun()
            if row.state == "asked":
                self._open = row
            elif row.state != "late":
                ledger.take(row, open_turn=self._open is not None)
        self._clock(now_ms)
        self.phase = Phase.SELECTING if self._open is None else Phase.ASKING
        effects: list[Effect] = []
        if loaded.fresh:
            opening = self.messages[0]
            effects.append(Publish(ChatEvent(type="started", chat=self.chat, speaker=opening.name)))
            effects += [self._published(message) for message in self.messages]
        elif not (self.floor.paused and self._open is None):
            effects.append(self._state("running"))
        if self.floor.stop is not None and self.floor.stop.now and loaded.control is None:
            return effects + self._finish("stopped", _reason(self.floor.stop), now_ms)
        begun = self._open
        if loaded.control is not None:
            effects += self._controlled(loaded.control, now_ms)
        if begun is None:
            return effects if loaded.control is not None else [*effects, *self._next(now_ms)]
        return [*effects, self._ask(begun)] if self._open is begun and self.phase is Phase.ASKING else effects

    def _clock(self, now_ms: int) -> None:
        self.ledger.facts = self.ledger.facts.at(self.ledger.seconds(now_ms))

    def _take(self, row: Row) -> None:
        self.ledger.take(row, open_turn=self._open is not None)

    # ---- turns

    def _next(self, now_ms: int) -> list[Effect]:
        """After a message, or a failed turn: write what people said meanwhile, stop, or select."""
        effects: list[Effect] = []
        while True:
            ended = self._ended(now_ms)
            if ended:
                return effects + ended
            if not self.ledger.said:
                break
            effects += self._write_said(now_ms)
        if self.floor.stop is not None:
            return effects + self._finish("stopped", _reason(self.floor.stop), now_ms)
        if self.floor.paused:
            if self.phase is Phase.PAUSED:
                return effects
            self.phase = Phase.PAUSED
            return [*effects, Mark("paused"), self._state("paused")]
        if self.floor.next is not None:
            return effects + self._selected(self._wanted(self.floor.next), now_ms)
        self.phase = Phase.SELECTING
        situation = Situation(
            self.chat,
            len(self.messages) + 1,
            self._rows + 1,
            self.ledger.last_speaker,
            self.messages,
            dict(self.ledger.failures),
            self.ledger.ordinal,
            self.floor.members,
            self.floor.muted,
            self.ledger.votes,
            self.ledger.watch.votes(self.ledger.facts, len(self.floor.members)),
        )
        return [*effects, Select(situation)]

    def _wanted(self, control: Control) -> Chosen:
        """Whom an operator wants to speak next: past all rules."""
        why = Why(
            sequence=len(self.messages) + 1,
            speaker=control.agent,
            reason=sentence(control),
            method=control.what,
            candidates=(control.agent,),
        )
        return Chosen(control.agent, why)

    def _selected(self, choice: Chosen | Unchosen | Polled, now_ms: int) -> list[Effect]:
        if isinstance(choice, Polled):
            polled: list[Effect] = []
            for tally in choice.tallies:
                polled += self._voted(self._make_id(), COORDINATOR, tally, now_ms)
            return polled + self._next(now_ms)
        if isinstance(choice, Unchosen):
            self.ledger.spent(choice.usage)
            if choice.outcome == "muted":
                row = self._control_row(self._make_id(), Control(what="pause", reason=choice.reason), now_ms)
                return [*self._recorded(row), *self._next(now_ms)]
            return self._finish(choice.outcome, choice.reason, now_ms)
        effects: list[Effect] = []
        while self.ledger.said:
            effects += self._write_said(now_ms)
            ended = self._ended(now_ms)
            if ended:
                return effects + ended
        sequence = len(self.messages) + 1
        why = choice.why
        if why.sequence != sequence:
            why = msgspec.structs.replace(why, sequence=sequence)
        self._rows += 1
        row = self._open = Row(
            number=self._rows,
            kind="turn",
            turn=self._make_id(),
            speaker=choice.speaker,
            state="asked",
            epoch=self.epoch,
            why=why,
            selection_usage=choice.usage,
            asked_ms=now_ms,
        )
        self.ledger.floor = self.floor.turn_begun()
        self.phase = Phase.ASKING
        selected = ChatEvent(type="selected", chat=self.chat, sequence=sequence, speaker=row.speaker, why=why.reason)
        return [*effects, Journal(row), Publish(selected), self._ask(row)]

    def _ask(self, row: Row, pause: float = 0.0) -> Ask:
        return Ask(row.turn, row.speaker, self.turn_for(row.speaker), pause)

    def turn_for(self, member: str) -> Turn:
        """What a member is sent when it is its turn: what came after its own last message, as far as a frame holds it."""
        own = self.ledger.own.get(member, 0)
        total = len(self.messages)
        fits = prefix(self.ledger.weights[index] for index in range(total - 1, own - 1, -1)) if total > own else 0
        after = total - fits
        introduce = self._options.introductions and own == 0
        return Turn(
            chat=self.chat,
            sequence=total + 1,
            epoch=self.epoch,
            after=after,
            messages=tuple(self.messages[after:]),
            introduction=self._introduction() if introduce else "",
            since=self.floor.since.get(member, 0),
            valid=own if self.ledger.rewound else -1,
        )

    def _introduction(self) -> str:
        members = map(self._member, self.floor.members)
        lines = [f"{member.name}: {' '.join(member.description.split())}".rstrip(": ") for member in members]
        return "\n".join(["These are the members of this conversation:", *lines])

    def _answered(self, row: Row, reply: TurnReply, now_ms: int) -> list[Effect]:
        usage = plausible(reply.usage)
        if reply.message is None:
            reason = reply.reason or f"{row.speaker} had nothing to say"
            return self._finish("ended", reason, now_ms, row.with_(state="done", usage=usage, error=reason, done_ms=now_ms))
        message = self._as_kept(reply.message, row.speaker)
        try:
            check_message(message)
        except BadMessage as error:
            return self._give_up(row.with_(usage=usage), str(error), "failed", now_ms)
        closed = row.with_(
            state="done", epoch=self.epoch, sequence=message.sequence, message=message, usage=usage, done_ms=now_ms
        )
        self._open = None
        self._take(closed)
        return [Close(closed), self._published(message), *self._next(now_ms)]

    def _failed(self, row: Row, failed: Failed, now_ms: int) -> list[Effect]:
        if failed.kind == "broker":
            return [self._ask(row, RETRY_PAUSE)]
        if failed.kind in ("lost", "raised") and row.attempts <= self._options.turn_retries:
            row = self._open = row.with_(attempts=row.attempts + 1)
            return [Tried(row.turn, row.attempts), self._ask(row, RETRY_PAUSE * 2 ** (row.attempts - 2))]
        return self._give_up(row, failed.error, "skipped" if failed.kind == "absent" else "failed", now_ms)

    def _give_up(self, row: Row, error: str, type_: Literal["failed", "skipped"], now_ms: int) -> list[Effect]:
        closed = row.with_(state="failed", epoch=self.epoch, error=error, done_ms=now_ms)
        self._open = None
        self._take(closed)
        event = ChatEvent(type=type_, chat=self.chat, sequence=len(self.messages) + 1, speaker=row.speaker, error=error)
        return [Close(closed), Publish(event), *self._next(now_ms)]

    def _current(self, turn: bytes) -> Row | None:
        return self._open if self._open is not None and self._open.turn == turn else None

    def _late(self, turn: bytes, reply: TurnReply, now_ms: int) -> list[Effect]:
        """An answer to a turn that is over is kept, and applied nowhere."""
        self._rows += 1
        message = reply.message
        row = Row(
            number=self._rows,
            kind="turn",
            turn=turn,
            speaker=message.name if message else "",
            state="late",
            epoch=self.epoch,
            message=message,
            usage=plausible(reply.usage),
            asked_ms=now_ms,
            done_ms=now_ms,
        )
        return [Append(row)]

    def _as_kept(self, message: ChatMessage, speaker: str) -> ChatMessage:
        """A member's message as the transcript keeps it: nobody speaks in another's name, or as the system."""
        return ChatMessage(
            content=message.content,
            role="assistant" if message.role == "system" else message.role,
            name=speaker,
            tool_calls=message.tool_calls,
            tool_responses=message.tool_responses,
            sequence=len(self.messages) + 1,
            metadata=message.metadata,
        )

    # ---- what people say beside the turns

    def _hear(self, said: Said, now_ms: int) -> list[Effect]:
        """It is written when the open turn is closed: the place that the turn was promised stays its own."""
        if said.id in self.ledger.heard:
            return [Acknowledge(said.id, self.ledger.heard[said.id])]
        self.ledger.said[said.id] = said
        return self._next(now_ms) if self.phase is Phase.PAUSED else []

    def _write_said(self, now_ms: int) -> list[Effect]:
        said = self.ledger.said.pop(next(iter(self.ledger.said)))
        self._rows += 1
        message = ChatMessage(content=said.content, name=said.name, sequence=len(self.messages) + 1)
        row = Row(
            number=self._rows,
            kind="said",
            turn=said.id,
            speaker=said.name,
            state="done",
            epoch=self.epoch,
            sequence=message.sequence,
            message=message,
            asked_ms=now_ms,
            done_ms=now_ms,
        )
        self._take(row)
        return [Append(row), Acknowledge(said.id, message), self._published(message)]

    def forget(self, id: bytes) -> None:  # noqa: A002 - the wire's word
        """Whoever said this with the request `id` gave up before it was written."""
        self.ledger.said.pop(id, None)

    # ---- votes

    def _voted(self, id_: bytes, speaker: str, tally: Tally, now_ms: int) -> list[Effect]:
        """A vote is a row of its own and no message: it may be written while a turn is open."""
        if id_ in self.ledger.tallies:  # the same request, once more
            return []
        self._rows += 1
        row = vote_row(self._rows, id_, speaker, tally, sequence=len(self.messages), epoch=self.epoch, now_ms=now_ms)
        self._take(row)
        assert row.why is not None
        place, why = len(self.messages), row.why
        event = ChatEvent(type="vote", chat=self.chat, sequence=place, speaker=speaker, why=why.reason, tally=why.tally)
        return [Append(row), Publish(event)]

    # ---- what operators do

    def _controlled(self, event: Controlled, now_ms: int) -> list[Effect]:
        id_ = event.id
        if id_ in self.ledger.heeded:  # the same request, once more
            return [Heed(id_)]
        control = self._settled(event.control)
        wrong = problem(
            self.floor,
            control,
            team=[member.name for member in self._options.members],
            speaker=self.speaker,
            messages=len(self.messages),
        )
        if wrong:
            return [Heed(id_, wrong)]
        was_paused = self.phase is Phase.PAUSED
        if control.what == "stop" and control.now:
            recorded = self._recorded(self._control_row(id_, control, now_ms))
            return [Abandon(), *recorded, *self._finish("stopped", _reason(control), now_ms), Heed(id_)]
        if self._open is not None and not self._interrupts(control):
            return [*self._recorded(self._control_row(id_, control, now_ms)), Heed(id_)]
        effects = self._interrupted(control, now_ms)
        effects += self._recorded(self._control_row(id_, control, now_ms))
        if was_paused and not self.floor.paused:
            self.phase = Phase.SELECTING
            effects += [Mark("running"), self._state("running")]
        return [*effects, *self._next(now_ms), Heed(id_)]

    def _settled(self, control: Control) -> Control:
        """A control with what it leaves open."""
        replace, total = msgspec.structs.replace, len(self.messages)
        match control.what:
            case "step" if self._open is not None:
                return replace(control, what="pause")  # the turn that is open is the one
            case "skip":
                return replace(control, agent=self.speaker)
            case "resume" if not self.floor.paused:
                return replace(control, now=True)  # it rested, as nobody could be asked
            case "takeover":
                return replace(control, agent=self.admin, now=True)
            case "join":
                return replace(control, sequence=max(0, total - control.last) if control.last >= 0 else 0)
            case _:
                return control

    def _interrupts(self, control: Control) -> bool:
        """Whether the open turn is taken back."""
        match control.what:
            case "skip" | "takeover" | "rewind":
                return True
            case "pause" | "next":
                return control.now
            case "leave":
                return control.agent == self.speaker
            case _:
                return False

    @property
    def admin(self) -> str:
        """Who gets the floor when somebody takes over; empty: there is nobody to ask."""
        admin = self._options.admin
        return admin if admin in self.floor.members and admin not in self.floor.muted and not self.floor.no_input else ""

    def _interrupted(self, control: Control, now_ms: int) -> list[Effect]:
        """Nobody waits any more for what is under way; an open turn is closed, and an answer that still comes is late."""
        if self.phase is Phase.PAUSED:
            return []
        effects: list[Effect] = [Abandon(), Withdraw("")]
        row, self._open = self._open, None
        self.phase = Phase.SELECTING
        if row is not None:
            closed = row.with_(
                state="failed" if control.what == "skip" else "cancelled",
                epoch=self.epoch,
                error=sentence(control),
                done_ms=now_ms,
            )
            self._take(closed)
            place = len(self.messages) + 1
            event = ChatEvent(type="skipped", chat=self.chat, sequence=place, speaker=row.speaker, error=closed.error)
            effects += [Close(closed), Withdraw(row.speaker), Publish(event)]
        return effects

    def _control_row(self, id_: bytes, control: Control, now_ms: int) -> Row:
        self._rows += 1
        return Row(
            number=self._rows,
            kind="control",
            turn=id_,
            speaker=control.by,
            state="done",
            epoch=self.epoch,
            control=control,
            asked_ms=now_ms,
            done_ms=now_ms,
        )

    def _recorded(self, row: Row) -> list[Effect]:
        self._take(row)
        assert row.control is not None
        return [Record(row, self.floor), self._state("", row.control)]

    def _state(self, state: str, control: Control | None = None) -> Publish:
        return Publish(ChatEvent(type="state", chat=self.chat, sequence=len(self.messages), why=state, control=control))

    # ---- ending

    def _ended(self, now_ms: int) -> list[Effect]:
        """The effects of ending, when a condition or a limit says so; else nothing."""
        met = self.ledger.watch.look(self.ledger.facts)
        if met is not None:
            return self._finish("limit" if met.limit else "ended", met.reason, now_ms)
        reason = self._over()
        return self._finish("limit", reason, now_ms) if reason else []

    def _over(self) -> str:
        """Which limit is reached."""
        budget, facts = self._options.budget, self.ledger.facts
        if budget.tokens and facts.usage.tokens >= budget.tokens:
            return f"the budget of {budget.tokens:,} tokens is used up ({facts.usage.tokens:,})"
        if budget.cost and facts.usage.cost >= budget.cost:
            return f"the budget of {budget.cost:g} dollars is used up ({facts.usage.cost:.4f})"
        if budget.seconds and facts.seconds >= budget.seconds:
            return f"the budget of {budget.seconds:g} seconds is used up"
        if facts.messages >= self.floor.max_rounds:
            return f"max_rounds: there are {facts.messages} messages"
        return ""

    def _finish(self, outcome: Outcome, reason: str, now_ms: int, closed: Row | None = None) -> list[Effect]:
        effects: list[Effect] = []
        if closed is not None:
            self._take(closed)
        elif self._open is not None and outcome != "waits":
            closed = self._open.with_(state="failed", epoch=self.epoch, error=f"the chat ended: {reason}", done_ms=now_ms)
            self.ledger.spent(closed.selection_usage)
        self._open = None if outcome != "waits" else self._open
        self.phase = Phase.RESTING if outcome == "waits" else Phase.ENDED
        self.result = Result(
            chat=self.chat,
            outcome=outcome,
            stop_reason=reason,
            messages=len(self.messages),
            usage=self.usage,
            seconds=round(self.ledger.seconds(now_ms), 3),
        )
        effects.append(Finish(self.result, closed))
        effects += [Acknowledge(id_, None) for id_ in self.ledger.said]
        self.ledger.said.clear()
        effects.append(Publish(ChatEvent(type="result", chat=self.chat, sequence=len(self.messages), result=self.result)))
        return effects

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
                return self._late(turn, reply, now_ms)
            case _:
                return []

    @property
    def usage(self) -> Usage:
        """What the chat has used so far."""
        return self.ledger.facts.usage

    def _published(self, message: ChatMessage) -> Publish:
        event = ChatEvent(type="message", chat=self.chat, sequence=message.sequence, speaker=message.name, message=message)
        return Publish(event)


def _reason(control: Control) -> str:
    return control.reason or f"stopped by {control.by or 'an operator'}"


def opening_row(settings: Settings, options: ChatOptions, turn: bytes, now_ms: int, epoch: int = 1) -> Row:
    """The first row of a chat: the task, said by the admin where it is a member, else by `user`."""
    name = options.admin if options.admin in settings.members else "user"
    message = ChatMessage(content=settings.task, name=name, sequence=1)
    return Row(
        number=1,
        kind="opening",
        turn=turn,
        speaker=name,
        state="done",
        epoch=epoch,
        sequence=1,
        message=message,
        asked_ms=now_ms,
        done_ms=now_ms,
    )
