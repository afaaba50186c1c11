"""One group chat as a pure state machine: what happened goes in, what is to be done comes out. No socket, clock or disk.

A turn's life: a speaker is selected; its row is journalled; the member is asked; the answer closes the row and becomes the next
message; the stop conditions look at it; and again. `now` is milliseconds since 1970, given with each input.
"""

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Literal, assert_never

import msgspec

from rostra.protocol import BadMessage, ChatMessage, Member, Turn, TurnReply, Usage
from rostra.protocol.chat import ChatEvent, Result
from rostra.protocol.ids import new_id

from .conditions import Watch
from .facts import Facts, plausible
from .fit import Weight, check_message, prefix, weigh
from .inputs import (
    Abandon,
    Acknowledge,
    Answered,
    Append,
    Ask,
    Broken,
    Close,
    Effect,
    Failed,
    Finish,
    Input,
    Journal,
    Loaded,
    Publish,
    Said,
    Select,
    Selected,
    Stopped,
    Ticked,
    Tried,
    Waits,
)
from .options import ChatOptions
from .rows import Row, Settings
from .selection import Chosen, Situation, Unchosen
from .stop import parse

RETRY_PAUSE = 0.25
"""Seconds before a member is asked again; doubled each time."""

Outcome = Literal["ended", "limit", "failed", "member_failed", "waits", "stopped"]


class Phase(Enum):
    """Where a chat stands."""

    LOADING = "loading"
    SELECTING = "selecting"
    ASKING = "asking"
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
        self.members, self.no_input = settings.members, settings.no_input
        self.messages: list[ChatMessage] = []
        self.result: Result | None = None
        self._options, self._settings, self._created_ms = options, settings, created_ms
        self._member, self._make_id = member, make_id
        self._watch = Watch(parse(options.stop) if options.stop.strip() else None)
        self._times = sorted({*self._watch.times, *([options.budget.seconds] if options.budget.seconds else [])})
        self._facts = Facts()
        self._weights: list[Weight] = []
        self._rows = 0
        self._ordinal = 0
        self._own: dict[str, int] = {}
        """The place of each member's last message of a turn."""
        self._last_speaker = ""
        self._failures: Counter[str] = Counter()
        self._open: Row | None = None
        self._said: dict[bytes, Said] = {}
        self._heard: dict[bytes, ChatMessage] = {}

    @property
    def due_ms(self) -> int | None:
        """When time alone may end the chat: `Ticked` wants to be given then. None: never, or not any more."""
        if self.phase in (Phase.RESTING, Phase.ENDED):
            return None
        later = (seconds for seconds in self._times if seconds > self._facts.seconds)
        seconds = next(later, None)
        return None if seconds is None else self._created_ms + int(seconds * 1000) + 1

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """Take one input; returns the effects, to be carried out in order."""
        if self.phase in (Phase.RESTING, Phase.ENDED):
            return self._afterwards(event, now_ms)
        self._facts = self._facts.at(max(0, now_ms - self._created_ms) / 1000)
        match event:
            case Loaded():
                return self._loaded(event, now_ms)
            case Selected(choice):
                return self._selected(choice, now_ms) if self.phase is Phase.SELECTING else []
            case Answered(turn, reply):
                open_row = self._current(turn)
                return self._answered(open_row, reply, now_ms) if open_row else self._late(turn, reply, now_ms)
            case Failed(turn):
                open_row = self._current(turn)
                return self._failed(open_row, event, now_ms) if open_row else []
            case Said():
                return self._hear(event)
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
        for row in loaded.rows:
            self._rows = row.number
            if row.state == "asked":
                self._open = row
            elif row.state != "late":
                self._take(row)
        effects: list[Effect] = []
        if loaded.fresh:
            opening = self.messages[0]
            effects.append(Publish(ChatEvent(type="started", chat=self.chat, speaker=opening.name)))
            effects.append(self._published(opening))
        else:
            effects.append(Publish(ChatEvent(type="state", chat=self.chat, why="running", sequence=len(self.messages))))
        if self._open is not None:
            self.phase = Phase.ASKING
            return [*effects, self._ask(self._open)]
        return [*effects, *self._next(now_ms)]

    def _take(self, row: Row) -> None:
        """Count a closed row."""
        self._facts = self._facts.with_usage((*row.usage, *row.selection_usage))
        if row.why is not None:
            self._ordinal += len(row.why.answers)
        if row.state == "failed":
            self._failures[row.speaker] += 1
        if row.message is None:
            return
        self.messages.append(row.message)
        self._weights.append(weigh(row.message))
        self._facts = self._facts.with_message(row.message)
        self._failures.clear()
        if row.kind == "turn":
            self._own[row.speaker] = row.sequence
        if row.kind == "said":
            self._heard[row.turn] = row.message
        elif row.speaker in self._settings.members:
            self._last_speaker = row.speaker
        self._watch.look(self._facts)

    # ---- turns

    def _next(self, now_ms: int) -> list[Effect]:
        """After a message, or a failed turn: write what people said meanwhile, stop, or select."""
        effects: list[Effect] = []
        while True:
            ended = self._ended(now_ms)
            if ended:
                return effects + ended
            if not self._said:
                break
            effects += self._write_said(now_ms)
        self.phase = Phase.SELECTING
        situation = Situation(
            self.chat,
            len(self.messages) + 1,
            self._rows + 1,
            self._last_speaker,
            self.messages,
            dict(self._failures),
            self._ordinal,
        )
        return [*effects, Select(situation)]

    def _selected(self, choice: Chosen | Unchosen, now_ms: int) -> list[Effect]:
        if isinstance(choice, Unchosen):
            self._facts = self._facts.with_usage(choice.usage)
            return self._finish(choice.outcome, choice.reason, now_ms)
        effects: list[Effect] = []
        while self._said:
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
        self.phase = Phase.ASKING
        selected = ChatEvent(type="selected", chat=self.chat, sequence=sequence, speaker=row.speaker, why=why.reason)
        return [*effects, Journal(row), Publish(selected), self._ask(row)]

    def _ask(self, row: Row, pause: float = 0.0) -> Ask:
        return Ask(row.turn, row.speaker, self.turn_for(row.speaker), pause)

    def turn_for(self, member: str) -> Turn:
        """What a member is sent when it is its turn: what came after its own last message, as far as a frame holds it."""
        own = self._own.get(member, 0)
        total = len(self.messages)
        fits = prefix(self._weights[index] for index in range(total - 1, own - 1, -1)) if total > own else 0
        after = total - fits
        introduce = self._options.introductions and own == 0
        return Turn(
            chat=self.chat,
            sequence=total + 1,
            epoch=self.epoch,
            after=after,
            messages=tuple(self.messages[after:]),
            introduction=self._introduction() if introduce else "",
        )

    def _introduction(self) -> str:
        members = map(self._member, self._settings.members)
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

    def _hear(self, said: Said) -> list[Effect]:
        """It is written when the open turn is closed: the place that the turn was promised stays its own."""
        if said.id in self._heard:
            return [Acknowledge(said.id, self._heard[said.id])]
        self._said[said.id] = said
        return []

    def _write_said(self, now_ms: int) -> list[Effect]:
        said = self._said.pop(next(iter(self._said)))
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
        self._said.pop(id, None)

    # ---- ending

    def _ended(self, now_ms: int) -> list[Effect]:
        """The effects of ending, when a condition or a limit says so; else nothing."""
        met = self._watch.look(self._facts)
        if met is not None:
            return self._finish("limit" if met.limit else "ended", met.reason, now_ms)
        reason = self._over()
        return self._finish("limit", reason, now_ms) if reason else []

    def _over(self) -> str:
        """Which limit is reached."""
        budget, facts = self._options.budget, self._facts
        if budget.tokens and facts.usage.tokens >= budget.tokens:
            return f"the budget of {budget.tokens:,} tokens is used up ({facts.usage.tokens:,})"
        if budget.cost and facts.usage.cost >= budget.cost:
            return f"the budget of {budget.cost:g} dollars is used up ({facts.usage.cost:.4f})"
        if budget.seconds and facts.seconds >= budget.seconds:
            return f"the budget of {budget.seconds:g} seconds is used up"
        if facts.messages >= self._settings.max_rounds:
            return f"max_rounds: there are {facts.messages} messages"
        return ""

    def _finish(self, outcome: Outcome, reason: str, now_ms: int, closed: Row | None = None) -> list[Effect]:
        effects: list[Effect] = []
        if closed is not None:
            self._take(closed)
        elif self._open is not None and outcome != "waits":
            closed = self._open.with_(state="failed", epoch=self.epoch, error=f"the chat ended: {reason}", done_ms=now_ms)
            self._facts = self._facts.with_usage(closed.selection_usage)
        self._open = None if outcome != "waits" else self._open
        self.phase = Phase.RESTING if outcome == "waits" else Phase.ENDED
        self.result = Result(
            chat=self.chat,
            outcome=outcome,
            stop_reason=reason,
            messages=len(self.messages),
            usage=self.usage,
            seconds=round(max(0, now_ms - self._created_ms) / 1000, 3),
        )
        effects.append(Finish(self.result, closed))
        effects += [Acknowledge(id_, None) for id_ in self._said]
        self._said.clear()
        effects.append(Publish(ChatEvent(type="result", chat=self.chat, sequence=len(self.messages), result=self.result)))
        return effects

    def _afterwards(self, event: Input, now_ms: int) -> list[Effect]:
        match event:
            case Said():
                return [Acknowledge(event.id, self._heard.get(event.id))]
            case Answered(turn, reply) if self.phase is Phase.ENDED:
                return self._late(turn, reply, now_ms)
            case _:
                return []

    @property
    def usage(self) -> Usage:
        """What the chat has used so far."""
        return self._facts.usage

    def _published(self, message: ChatMessage) -> Publish:
        event = ChatEvent(type="message", chat=self.chat, sequence=message.sequence, speaker=message.name, message=message)
        return Publish(event)


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
