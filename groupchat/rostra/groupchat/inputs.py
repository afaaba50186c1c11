"""What happens to a chat, and what the chat wants done about it: the inputs and effects of `machine.Machine`."""

from typing import Literal

import msgspec

from rostra.protocol import ChatMessage, Question, Tally, Turn, TurnReply
from rostra.protocol.chat import ChatEvent, Control, Result

from .floor import Floor
from .rows import Row
from .selection import Chosen, Polled, Round, Situation, Unchosen

# ---- inputs


class Selected(msgspec.Struct, frozen=True):
    """The selection that was asked for is made."""

    choice: Chosen | Round | Unchosen | Polled


class Answered(msgspec.Struct, frozen=True):
    """The member answered."""

    turn: bytes
    reply: TurnReply


class Failed(msgspec.Struct, frozen=True):
    """The member did not answer.

    lost: it died or was silent; raised: its handler failed; final: asking again is no use; absent: it is not there and is not
    waited for; broker: nobody could be reached, which is not the member's fault.
    """

    turn: bytes
    kind: Literal["lost", "raised", "final", "absent", "broker"]
    error: str


class Said(msgspec.Struct, frozen=True):
    """A person says something beside the turns; `id` is the request's."""

    id: bytes
    name: str
    content: str


class Controlled(msgspec.Struct, frozen=True):
    """An operator, or a signal, does something to the chat; `id` is the request's."""

    id: bytes
    control: Control


class Voted(msgspec.Struct, frozen=True):
    """The members have voted, because `speaker` asked them to with the request `id`."""

    id: bytes
    speaker: str
    tally: Tally


class Loaded(msgspec.Struct, frozen=True):
    """The chat's rows, from the disk; the first input. `fresh`: it has just begun; `control`: what is done before it goes on."""

    rows: list[Row]
    fresh: bool = False
    control: Controlled | None = None


class Stopped(msgspec.Struct, frozen=True):
    """An operator ends the chat now."""

    reason: str


class Waits(msgspec.Struct, frozen=True):
    """A person would have to answer, and nobody can be asked."""

    reason: str


class Broken(msgspec.Struct, frozen=True):
    """The coordinator itself cannot go on with the chat."""

    reason: str


class Ticked(msgspec.Struct, frozen=True):
    """Time has passed."""


Input = Loaded | Selected | Answered | Failed | Said | Controlled | Voted | Stopped | Waits | Broken | Ticked

# ---- effects, to be carried out in order; those that write, before the next one is begun


class Select(msgspec.Struct, frozen=True):
    """Choose a speaker; ends in `Selected`."""

    situation: Situation


class Journal(msgspec.Struct, frozen=True):
    """Write the open rows of turns that begin together, usually one; all or none."""

    rows: tuple[Row, ...]


class Tried(msgspec.Struct, frozen=True):
    """Write that the open turn is being tried once more."""

    turn: bytes
    attempts: int


class Ask(msgspec.Struct, frozen=True):
    """Ask the member, after `pause` seconds; ends in `Answered` or `Failed`."""

    turn: bytes
    member: str
    body: Turn
    pause: float = 0.0


class Hold(msgspec.Struct, frozen=True):
    """Write what came of a turn, whose row is closed with those of its round."""

    row: Row


class Close(msgspec.Struct, frozen=True):
    """Close the open rows of a turn, or of a round in their order; compare and swap."""

    rows: tuple[Row, ...]


class Append(msgspec.Struct, frozen=True):
    """Write a row that is closed from the start."""

    row: Row


class Acknowledge(msgspec.Struct, frozen=True):
    """What was said with the request `id` is in the transcript, as `message`; None: the chat ended before."""

    id: bytes
    message: ChatMessage | None


class Record(msgspec.Struct, frozen=True):
    """Write what an operator did, and what it made of the floor."""

    row: Row
    floor: Floor


class Heed(msgspec.Struct, frozen=True):
    """The control, or the vote, with the request `id` is on the disk, or refused with a `problem`, a sentence."""

    id: bytes
    problem: str = ""


class Mark(msgspec.Struct, frozen=True):
    """Write that the chat is paused by an operator, or goes on."""

    state: Literal["running", "paused"]


class Withdraw(msgspec.Struct, frozen=True):
    """What `agent` asked people in its turn, nobody needs to answer any more; empty: what the selection asked."""

    agent: str


class Petition(msgspec.Struct, frozen=True):
    """Put the chat's own question to a person, with this id; its answer is a control."""

    id: bytes
    question: Question


class Publish(msgspec.Struct, frozen=True):
    """Tell the observers."""

    event: ChatEvent


class Abandon(msgspec.Struct, frozen=True):
    """Nobody waits any more for the answer to this turn; empty: for nothing that is under way, the selection included."""

    turn: bytes = b""


class Finish(msgspec.Struct, frozen=True):
    """Write the result, and the open rows closed with it; the last effect but for publishing it."""

    result: Result
    rows: tuple[Row, ...] = ()


Write = Journal | Tried | Hold | Close | Append | Record | Mark | Finish
"""The effects that write."""

Act = Select | Ask | Acknowledge | Heed | Withdraw | Petition | Publish | Abandon
"""Those that do not."""

Effect = Write | Act
