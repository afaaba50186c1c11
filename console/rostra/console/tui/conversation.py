"""The conversation as lines: who said what, what is folded, what is just being written. Pure."""

from rostra.console.terminal import PALETTE, Speakers, clean, unfinished
from rostra.protocol.chat import InboxItem

from .desk import Desk, Extent
from .lines import Line, Pen
from .scene import Entry, Fold, Scene

_Look = tuple[int, int, bool, bool]


class Conversation:
    """Lays out the entries of one scene after another; what has not changed is laid out once."""

    def __init__(self, pen: Pen) -> None:
        self._pen, self._speakers = pen, Speakers()
        self._kept: dict[int, tuple[Entry, _Look, list[Line]]] = {}

    def style(self, name: str) -> str:
        """The style of a speaker's name."""
        return f"speaker{self._speakers.place(name) % len(PALETTE)}"

    def lines(self, scene: Scene, desk: Desk, width: int) -> tuple[list[Line], dict[int, int]]:
        """All lines, each `width` columns wide, and where each entry begins."""
        lines, starts = list[Line](), dict[int, int]()
        before, self._kept = self._kept, {}
        for entry in scene.entries:
            look = (width, scene.max_rounds if entry.speaker else 0, entry.number in desk.unfolded, entry.number == desk.marked)
            kept = before.get(entry.number)
            if kept is None or kept[0] is not entry or kept[1] != look:
                kept = (entry, look, self._entry(entry, *look))
            self._kept[entry.number] = kept
            starts[entry.number] = len(lines)
            lines += kept[2]
        for piece in scene.writing:
            text = clean(piece.text[: unfinished(piece.text)])
            lines += self._head(piece.sequence, piece.speaker, scene.max_rounds, width)
            if piece.sequence in scene.joined:
                text = f"… {text.lstrip()}"
            lines += self._text(f"{text} {'▌' if self._pen.unicode else '_'}", width, "")
        return lines, starts

    def shown(self, scene: Scene, desk: Desk, width: int, height: int) -> tuple[list[Line], Extent]:
        """The `height` lines in sight, and the extent of the whole."""
        lines, starts = self.lines(scene, desk, width)
        return self._sight(lines, desk.top, width, height), Extent(lines=len(lines), room=height, starts=starts)

    def detail(self, item: InboxItem, top: int, width: int, height: int) -> tuple[list[Line], Extent]:
        """The `height` lines, from `top` on, of what exactly a question is about; and the extent of the whole."""
        words = self._pen.wrapped(item.question.detail, width - 2)
        lines = [self._pen.line(("", "  "), ("", line), width=width) for line in words]
        return self._sight(lines, top, width, height), Extent(lines=len(lines), room=height)

    def _sight(self, lines: list[Line], top: int | None, width: int, height: int) -> list[Line]:
        last = max(0, len(lines) - height)
        top = last if top is None else min(top, last)
        sight = lines[top : top + height]
        sight += [self._pen.line(width=width)] * (height - len(sight))
        if top < last and sight:
            below = f"{len(lines) - top - height + 1} more lines below "
            sight[-1] = self._pen.line(("dim", below.rjust(width)), width=width)
        return sight

    def _entry(self, entry: Entry, width: int, rounds: int, unfolded: bool, marked: bool) -> list[Line]:
        if not entry.speaker:
            style, sign = ("bad", "✗") if entry.bad else ("dim", "·")
            lines = self._text(entry.text, width, style, sign)
            return lines + [line for fold in entry.folds for line in self._fold(fold, width, unfolded, marked)]
        lines = self._head(entry.sequence, entry.speaker, rounds, width)
        if entry.text:
            lines += self._text(entry.text, width, "")
        for fold in entry.folds:
            lines += self._fold(fold, width, unfolded, marked)
        return lines

    def _head(self, sequence: int, speaker: str, rounds: int, width: int) -> list[Line]:
        place = f"[{sequence}/{rounds}]" if rounds else f"[{sequence}]"
        return [self._pen.line(("dim", f"{place} "), (self.style(speaker), speaker), width=width)]

    def _text(self, text: str, width: int, style: str, sign: str = "") -> list[Line]:
        pieces = self._pen.wrapped(text, width - 3) or [""]
        lines = [self._pen.line((style, f"{sign or ' '} "), (style, pieces[0]), width=width)]
        return lines + [self._pen.line(("", "  "), (style, piece), width=width) for piece in pieces[1:]]

    def _fold(self, fold: Fold, width: int, unfolded: bool, marked: bool) -> list[Line]:
        style = "marked" if marked else {None: "fold", True: "good", False: "bad"}[fold.good]
        sign = "▾" if unfolded else "▸"
        head = self._pen.line(("", "  "), (style, f"{sign} {self._pen.short(fold.head, width - 5)}"), width=width)
        if not unfolded:
            return [head]
        body = self._pen.wrapped(fold.body, width - 6) if fold.body else []
        return [head, *(self._pen.line(("", "      "), ("", line), width=width) for line in body)]
