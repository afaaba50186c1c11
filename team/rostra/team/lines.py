"""Where each key of a TOML text stands, since `tomllib` keeps no lines.

The text must be one that `tomllib` accepts; the scanner relies on that and understands only as much as it needs.
"""

import re
import tomllib

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


def key_lines(text: str) -> dict[Path, int]:
    """Map each key path of a valid TOML text, such as `("agents", "planner", "tools", 1)`, to its line, counted from 1.

    A table's line is that of its header (or of the first key that implies it), an element's line the one it begins on. The
    empty path is line 1.
    """
    return _Scanner(text).run()


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest thing around it that has one."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lines: dict[Path, int] = {(): 1}
        self._counted_to, self._line = 0, 1
        self._arrays: dict[Path, int] = {}  # arrays of tables: path -> index of the newest element

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self._skip(_SPACE)
            if self.at >= len(self.text):
                return self.lines
            if self.text.startswith("[[", self.at):
                table = self._header("[[")
            elif self.text[self.at] == "[":
                table = self._header("[")
            else:
                self._pair(table)

    def _header(self, mark: str) -> Path:
        line = self._here()
        self.at += len(mark)
        names = self._key()
        self._skip(_BLANK)
        self.at += len(mark)
        path: Path = ()
        for name in names[:-1]:
            path = self._newest((*path, name))
            self.lines.setdefault(path, line)
        path = (*path, names[-1])
        if mark == "[[":
            self.lines.setdefault(path, line)
            self._arrays[path] = self._arrays.get(path, -1) + 1
            path = self._newest(path)
        self.lines[path] = line
        return path

    def _newest(self, path: Path) -> Path:
        return (*path, self._arrays[path]) if path in self._arrays else path

    def _pair(self, table: Path) -> None:
        line, path = self._here(), table
        for name in self._key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self._skip(_BLANK)
        self.at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> list[str]:
        names: list[str] = []
        while True:
            self._skip(_BLANK)
            bare = _BARE.match(self.text, self.at)
            if bare:
                self.at = bare.end()
                names.append(bare[0])
            else:
                begin = self.at
                self._skip(_STRING)
                names.append(tomllib.loads("key = " + self.text[begin : self.at])["key"])
            self._skip(_BLANK)
            if self.text[self.at] != ".":
                return names
            self.at += 1

    def _value(self, path: Path) -> None:
        first = self.text[self.at]
        if first == "[":
            self._items(path, "]")
        elif first == "{":
            self._items(path, "}")
        elif first in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _items(self, path: Path, end: str) -> None:
        self.at += 1
        number = 0
        while True:
            self._skip(_SPACE)
            if self.text[self.at] == ",":
                self.at += 1
            elif self.text[self.at] == end:
                self.at += 1
                return
            elif end == "}":
                self._pair(path)
            else:
                element = (*path, number)
                self.lines[element] = self._here()
                self._value(element)
                number += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()

    def _here(self) -> int:
        self._line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self._line
