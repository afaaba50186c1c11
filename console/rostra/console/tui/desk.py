"""How the person at the terminal looks at the scene, and what the keys do. Pure: a key in, the next desk and an act out."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from rostra.console.watching import chosen
from rostra.protocol.chat import InboxItem

from .scene import Scene

ControlWord = Literal["pause", "resume", "step", "skip", "next", "takeover", "mute", "unmute"]


class Do(msgspec.Struct, frozen=True, kw_only=True):
    """Act: a control of the chat, as `rostra chat pause`, `next`, … do it."""

    what: ControlWord
    agent: str = ""
    now: bool = False


class Stop(msgspec.Struct, frozen=True):
    """Act: end the chat."""

    after_turn: bool = False


class Say(msgspec.Struct, frozen=True):
    """Act: say something without taking a turn."""

    text: str


class Answer(msgspec.Struct, frozen=True):
    """Act: answer a question of the inbox; `digest`: that of what was read."""

    number: int
    text: str
    digest: str = ""


class Leave(msgspec.Struct, frozen=True):
    """Act: leave the view; the chat goes on."""


Act = Do | Stop | Say | Answer | Leave


class Looking(msgspec.Struct, frozen=True):
    """Mode: keys act at once."""


class Helping(msgspec.Struct, frozen=True):
    """Mode: the keys are explained."""


class Writing(msgspec.Struct, frozen=True):
    """Mode: a line is written; `item`: the question that it answers, None: it is said."""

    label: str
    item: InboxItem | None = None


class Choice(msgspec.Struct, frozen=True):
    """One line of a list, and what comes of it."""

    label: str
    then: "Act | Mode"


class Choosing(msgspec.Struct, frozen=True):
    """Mode: one of a list is chosen, the one `at` is marked; `item`: the question that it answers."""

    title: str
    choices: tuple[Choice, ...]
    at: int = 0
    item: InboxItem | None = None


Mode = Looking | Helping | Writing | Choosing


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """How the scene is looked at."""

    mode: Mode = Looking()
    top: int | None = None
    """The first line of the conversation that is shown; None: the last ones are, as they come."""
    unfolded: frozenset[int] = frozenset()
    """The numbers of the entries that are shown in full."""
    marked: int = 0
    """The number of the entry that the key `enter` folds; 0: none."""
    read: int = 0
    """The first line that is shown of what a question is about."""
    notice: str = ""
    """What came of the last act."""
    bad: bool = False


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation as it is laid out: how many lines, how many of them are shown at once, where each entry begins."""

    lines: int = 0
    room: int = 1
    starts: Mapping[int, int] = {}


Pressed = tuple[Desk, Act | None]

KEYS = (
    ("p  P", "pause after the turn, or now; p resumes"),
    ("e", "let one turn happen, then pause"),
    ("s", "say something, without a turn"),
    ("n  N", "who speaks next, after the turn or now"),
    ("k", "skip whoever has the floor"),
    ("t", "give the admin the floor"),
    ("m", "mute or unmute a member"),
    ("x", "stop the chat"),
    ("a", "answer a question of the inbox"),
    ("f", "unfold or fold everything"),
    ("tab enter", "choose a folded entry, and unfold it"),
    ("arrows", "scroll; also page up, page down, home, end"),
    ("q ctrl-c", "leave; the chat goes on"),
)
"""The keys, and what they do."""


def press(scene: Scene, desk: Desk, key: str, extent: Extent) -> Pressed:
    """What a key does: a character, or `up`, `down`, `pageup`, `pagedown`, `home`, `end`, `tab`, `s-tab`, `enter`, `escape`."""
    match desk.mode:
        case Choosing(item=InboxItem()) | Writing(item=InboxItem()) if key in ("pageup", "pagedown"):
            page = max(1, extent.room - 1) * (-1 if key == "pageup" else 1)
            return _replace(desk, read=max(0, min(desk.read + page, extent.lines - extent.room))), None
        case Choosing():
            return _choose(desk, desk.mode, key)
        case Writing():
            return (_in(desk, Looking()), None) if key == "escape" else (desk, None)
        case Helping():
            return _in(desk, Looking()), None
        case Looking():
            return _look(scene, _replace(desk, notice="", bad=False), key, extent)


def sent(desk: Desk, text: str) -> Pressed:
    """What becomes of a line that was written."""
    mode, free = desk.mode, _in(desk, Looking())
    match mode:
        case Writing(item=None):
            return free, Say(text) if text.strip() else None
        case Writing(item=InboxItem() as item):
            return free, Answer(item.number, chosen(text, item.question), item.question.digest)
        case _:
            return desk, None


def noticed(desk: Desk, notice: str, *, bad: bool = False) -> Desk:
    """The desk with a word about what came of an act."""
    return _replace(desk, notice=notice, bad=bad)


def _look(scene: Scene, desk: Desk, key: str, extent: Extent) -> Pressed:
    match key:
        case "q":
            return desk, Leave()
        case "?":
            return _in(desk, Helping()), None
        case "f":
            foldable = frozenset(entry.number for entry in scene.entries if entry.folds)
            return _replace(desk, unfolded=frozenset() if desk.unfolded & foldable else foldable), None
        case "enter":
            return _replace(desk, unfolded=desk.unfolded ^ {desk.marked}) if desk.marked else desk, None
        case "tab" | "s-tab":
            return _marked(scene, desk, extent, -1 if key == "tab" else 1), None
        case "up" | "down" | "pageup" | "pagedown" | "home" | "end":
            return _scrolled(desk, key, extent), None
        case "p" | "P" | "e" | "s" | "n" | "N" | "k" | "t" | "m" | "x" | "a" if scene.over:
            return noticed(desk, "the chat has ended", bad=True), None
        case _:
            return _act(scene, desk, key)


def _act(scene: Scene, desk: Desk, key: str) -> Pressed:
    match key:
        case "p":
            return desk, Do(what="pause" if scene.state == "running" else "resume")
        case "P":
            return desk, Do(what="pause", now=True)
        case "e":
            return desk, Do(what="step")
        case "k" if len(scene.floor) > 1:
            several = tuple(Choice(name, Do(what="skip", agent=name)) for name in scene.floor)
            return _in(desk, Choosing("whom?", several)), None
        case "k":
            return desk, Do(what="skip")
        case "t":
            return desk, Do(what="takeover")
        case "s":
            return _in(desk, Writing("say")), None
        case "n" | "N":
            now = key == "N"
            able = (name for name in scene.names if name not in scene.muted)
            choices = tuple(Choice(name, Do(what="next", agent=name, now=now)) for name in able)
            return _in(desk, Choosing("who speaks now?" if now else "who speaks next?", choices)), None
        case "m":
            choices = tuple(
                Choice(f"unmute {name}", Do(what="unmute", agent=name))
                if name in scene.muted
                else Choice(f"mute {name}", Do(what="mute", agent=name))
                for name in scene.names
            )
            return _in(desk, Choosing("whom?", choices)), None
        case "x":
            stops = (Choice("now", Stop()), Choice("after this turn", Stop(after_turn=True)), Choice("not at all", Looking()))
            return _in(desk, Choosing("stop the chat?", stops)), None
        case "a":
            return _inbox(scene, desk), None
        case _:
            return desk, None


def _inbox(scene: Scene, desk: Desk) -> Desk:
    modes = [(item, _answering(item)) for item in scene.inbox]
    if not modes:
        return noticed(desk, "nobody waits for an answer")
    if len(modes) == 1:
        return _in(desk, modes[0][1])
    choices = tuple(Choice(f"{item.number} {item.question.agent}: {item.question.text}", mode) for item, mode in modes)
    return _in(desk, Choosing("which question?", choices))


def _answering(item: InboxItem) -> Mode:
    question = item.question
    hint = f" [{question.default}]" if question.default else ""
    write = Writing(f"answer {item.number}{hint}", item)
    if not question.options:
        return write
    preset = "no" if question.form == "approval" and question.default is None else question.default  # yes is never by mistake
    at = question.options.index(preset) if preset in question.options else 0
    options = (Choice(option, Answer(item.number, option, question.digest)) for option in question.options)
    choices = (*options, Choice("something else", write))
    return Choosing(f"{question.agent or 'the chat'} asks: {question.text}", choices, at, item)


def _choose(desk: Desk, mode: Choosing, key: str) -> Pressed:
    count = len(mode.choices)
    match key:
        case "escape" | "q":
            return _in(desk, Looking()), None
        case "up" | "s-tab" | "down" | "tab":
            at = (mode.at + (-1 if key in ("up", "s-tab") else 1)) % max(1, count)
            return _in(desk, msgspec.structs.replace(mode, at=at)), None
        case "enter" if count:
            return _chose(desk, mode.choices[mode.at])
        case digit if digit.isdecimal() and 1 <= int(digit) <= count:
            return _chose(desk, mode.choices[int(digit) - 1])
        case _:
            return desk, None


def _chose(desk: Desk, choice: Choice) -> Pressed:
    match choice.then:
        case Looking() | Helping() | Writing() | Choosing() as mode:
            return _in(desk, mode), None
        case act:
            return _in(desk, Looking()), act


def _marked(scene: Scene, desk: Desk, extent: Extent, step: int) -> Desk:
    """The next entry upwards (-1) or downwards (1) that can be unfolded, scrolled into sight."""
    numbers = [entry.number for entry in scene.entries if entry.folds]
    if not numbers:
        return noticed(desk, "there is nothing to unfold")
    if desk.marked in numbers:
        number = numbers[(numbers.index(desk.marked) + step) % len(numbers)]
    else:
        number = numbers[-1 if step < 0 else 0]
    start, top = extent.starts.get(number, 0), _top(desk, extent)
    if not top <= start < top + extent.room:
        top = max(0, start - 1)
    return _at(_replace(desk, marked=number), top, extent)


def _scrolled(desk: Desk, key: str, extent: Extent) -> Desk:
    page = max(1, extent.room - 1)
    by = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "home": -extent.lines, "end": extent.lines}[key]
    return _at(desk, _top(desk, extent) + by, extent)


def _top(desk: Desk, extent: Extent) -> int:
    last = max(0, extent.lines - extent.room)
    return last if desk.top is None else min(desk.top, last)


def _at(desk: Desk, top: int, extent: Extent) -> Desk:
    last = max(0, extent.lines - extent.room)
    return _replace(desk, top=None if max(0, top) >= last else max(0, top))


def _in(desk: Desk, mode: Mode) -> Desk:
    return _replace(desk, mode=mode, notice="", bad=False, read=0)


def _replace(desk: Desk, **changes: Any) -> Desk:
    return msgspec.structs.replace(desk, **changes)
