"""Whether a choice on record is what the rules, and the method, make of the situation. Pure."""

from collections.abc import Sequence

from rostra.protocol import Member

from .auto import Dialogue
from .candidates import Nobody
from .flow import asks
from .methods import METHODS
from .options import ChatOptions
from .rows import Row
from .selection import Round, Situation, candidates_in, drawn, flowing, handed, rotation
from .votes import elected


def wrong_choice(options: ChatOptions, situation: Situation, rows: Sequence[Row]) -> str:
    """Why whoever has the turns of these `rows` was not to speak, a sentence; empty: they were, or nobody can tell.

    A selection function, the functions on a flow's edges, and what members told of their tools, are on no record.
    """
    row, why = rows[0], rows[0].why
    if why is None or situation.messages[-1].tool_calls or not set(situation.members) <= {m.name for m in options.members}:
        return ""
    if why.method not in METHODS:
        return ""
    names = [one.speaker for one in rows]
    if why.method == "flow" and options.flow is not None and asks(options.flow):
        return ""
    if why.method == "flow":
        found = flowing(options.flow, situation) if options.flow is not None else None
        wanted = [choice.speaker for choice in found.choices[: situation.room]] if isinstance(found, Round) else []
        return "" if names == wanted else f"the flow leads to {', '.join(wanted) or 'nobody'}, not to {', '.join(names)}"
    members = [Member(name=name) for name in situation.members]
    narrowed = candidates_in(situation, options, members)
    if isinstance(narrowed, Nobody):
        return f"the rules leave nobody to speak, but {', '.join(names)} {'was' if len(names) == 1 else 'were'} chosen"
    if narrowed.names != why.candidates:
        return f"the candidates are {', '.join(narrowed.names)}, not {', '.join(why.candidates)}"
    if why.method == "parallel" and names != list(narrowed.names[: situation.room]):
        return f"{', '.join(narrowed.names[: situation.room])} were to speak at once, not {', '.join(names)}"
    chosen = _chosen(options, situation, row, narrowed.names)
    return f"{chosen} was to speak, not {row.speaker}" if chosen not in ("", row.speaker) else ""


def _chosen(options: ChatOptions, situation: Situation, row: Row, names: tuple[str, ...]) -> str:
    """Whom the method chooses; empty: that was a person's, or a model's, free will, or several were."""
    why = row.why
    assert why is not None
    if len(names) == 1:
        return names[0]
    match why.method:
        case "round_robin":
            return rotation(situation.members, situation.last_speaker, names)
        case "random":
            seed = situation.chat if options.seed is None else options.seed
            return drawn(seed, situation.sequence, names)
        case "handoff":
            return handed(situation.messages, situation.last_speaker, names)[0]
        case "vote" if why.tally is not None:
            return elected(why.tally, situation.members, situation.last_speaker)[0]
        case "auto" if why.answers:
            dialogue = Dialogue([Member(name=name) for name in situation.members], situation.messages, names, options.selector)
            speaker = ""
            for answer in why.answers:
                speaker = dialogue.answer(answer) or ""
            return speaker or rotation(situation.members, situation.last_speaker, names)
        case _:
            return ""
