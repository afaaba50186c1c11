"""Makes the rows of one chat, each with its number, under one coordinator's epoch. Pure."""

from collections.abc import Callable

from rostra.protocol import ChatMessage, Tally, TurnReply
from rostra.protocol.chat import Control

from .facts import plausible
from .inputs import Said
from .options import ChatOptions
from .rows import Row, Settings
from .selection import Chosen
from .votes import vote_row


class Scribe:
    """Counts the rows, and makes the next ones. `make_id` gives the ids of turns."""

    def __init__(self, epoch: int, make_id: Callable[[], bytes]) -> None:
        self.epoch, self.make_id = epoch, make_id
        self.rows = 0
        """The number of the last row."""

    def _number(self) -> int:
        self.rows += 1
        return self.rows

    def turn(self, choice: Chosen, now_ms: int) -> Row:
        """The open row of a turn that begins now."""
        return Row(
            number=self._number(),
            kind="turn",
            turn=self.make_id(),
            speaker=choice.speaker,
            state="asked",
            epoch=self.epoch,
            why=choice.why,
            selection_usage=choice.usage,
            asked_ms=now_ms,
        )

    def late(self, turn: bytes, reply: TurnReply, now_ms: int) -> Row:
        """An answer to a turn that is over: it is kept, and applied nowhere."""
        message = reply.message
        return Row(
            number=self._number(),
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

    def said(self, said: Said, sequence: int, now_ms: int) -> Row:
        """What a person said beside the turns, at its place."""
        return Row(
            number=self._number(),
            kind="said",
            turn=said.id,
            speaker=said.name,
            state="done",
            epoch=self.epoch,
            sequence=sequence,
            message=ChatMessage(content=said.content, name=said.name, sequence=sequence),
            asked_ms=now_ms,
            done_ms=now_ms,
        )

    def vote(self, id_: bytes, speaker: str, tally: Tally, sequence: int, now_ms: int) -> Row:
        """A vote that `speaker` called, after the message `sequence`."""
        return vote_row(self._number(), id_, speaker, tally, sequence=sequence, epoch=self.epoch, now_ms=now_ms)

    def control(self, id_: bytes, control: Control, now_ms: int) -> Row:
        """What an operator did."""
        return Row(
            number=self._number(),
            kind="control",
            turn=id_,
            speaker=control.by,
            state="done",
            epoch=self.epoch,
            control=control,
            asked_ms=now_ms,
            done_ms=now_ms,
        )


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
