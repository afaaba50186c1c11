"""What a control means to the turns that are open, and to the next one. Pure."""

from collections.abc import Sequence

import msgspec

from rostra.protocol import ChatMessage
from rostra.protocol.chat import Control, Why

from .clearing import shown_after
from .floor import Floor, sentence
from .selection import Chosen


def settled(control: Control, *, floor: Floor, speakers: Sequence[str], admin: str, messages: Sequence[ChatMessage]) -> Control:
    """A control with what it leaves open.

    `speakers`: whose turns are open; `admin`: who would get the floor, or empty; `messages`: what was said.
    """
    replace = msgspec.structs.replace
    match control.what:
        case "step" if speakers:
            return replace(control, what="pause")  # the turn that is open is the one
        case "skip" if len(speakers) == 1:
            return replace(control, agent=speakers[0])
        case "resume" if not floor.paused:
            return replace(control, now=True)  # it rested, as nobody could be asked
        case "takeover":
            return replace(control, agent=admin, now=True)
        case "join" if control.summary and not control.sequence:
            return replace(control, sequence=shown_after(messages, max(0, control.last)))
        case "join" if not control.sequence:
            return replace(control, sequence=max(0, len(messages) - control.last) if control.last >= 0 else 0)
        case "clear" if not control.sequence:
            return replace(control, last=max(0, control.last), sequence=shown_after(messages, max(0, control.last)))
        case _:
            return control


def about_budget(control: Control) -> bool:
    """Whether a control is the answer to the chat's own question whether its budget is extended."""
    question = control.item.question if control.what == "answer" and control.item is not None else None
    return question is not None and question.kind == "budget" and not question.agent


def interrupts(control: Control, speakers: Sequence[str]) -> bool:
    """Whether open turns of `speakers` are taken back."""
    match control.what:
        case "skip" | "takeover" | "rewind":
            return True
        case "pause" | "next":
            return control.now
        case "leave":
            return control.agent in speakers
        case _:
            return False


def admin_of(floor: Floor, admin: str) -> str:
    """Who gets the floor when somebody takes over, of a team with this `admin`; empty: there is nobody to ask."""
    return admin if admin in floor.members and admin not in floor.muted and not floor.no_input else ""


def wanted(control: Control, sequence: int) -> Chosen:
    """Whom an operator wants to speak next, at the place `sequence`: past all rules."""
    why = Why(
        sequence=sequence,
        speaker=control.agent,
        reason=sentence(control),
        method=control.what,
        candidates=(control.agent,),
    )
    return Chosen(control.agent, why)


def reason_of(control: Control) -> str:
    """Why an operator ended the chat."""
    return control.reason or f"stopped by {control.by or 'an operator'}"
