"""Text that is broken into lines while it is still being written."""

import sys

from .terminal import Style, clean, columns, unfinished


class Flow:
    """Breaks a stream of pieces between words into lines of `width` columns, each with `indent` spaces before it.

    Pure: `feed` and `end` return what is to be written. `raw` is what was fed so far.
    """

    def __init__(self, style: Style, indent: int = 2) -> None:
        self._style, self._indent = style, " " * indent
        self._room = style.width - indent - 1 if style.wrap else sys.maxsize
        self._column = 0
        self._at_start = True
        self._held = ""
        self._word = ""
        self._gap = ""
        self.raw = ""

    def feed(self, piece: str) -> str:
        """One more piece of text; returns what of it can be shown already. The last word is held back until it is whole."""
        self.raw += piece
        text = self._held + piece
        cut = unfinished(text)
        text, self._held = text[:cut], text[cut:]
        return self._lay(clean(text))

    def end(self) -> str:
        """The text is complete; returns the rest of it, with the line feed that ends it."""
        rest = self._lay(clean(self._held)) + self._flush()
        self._held = self._gap = ""
        if not self._at_start:
            rest += "\n"
        self._at_start, self._column = True, 0
        return rest

    def _lay(self, text: str) -> str:
        out = []
        if not self._style.unicode:
            text = text.encode("ascii", "replace").decode()
        for character in text:
            if character == "\n":
                out.append(self._flush() + "\n")
                self._column, self._at_start, self._gap = 0, True, ""
            elif character == " ":
                out.append(self._flush())
                self._gap += " "
            else:
                self._word += character
                if columns(self._word) >= self._room:
                    out.append(self._flush())
        return "".join(out)

    def _flush(self) -> str:
        word, self._word = self._word, ""
        if not word:
            return ""
        gap, self._gap = self._gap, ""
        if self._column and self._column + len(gap) + columns(word) > self._room:
            self._column = columns(word)
            return f"\n{self._indent}{word}"
        before = self._indent if self._at_start else ""
        self._at_start = False
        self._column += len(gap) + columns(word)
        return f"{before}{gap}{word}"


def laid_out(text: str, style: Style, indent: int = 2) -> str:
    """A whole text in lines, the last one ended."""
    flow = Flow(style, indent)
    return flow.feed(text) + flow.end()
