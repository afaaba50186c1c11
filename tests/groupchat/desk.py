"""A store in memory that carries out what a chat's state machine wants done."""

from typing import Any, Literal

import msgspec

from rostra.groupchat import ChatOptions
from rostra.groupchat.candidates import Nobody
from rostra.groupchat.inputs import (
    Abandon,
    Acknowledge,
    Answered,
    Append,
    Ask,
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
    Mark,
    Petition,
    Publish,
    Select,
    Selected,
    Ticked,
    Tried,
    Withdraw,
)
from rostra.groupchat.inputs import Record as Recorded
from rostra.groupchat.machine import Machine
from rostra.groupchat.replaying import Script
from rostra.groupchat.rows import Row, Settings, genesis, plain_columns, row_hash, stored
from rostra.groupchat.rules import rules_of
from rostra.groupchat.scribe import opening_row
from rostra.groupchat.selection import Chosen, Situation, Unchosen, candidates_in, rotation
from rostra.protocol import Answer, ChatMessage, Member, TurnReply, Usage
from rostra.protocol.chat import ChatEvent, Control, ControlKind, InboxItem, Record, Result, Why

Kind = Literal["lost", "raised", "final", "absent", "broker"]


class Desk:
    """Carries out effects on a store in memory, in rotation, and can lose its machine and load the chat again."""

    def __init__(self, chosen: ChatOptions, **rest: Any) -> None:
        self.options = chosen
        names = tuple(member.name for member in chosen.members)
        self.settings = Settings(**{"task": "the task", "members": names, "max_rounds": chosen.max_rounds, **rest})
        self.rows: dict[int, Row] = {}
        self.events: list[ChatEvent] = []
        self.heard: dict[bytes, ChatMessage | None] = {}
        self.asked: list[Ask] = []
        self.outstanding: Ask | Select | None = None
        self.waiting: dict[bytes, Ask] = {}
        """The requests to members that are not answered, by their turn."""
        self.result: Result | None = None
        self.heeds: dict[bytes, str] = {}
        self.closed = [1]
        """The numbers of the rows, in the order in which they were closed."""
        self.withdrawn: list[str] = []
        self.petitions: list[Petition] = []
        self.state = "running"
        self._controls = 0
        self.now_ms, self.epoch, self._ids = 1000, 0, 0
        self.rows[1] = opening_row(self.settings, chosen, b"opening", self.now_ms)
        self.load(fresh=True)

    def load(self, *, fresh: bool = False) -> None:
        """A coordinator takes the chat (again): whatever the last one held in memory is gone."""
        self.epoch += 1
        self.outstanding = None
        self.waiting.clear()
        self.machine = Machine("c1", self.options, self.settings, epoch=self.epoch, created_ms=1000, make_id=self._make_id)
        self.handle(Loaded([self.rows[number] for number in sorted(self.rows)], fresh))

    def _make_id(self) -> bytes:
        self._ids += 1
        return self._ids.to_bytes(16, "big")

    def handle(self, event: Input, *, crash_after: int | None = None) -> None:
        """Give one input and carry out the effects; with `crash_after`, only so many of them."""
        effects = self.machine.handle(event, self.now_ms)
        for effect in effects if crash_after is None else effects[:crash_after]:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Select():
                assert not self.waiting
                assert not isinstance(self.outstanding, Select)
                self.outstanding = effect
            case Ask():
                assert not isinstance(self.outstanding, Select)
                self.outstanding = effect
                self.waiting[effect.turn] = effect
                self.asked.append(effect)
                assert any(row.turn == effect.turn and row.state == "asked" for row in self.rows.values())
            case Journal(rows):
                assert not any(row.open for row in self.rows.values())
                for row in rows:
                    assert row.number == max(self.rows) + 1
                    self.rows[row.number] = row
            case Append(row):
                assert row.number == max(self.rows) + 1
                self.rows[row.number] = row
                self.closed.append(row.number)
            case Hold(row):
                assert self.rows[row.number].state == "asked"
                self.rows[row.number] = row
            case Tried(turn, attempts):
                (row,) = [row for row in self.rows.values() if row.turn == turn]
                self.rows[row.number] = row.with_(attempts=attempts)
            case Close(rows):
                self._close(rows)
            case Recorded(row):
                assert row.number == max(self.rows) + 1
                self.rows[row.number] = row
                self.closed.append(row.number)
                self._rewind(row)
            case Heed(id_, problem):
                self.heeds[id_] = problem
            case Mark(state):
                assert self.state != state or state == "paused"  # after a crash it is written again
                self.state = state
            case Withdraw(agent):
                self.withdrawn.append(agent)
            case Petition():
                self.petitions.append(effect)
            case Acknowledge(id_, message):
                self.heard[id_] = message
            case Publish(event):
                self.events.append(event)
            case Abandon(b""):
                self.outstanding = None
                self.waiting.clear()
            case Abandon(turn):
                self.waiting.pop(turn, None)
                self.outstanding = next(iter(self.waiting.values()), None)
            case Finish(result, rows):
                assert self.result is None or self.result.outcome == "waits"
                self.result = result
                self._close(rows)

    def _close(self, rows: tuple[Row, ...]) -> None:
        for row in rows:
            assert self.rows[row.number].open
            assert not row.open
            assert row.sequence in (0, len(self.messages) + 1)
            self.rows[row.number] = row
            self.closed.append(row.number)

    def _rewind(self, control: Row) -> None:
        if control.control is None or control.control.what != "rewind":
            return
        (end,) = [row.number for row in self.standing if row.sequence == control.control.sequence]
        for number, row in self.rows.items():
            if end < number < control.number and not row.rewound and row.kind != "control" and row.state != "late":
                self.rows[number] = row.with_(rewound=control.number)

    # ---- what the world does

    def control(self, what: ControlKind, **rest: Any) -> str:
        """An operator does something; returns why it was refused, or nothing."""
        self._controls += 1
        id_ = b"control %8d" % self._controls
        self.handle(Controlled(id_, Control(what=what, by="console-1", **rest)))
        return self.heeds.get(id_, "not heard")

    def tick(self) -> None:
        """Time has passed."""
        self.handle(Ticked())

    def person(self, text: str | None, by: str = "console-1") -> str:
        """Somebody (by "": the default; None: nobody) answers the chat's last petition."""
        petition = self.petitions[-1]
        answer = None if text is None else Answer(text=text, by=by, origin=by, at_ms=self.now_ms)
        item = InboxItem(number=len(self.petitions), question=petition.question, answer=answer)
        self.handle(Controlled(petition.id, Control(what="answer", by=by, item=item)))
        return self.heeds.get(petition.id, "not heard")

    def select(self) -> None:
        """Choose the next in rotation, by the rules."""
        select = self.outstanding
        assert isinstance(select, Select)
        self.outstanding = None
        self.handle(Selected(self._choice(select.situation)))

    def _choice(self, situation: Situation) -> Chosen | Unchosen:
        members = [Member(name=name) for name in situation.members]
        narrowed = candidates_in(situation, self.options, members)
        if isinstance(narrowed, Nobody):
            return Unchosen(narrowed.outcome, narrowed.reason)
        name = rotation(situation.members, situation.last_speaker, narrowed.names)
        why = Why(
            sequence=situation.sequence,
            speaker=name,
            reason="next",
            method="round_robin",
            candidates=narrowed.names,
            answers=("x",),
        )
        return Chosen(name, why, (Usage(prompt_tokens=1),))

    def answer(self, reply: TurnReply | str) -> None:
        """The member that was asked answers."""
        ask = self.outstanding
        assert isinstance(ask, Ask)
        self.outstanding = None
        del self.waiting[ask.turn]
        if isinstance(reply, str):
            reply = TurnReply(message=ChatMessage(content=reply), usage=(Usage(completion_tokens=2, cost=0.5),))
        self.handle(Answered(ask.turn, reply))

    def fail(self, kind: Kind) -> None:
        """The member that was asked fails."""
        ask = self.outstanding
        assert isinstance(ask, Ask)
        self.outstanding = None
        del self.waiting[ask.turn]
        self.handle(Failed(ask.turn, kind, f"it {kind}"))

    def turn(self, reply: TurnReply | str = "words") -> None:
        """One whole turn."""
        self.select()
        self.answer(reply)

    @property
    def messages(self) -> list[ChatMessage]:
        """The transcript as it is stored."""
        kept = [row.message for row in self.standing if row.sequence and row.message is not None]
        return sorted(kept, key=lambda message: message.sequence)

    @property
    def speakers(self) -> list[str]:
        """Who said the messages."""
        return [message.name for message in self.messages]

    @property
    def script(self) -> Script:
        """The chat as an export has it."""
        records: list[Record] = []
        previous = genesis("c1")
        for link, number in enumerate(self.closed, 1):
            row = self.rows[number]
            previous = row_hash(previous, plain_columns(row, link), stored(row))
            values = {name: getattr(row, name) for name in row.__struct_fields__}
            records.append(Record(**values, link=link, hash=previous))
        for row in self.rows.values():
            if row.open:
                records.append(Record(**{name: getattr(row, name) for name in row.__struct_fields__}))
        settings = msgspec.structs.replace(self.settings, rules=rules_of(self.options))
        return Script(chat="c1", created_ms=1000, settings=settings, records=tuple(records), result=self.result)

    @property
    def standing(self) -> list[Row]:
        """The rows that no control has rewound."""
        return [row for row in self.rows.values() if not row.rewound]
