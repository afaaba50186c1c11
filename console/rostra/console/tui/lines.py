"""Lines of a screen: pieces of text, each with the name of its style, cut and filled to a width. Pure."""

from rostra.console.flow import laid_out
from rostra.console.terminal import ASCII, Style, clean, columns, shorten

Line = list[tuple[str, str]]
"""Pieces: the name of a style (empty: none), and the text."""


class Pen:
    """Writes lines for one terminal; `unicode`: whether it has more than ASCII."""

    def __init__(self, *, unicode: bool = True) -> None:
        self.unicode = unicode
        self._signs = {ord(sign): text for sign, text in ASCII.items()}

    def line(self, *pieces: tuple[str, str], width: int) -> Line:
        """The pieces in a line of exactly `width` columns."""
        out, room = Line(), width
        for style, text in pieces:
            text = self.plain(text).replace("\n", " ")
            if columns(text) > room:
                text = self._cut(text, room)
            if text:
                out.append((style, text))
                room -= columns(text)
        if room:
            out.append(("", " " * room))
        return out

    def wrapped(self, text: str, width: int) -> list[str]:
        """A text in lines of at most `width` columns, broken between words."""
        plain = Style(colour=False, unicode=True, width=max(20, width + 1))
        return [self.plain(line) for line in laid_out(text, plain, 0).splitlines()]

    def short(self, text: str, width: int) -> str:
        """A text on one line of at most `width` columns."""
        return self.plain(shorten(text, max(1, width), "…" if self.unicode else "..."))

    def plain(self, text: str) -> str:
        """A text that cannot act on the terminal, in the characters that this has."""
        text = clean(text)
        return text if self.unicode else text.translate(self._signs).encode("ascii", "replace").decode()

    def bar(self, share: float, width: int) -> str:
        """How much of something is used up: `share` between 0 and 1."""
        full = min(width, round(share * width)) or (1 if share > 0 else 0)
        return "█" * full + "░" * (width - full) if self.unicode else "#" * full + "." * (width - full)

    def _cut(self, text: str, width: int) -> str:
        while columns(text) > width:
            text = text[:-1]
        return text


def beside(left: list[Line], gap: Line, right: list[Line]) -> list[Line]:
    """Two columns of lines of equal number, `gap` between them."""
    return [[*one, *gap, *other] for one, other in zip(left, right, strict=True)]


def text(lines: list[Line]) -> str:
    """The lines without their styles, spaces at their ends left out."""
    return "".join("".join(piece for _, piece in line).rstrip() + "\n" for line in lines)
