"""Small things that commands print: tables, times, the text of a message."""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rostra.protocol.clock import wall

from .jsonlines import line, plain
from .terminal import Style, clean, columns, shorten


def say(text: str) -> None:
    """A line of progress, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def put(text: str) -> None:
    """A line of data, on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def put_json(value: Any) -> None:
    """A value (a struct, or plain ones) as one line of JSON, on stdout."""
    put(line(plain(value)))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], out: TextIO | None = None) -> None:
    """Print rows under their heads, on stdout: columns as wide as they must be, the last one cut at the width of a terminal."""
    out = out or sys.stdout
    style = Style.of(out)
    lines = [[" ".join(clean(cell).split()) for cell in row] for row in rows]
    widths = [max([columns(head), *(columns(row[place]) for row in lines)]) for place, head in enumerate(heads)]

    def laid(cells: Sequence[str]) -> str:
        text = "  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(cells[:-1], widths, strict=False))
        room = style.width - columns(text) - 3 if out.isatty() else 10_000
        last = shorten(cells[-1], max(10, room), style.sign("…"))
        return style.text(f"{text}  {last}".strip() if text else last).rstrip()

    out.write(style.dim(laid(heads)) + "\n")
    for row in lines:
        out.write(laid(row) + "\n")
    out.flush()


def clock(milliseconds: int) -> str:
    """A moment (milliseconds since 1970) in local time; empty for 0."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000)) if milliseconds else ""


def since(milliseconds: int) -> str:
    """How long ago a moment was, in its two largest units."""
    seconds = max(0, round(wall() - milliseconds / 1000))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in units:
        amount, seconds = divmod(seconds, size)
        if amount or (unit == "s" and not parts):
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2])


def pretty(value: Any) -> str:
    """Plain values as one line of JSON, a text as itself."""
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def given(text: str) -> str:
    """An argument of the command line, or all of stdin when it is `-`."""
    return sys.stdin.read().rstrip("\n") if text == "-" else text
