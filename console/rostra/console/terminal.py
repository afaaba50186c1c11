"""What a terminal may be shown: text without control sequences, colours where they are wanted, lines of its width."""

import os
import re
import shutil
import unicodedata
import zlib
from collections.abc import Mapping
from typing import TextIO

# A control sequence in full: OSC, DCS, SOS, PM, APC with their texts; CSI; two-character escapes (ECMA-48 §5).
_SEQUENCE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
# Other controls, and the marks that reorder or hide text (bidirectional controls, zero-width, line separators, tags).
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_UNFINISHED = re.compile(r"(?:\x1b(?:[\]PX^_][^\x07\x1b\x9c]{0,4096}\x1b?|\[[0-?]*[ -/]*|[ -/]*)?|\r)\Z")

PALETTE = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
"""SGR colours of speakers; red is for failures."""
_MONOCHROME = re.compile(r"(dumb|unknown|vt\d.*|.*-m|.*-mono)?\Z")
"""Terminals without colours, by the customs of terminfo."""


def clean(text: str) -> str:
    """`text` without what would act on a terminal: only printable characters and line feeds are left; tabs are 4 spaces."""
    text = _SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return _CONTROL.sub("", text.expandtabs(4))


def unfinished(text: str) -> int:
    """Where a control sequence begins that the end of `text` may have cut; the length of `text` when there is none."""
    match = _UNFINISHED.search(text)
    return match.start() if match else len(text)


def columns(text: str) -> int:
    """How many columns `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )  # fmt: skip


def shorten(text: str, width: int, more: str = "…") -> str:
    """`text` on one line of at most `width` columns."""
    line = " ".join(clean(text).split())
    if columns(line) <= width:
        return line
    room = max(0, width - columns(more))
    while columns(line) > room:
        line = line[: max(room, len(line) - 1)] if len(line) > room + 1 else line[:-1]
    return line + more


def colour_wanted(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` gets colours: a terminal that can, unless NO_COLOR; always with FORCE_COLOR."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream.isatty() and not _MONOCHROME.match(environment.get("TERM", ""))


class Speakers:
    """Gives speakers their colours: the same in every run, as long as two of them do not want the same one."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, name: str) -> int:
        """The place of a speaker's colour in the palette."""
        if name not in self._places:
            wish = zlib.crc32(name.encode()) % len(PALETTE)
            taken = set(self._places.values())
            free = (n % len(PALETTE) for n in range(wish, wish + len(PALETTE)) if n % len(PALETTE) not in taken)
            self._places[name] = next(free, wish)
        return self._places[name]


class Style:
    """How things look on one stream: `colour`, `unicode`, `width` in columns; `wrap`: whether long lines are broken there."""

    def __init__(self, *, colour: bool, unicode: bool = True, width: int = 80, wrap: bool = True) -> None:
        self.colour, self.unicode, self.width, self.wrap = colour, unicode, max(20, width), wrap
        self._speakers = Speakers()

    @classmethod
    def of(cls, stream: TextIO) -> "Style":
        """The style for a stream, from the environment. What is no terminal gets whole lines, and summaries of 100 columns."""
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        width = shutil.get_terminal_size((80, 24)).columns if stream.isatty() else 100
        return cls(colour=colour_wanted(stream), unicode=encoding.startswith("utf"), width=min(width, 120), wrap=stream.isatty())

    def sgr(self, text: str, *codes: int) -> str:
        """`text` with these SGR attributes."""
        return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m" if self.colour and text else text

    def dim(self, text: str) -> str:
        """Of less importance."""
        return self.sgr(text, 2)

    def bold(self, text: str) -> str:
        """Of more importance."""
        return self.sgr(text, 1)

    def bad(self, text: str) -> str:
        """A failure."""
        return self.sgr(text, 31)

    def good(self, text: str) -> str:
        """A success."""
        return self.sgr(text, 32)

    def speaker(self, name: str) -> str:
        """A speaker's name in its own colour."""
        return self.sgr(name, 1, PALETTE[self._speakers.place(name)])

    def sign(self, symbol: str) -> str:
        """A symbol, or its spelling in ASCII where the stream has no other characters."""
        return symbol if self.unicode else ASCII.get(symbol, "*")

    def text(self, text: str) -> str:
        """Text of others: cleaned, and in ASCII where the stream has no other characters."""
        text = clean(text)
        return text if self.unicode else text.encode("ascii", "replace").decode()


ASCII = {
    "→": "->", "←": "<-", "✓": "ok", "✗": "x", "…": "...", "·": "-", "─": "-", "↳": ">", "●": "*", "○": "o", "?": "?", "—": "-",
    "│": "|", "▸": "+", "▾": "-",
}  # fmt: skip
"""How signs are spelled where there is only ASCII."""
