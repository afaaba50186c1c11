"""The whole screen as lines: a scene, a desk and a size in, what is to be shown out. Pure."""

from rostra.protocol.chat import InboxItem

from .conversation import Conversation
from .desk import KEYS, Choosing, Desk, Extent, Helping, Writing
from .lines import Line, Pen, beside
from .scene import Scene

SIDE = 25
"""Columns of the pane of members, budget and inbox."""
NARROW = 60
"""Below so many columns that pane is left out, and the line over the conversation says who has the floor."""
LEAST = 20
"""Fewer columns are drawn as so many."""
MOST = 8
"""Lines of a list that are shown at once."""

_STATES = {
    "running": "running",
    "pausing": "pauses after this turn",
    "paused": "PAUSED",
    "resting": "waits for a person",
    "ended": "ENDED",
}
_RUNNING = "p pause  s say  n next  k skip  x stop  a answer  f unfold  ? keys  q leave"
_PAUSED = "p resume  e step  s say  n next  x stop  a answer  f unfold  ? keys  q leave"
_OVER = "f unfold  ? keys  q leave"
_CHOOSING = "1-9, arrows and enter choose  escape leaves it"
_READING = "  page up and page down read"
_WRITING = "enter sends it  escape leaves it"


class Drawing:
    """Draws screens for one terminal."""

    def __init__(self, pen: Pen) -> None:
        self._pen, self._conversation = pen, Conversation(pen)

    def screen(
        self, scene: Scene, desk: Desk, *, width: int, height: int, now_ms: int, connected: bool = True
    ) -> tuple[list[Line], Extent]:
        """The lines of a screen of `width` by `height`, and the extent of the conversation.

        `now_ms`: the time, milliseconds since 1970; `connected`: whether the broker is there.
        """
        width, height = max(LEAST, width), max(4, height)
        low = self._bottom(scene, desk, width, max(1, height - 3))
        top = [self._head(scene, width, connected)]
        sided = width >= NARROW
        if not sided:
            top.append(self._floor(scene, width))
        room = max(1, height - len(top) - len(low))
        if isinstance(desk.mode, Helping):
            return [*top, *self._help(width, room), *low], Extent(room=room)
        left = width - SIDE - 1 if sided else width
        item = _detailed(desk)
        if item is not None:
            middle, extent = self._conversation.detail(item, desk.read, left, room)
        else:
            middle, extent = self._conversation.shown(scene, desk, left, room)
        if sided:
            middle = beside(middle, [("dim", self._pen.plain("│"))], self._side(scene, room, now_ms))
        return [*top, *middle, *low][:height], extent

    # ---- above and below

    def _head(self, scene: Scene, width: int, connected: bool) -> Line:
        state = _STATES[scene.state] if connected else "THE BROKER IS AWAY"
        badge = f" inbox {len(scene.inbox)} " if scene.inbox else ""
        about = f" rostra  {scene.chat}  {state}  "
        task = self._pen.short(scene.task, max(1, width - len(about) - len(badge) - 1)) if width >= NARROW else ""
        return self._pen.line(
            ("head", f"{about}{task}".ljust(width - len(badge))[: width - len(badge)]), ("badge", badge), width=width
        )

    def _floor(self, scene: Scene, width: int) -> Line:
        if not scene.floor:
            return self._pen.line(("dim", f"next: {scene.wanted}" if scene.wanted else ""), width=width)
        why = self._pen.short(f"({scene.why})", width) if scene.why else ""
        return self._pen.line(("dim", "now: "), *self._names(scene.floor), ("dim", f" {why}"), width=width)

    def _names(self, names: tuple[str, ...]) -> Line:
        named = [(self._conversation.style(name), name) for name in names]
        return [piece for one in named for piece in (("dim", ", "), one)][1:]

    def _bottom(self, scene: Scene, desk: Desk, width: int, room: int) -> list[Line]:
        """The list to choose from, or the question that is answered, or the notice; and last the keys."""
        lines = list[Line]()
        match desk.mode:
            case Choosing():
                lines, keys = self._list(desk.mode, width, room - 1), _CHOOSING
            case Writing(item=None):
                keys = _WRITING
            case Writing(item=InboxItem() as item):
                asked = self._pen.wrapped(f"{item.question.agent or 'the chat'} asks: {item.question.text}", width)[:room]
                lines, keys = [self._pen.line(("notice", piece), width=width) for piece in asked], _WRITING
            case _:
                keys = _OVER if scene.over else _RUNNING if scene.state == "running" else _PAUSED
                if desk.notice:
                    notice = ("bad" if desk.bad else "notice", self._pen.short(desk.notice, width))
                    lines = [self._pen.line(notice, width=width)]
        if _detailed(desk) is not None:
            keys += _READING
        return [*lines, self._pen.line(("keys", f" {keys}".ljust(width)), width=width)]

    def _list(self, mode: Choosing, width: int, room: int) -> list[Line]:
        most = max(1, min(MOST, room - 1, len(mode.choices)))
        first = max(0, min(mode.at - most // 2, len(mode.choices) - most))
        title = [("notice", piece) for piece in self._pen.wrapped(mode.title, width)[: max(1, room - most)]]
        lines = [self._pen.line(piece, width=width) for piece in title]
        for place, choice in enumerate(mode.choices[first : first + most], first):
            label = self._pen.short(f"{place + 1} {choice.label}", width - 2)
            marked = place == mode.at
            lines.append(self._pen.line(("marked" if marked else "", f"{'>' if marked else ' '} {label}"), width=width))
        return lines

    def _help(self, width: int, room: int) -> list[Line]:
        lines = [self._pen.line(("bold", f"  {key:<12}"), ("", text), width=width) for key, text in KEYS[:room]]
        return lines + [self._pen.line(width=width)] * (room - len(lines))

    # ---- beside

    def _side(self, scene: Scene, room: int, now_ms: int) -> list[Line]:
        budget, inbox = self._budget(scene, now_ms), self._inbox(scene)
        floor = self._now(scene)
        inbox = inbox[: max(2, room // 4)]
        left = max(1, room - len(floor) - len(budget) - len(inbox))
        lines = [*self._members(scene, left), *floor, *budget, *inbox][:room]
        return lines + [self._line()] * (room - len(lines))

    def _members(self, scene: Scene, room: int) -> list[Line]:
        lines = [self._line(*self._member(scene, name)) for name in scene.names]
        if len(lines) > room:
            lines = [*lines[: room - 1], self._line(("dim", f"{len(lines) - room + 1} more members"))]
        return lines

    def _member(self, scene: Scene, name: str) -> tuple[tuple[str, str], ...]:
        asks = any(item.question.agent == name for item in scene.inbox)
        if name in scene.away:
            sign, state, style = "✗", "away", "bad"
        elif asks:
            sign, state, style = "?", "asks", "notice"
        elif any(piece.speaker == name for piece in scene.writing):
            sign, state, style = "●", "writes", "good"
        elif name in scene.floor:
            sign, state, style = "●", "has the floor", "good"
        elif name in scene.muted:
            sign, state, style = "○", "muted", "dim"
        elif name == scene.wanted:
            sign, state, style = "○", "is next", "notice"
        else:
            sign, state, style = "○", "admin" if name == scene.admin else "", "dim"
        short = self._pen.short(name, SIDE - 5 - len(state))
        return (style, f"{sign} "), (self._conversation.style(name), short), (style, f"  {state}" if state else "")

    def _now(self, scene: Scene) -> list[Line]:
        if scene.over or not (scene.floor or scene.wanted):
            return []
        lines = [self._line()]
        if scene.floor:
            lines.append(self._line(("dim", "now "), *self._names(scene.floor)))
            lines += [self._line(("dim", f"  {piece}")) for piece in self._pen.wrapped(scene.why, SIDE - 4)[:4]]
        if scene.wanted and scene.wanted not in scene.floor:
            wanted = self._conversation.style(scene.wanted)
            lines.append(self._line(("dim", "then "), (wanted, scene.wanted)))
        return lines

    def _budget(self, scene: Scene, now_ms: int) -> list[Line]:
        usage, limits, seconds = scene.usage, scene.limits, scene.taken(now_ms)
        lines = [
            self._line(),
            self._bar("rounds", scene.last, scene.max_rounds, str(scene.last), str(scene.max_rounds)),
            self._bar("tokens", usage.tokens, limits.tokens, _short(usage.tokens), _short(limits.tokens)),
        ]
        if usage.cost or limits.cost:
            lines.append(self._bar("cost", usage.cost, limits.cost, f"${usage.cost:.2f}", f"${limits.cost:g}"))
        lines.append(self._bar("time", seconds, limits.seconds, _time(seconds), _time(limits.seconds)))
        return lines

    def _bar(self, name: str, used: float, limit: float, shown: str, most: str) -> Line:
        if not limit:
            return self._line(("dim", f"{name:<7}"), ("", shown))
        share = min(1.0, used / limit)
        amount = f" {shown}/{most}"
        style = "bad" if share >= 0.9 else "good"
        return self._line(("dim", f"{name:<7}"), (style, self._pen.bar(share, max(4, SIDE - 9 - len(amount)))), ("", amount))

    def _inbox(self, scene: Scene) -> list[Line]:
        if not scene.inbox:
            return []
        lines = [self._line(), self._line(("badge", f" inbox {len(scene.inbox)} "), ("dim", " a answers"))]
        for item in scene.inbox:
            lines.append(self._line(("notice", f"{item.number} {item.question.agent}: "), ("", item.question.text)))
        return lines

    def _line(self, *pieces: tuple[str, str]) -> Line:
        return [("", " "), *self._pen.line(*pieces, width=SIDE - 1)]


def _detailed(desk: Desk) -> InboxItem | None:
    """The question that is being answered, when it is about something that can be read."""
    item = desk.mode.item if isinstance(desk.mode, Choosing | Writing) else None
    return item if item is not None and item.question.detail else None


def _short(number: int) -> str:
    """A number in five characters at most."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= 10 * size or (size == 1_000_000 and number >= size):
            return f"{number / size:.3g}{unit}"
    return str(number)


def _time(seconds: float) -> str:
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02}h"
    return f"{whole // 60}:{whole % 60:02}"
