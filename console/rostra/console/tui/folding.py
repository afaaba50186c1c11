"""What an event makes of the scene. Pure: a scene and an event in, the next scene out."""

from typing import Any, TypeVar, assert_never

import msgspec

from rostra.console.following import Followed, Listening, Reconnected
from rostra.console.spoken import OUTCOMES, arguments, call, executed, visible
from rostra.console.terminal import clean
from rostra.groupchat.floor import sentence
from rostra.protocol import Presence
from rostra.protocol.chat import ChatEvent, ChatMessage, Control, Delta, Result

from .scene import Entry, Fold, Limits, Piece, Scene, entered, noted

T = TypeVar("T", bound=msgspec.Struct)

LONGEST = 1
"""Lines of an output that are shown without folding it."""


def told(scene: Scene, event: Followed) -> Scene:
    """The scene after an event of the chat, or of what is around it."""
    match event:
        case ChatEvent():
            return _happened(scene, event)
        case Delta():
            return _written(scene, event)
        case Presence():
            return _presence(scene, event)
        case Reconnected():
            back = "the broker is back" + (", as a new process" if event.fresh else "")
            hushed = scene.hushed | {piece.sequence for piece in scene.writing}
            return noted(_replace(scene, hushed=hushed, writing=()), back)
        case Listening():
            return scene
        case _:
            assert_never(event)


def _happened(scene: Scene, event: ChatEvent) -> Scene:
    match event.type:
        case "message":
            return scene if event.message is None else said(scene, event.message)
        case "selected":
            return _selected(scene, event)
        case "failed":
            return noted(
                _without(scene, event.speaker), f"[{event.sequence}] {event.speaker} failed: {_line(event.error)}", bad=True
            )
        case "skipped":
            why = _line(event.error or event.why)
            return noted(_without(scene, event.speaker), f"[{event.sequence}] {event.speaker} is skipped: {why}", bad=True)
        case "passed":
            return noted(_without(scene, event.speaker), f"[{event.sequence}] {event.speaker} passed")
        case "state":
            return _controlled(scene, event.control) if event.control is not None else _state(scene, event.why)
        case "vote":
            return noted(scene, f"vote: {event.speaker} {_line(event.why)}".rstrip())
        case "answered":
            left = tuple(item for item in scene.inbox if item.number != event.question)
            by = event.message.name if event.message is not None else ""
            how = event.why or (f"answered by {by}" if by else "answered")
            return noted(_replace(scene, inbox=left), f"question {event.question} is {how}")
        case "result":
            return scene if event.result is None else _over(scene, event.result)
        case "reminder":
            return noted(scene, f"question {event.question} of {_line(event.speaker) or 'the chat'} still waits for an answer")
        case "started" | "question":
            return scene  # the chat at a glance, and the inbox, say it better
        case _:
            assert_never(event.type)


def said(scene: Scene, message: ChatMessage) -> Scene:
    """The scene with a message, unless it is there already."""
    if message.sequence and message.sequence <= scene.last:
        return scene
    text, folds = visible(message), []
    ran = executed(text)
    if ran is not None:
        text = ""
        folds.append(_folded(f"code ran, exit code {ran.code}", ran.output, good=not ran.code))
    for one in message.tool_calls:
        folds.append(Fold(head=f"→ {_line(call(one.name, one.arguments))}", body=_spelled(one.arguments)))
    for response in message.tool_responses:
        folds.append(_folded(f"← {_line(response.name) or 'answer'}", response.content))
    if scene.turn and message.sequence >= scene.turn:
        scene = _without(scene, message.name)
    scene = _replace(scene, writing=tuple(piece for piece in scene.writing if piece.sequence > message.sequence))
    entry = Entry(
        number=0,
        text=clean(text),
        speaker=_line(message.name or message.role),
        sequence=message.sequence,
        folds=tuple(folds),
    )
    return entered(_replace(scene, last=max(scene.last, message.sequence)), entry)


def _selected(scene: Scene, event: ChatEvent) -> Scene:
    wanted = "" if event.speaker == scene.wanted else scene.wanted
    if scene.turn == event.sequence and set(scene.floor) - {event.speaker}:  # they are asked together
        floor = scene.floor if event.speaker in scene.floor else (*scene.floor, event.speaker)
        return _replace(scene, floor=floor, why=scene.why or _line(event.why), wanted=wanted)
    return _replace(
        scene,
        turn=event.sequence,
        floor=(event.speaker,),
        why=_line(event.why),
        wanted=wanted,
        writing=(),
        hushed=frozenset(),
        joined=frozenset(),
    )


def _written(scene: Scene, delta: Delta) -> Scene:
    if delta.sequence <= scene.last or delta.sequence in scene.hushed:
        return scene
    whole = Piece(speaker=delta.speaker, sequence=delta.sequence, text=delta.text)
    pieces = {piece.sequence: piece for piece in scene.writing}
    before = pieces.get(delta.sequence)
    if before is not None and before.speaker == delta.speaker:
        whole = _replace(before, text=before.text + delta.text)
    writing = sorted((pieces | {delta.sequence: whole}).values(), key=lambda piece: piece.sequence)
    return _replace(scene, writing=tuple(writing))


def _presence(scene: Scene, event: Presence) -> Scene:
    name = event.name
    if name not in scene.names:
        return scene
    match event.state:
        case "lost" | "left":
            left = tuple(piece for piece in scene.writing if piece.speaker != name)  # it says all of it again
            scene = _replace(scene, writing=left)
            how, bad = ("died", True) if event.state == "lost" else ("went away", False)
            return noted(_replace(scene, away=scene.away | {name}), f"{name} {how}", bad=bad)
        case "online":
            if name not in scene.away:
                return scene
            return noted(_replace(scene, away=scene.away - {name}), f"{name} is back")
    return scene


def _state(scene: Scene, state: str) -> Scene:
    match state:
        case "running" | "paused":
            return _replace(scene, state=state)
        case _:
            return scene


def _controlled(scene: Scene, control: Control) -> Scene:
    if control.what == "answer":
        return _limited(scene, control)  # the event of its own says the rest
    scene = noted(scene, _line(sentence(control)))
    if control.now or control.what in ("skip", "takeover"):  # turns are taken back; who is asked next, is said next
        scene = _without(scene, control.agent) if control.what == "skip" else _floor_free(scene)
    match control.what:
        case "pause":
            return _replace(scene, state="pausing" if scene.state == "running" else scene.state)
        case "resume" | "step":
            return _replace(scene, state="running")
        case "next" | "takeover":
            return _replace(scene, wanted=control.agent)
        case "mute":
            return _replace(scene, muted=(*scene.muted, control.agent))
        case "unmute":
            return _replace(scene, muted=tuple(name for name in scene.muted if name != control.agent))
        case "limit":
            return _limited(scene, control)
        case "rewind":
            scene = _floor_free(scene)
            stay = tuple(entry for entry in scene.entries if entry.sequence <= control.sequence)
            return _replace(scene, entries=stay, last=min(scene.last, control.sequence), wanted="")
        case _:
            return scene  # who is a member, and who has the floor, says the chat at a glance


def _limited(scene: Scene, control: Control) -> Scene:
    limits = Limits(
        tokens=control.tokens or scene.limits.tokens,
        cost=control.cost or scene.limits.cost,
        seconds=control.seconds or scene.limits.seconds,
    )
    return _replace(scene, max_rounds=control.max_rounds or scene.max_rounds, limits=limits)


def _over(scene: Scene, result: Result) -> Scene:
    rests = result.outcome == "waits"
    reason = _line(result.stop_reason)
    outcome = OUTCOMES[result.outcome]
    scene = _replace(_floor_free(scene), result=result, usage=result.usage, state="resting" if rests else "ended")
    if not rests:
        scene = _replace(scene, inbox=(), wanted="")
    return noted(scene, f"{outcome}: {reason}" if reason else outcome, bad=result.outcome not in ("ended", "stopped", "waits"))


def _floor_free(scene: Scene) -> Scene:
    return _replace(scene, floor=(), why="", turn=0, writing=(), hushed=frozenset(), joined=frozenset())


def _without(scene: Scene, name: str) -> Scene:
    """The scene when a turn is over: of the one who had the floor, or of one in a round."""
    floor = tuple(one for one in scene.floor if one != name)
    if not floor:
        return _floor_free(scene)
    return _replace(scene, floor=floor, writing=tuple(piece for piece in scene.writing if piece.speaker != name))


def _folded(head: str, content: str, *, good: bool | None = None) -> Fold:
    lines = clean(content).strip("\n").split("\n")
    if len(lines) <= LONGEST:
        return Fold(head=f"{head}: {lines[0]}" if lines[0] else head, body=lines[0], good=good)
    return Fold(head=f"{head}: {len(lines)} lines", body="\n".join(lines), good=good)


def _spelled(text: str) -> str:
    """A call's arguments, each beginning a line."""
    given = arguments(text)
    if given is None:
        return clean(text)
    return clean("\n".join(f"{key} = {value if isinstance(value, str) else _json(value)}" for key, value in given.items()))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _replace(struct: T, **changes: Any) -> T:
    return msgspec.structs.replace(struct, **changes)
