"""Recordings: what was asked of models and what they answered, as JSON Lines; and a model that plays them."""

import asyncio
import difflib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from rostra.protocol.completion import Completion, CompletionRequest

from .base import ModelError
from .digest import Canonical, canonical, digest
from .pieces import Shown

LONGEST_PAUSE = 2.0
"""Seconds: a longer silence is cut to this in a replay."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A piece of an answer: seconds since the request, and the text."""

    at: float
    text: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a recording."""

    digest: str
    request: Canonical
    completion: Completion
    pieces: tuple[Piece, ...] = ()


class BadRecording(ValueError):
    """A recording that cannot be played; says where and why."""


class Recorder:
    """Appends what was asked and answered to `path`, a line each, flushed at once. Close it, or use it as a context."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def write(self, request: CompletionRequest, completion: Completion, pieces: list[Piece]) -> None:
        """Write one line."""
        content = canonical(request)
        entry = Entry(digest=digest(content), request=content, completion=completion, pieces=tuple(pieces))
        self._file.write(msgspec.json.encode(entry) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Timed:
    """Takes the pieces of an answer, keeps when each came, and hands it on."""

    def __init__(self, sink: Callable[[str], None] | None) -> None:
        self.pieces: list[Piece] = []
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    def __call__(self, text: str) -> None:
        """One more piece."""
        self.pieces.append(Piece(round(self._loop.time() - self._start, 3), text))
        if self._sink:
            self._sink(text)


class RecordedModel:
    """Answers what is in the recording, in the rhythm in which it was answered then; refuses to invent.

    Equal requests have the same answer, the first that was recorded: then whatever follows from it is in the recording too.
    `speed`: how much faster it is played; 0: without pauses. Raises `BadRecording`.
    """

    def __init__(self, path: Path, *, speed: float = 1.0) -> None:
        self._path, self._speed = path, speed
        self._entries: dict[str, Entry] = {}
        for entry in _read(path):
            self._entries.setdefault(entry.digest, entry)

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        """What was answered to an equal request; raises `ModelError` when there was none."""
        content = canonical(request)
        entry = self._entries.get(digest(content))
        if entry is None:
            raise ModelError(self._unmatched(content))
        shown, before = Shown(on_delta or (lambda _: None)), 0.0
        for piece in entry.pieces:
            await self._pause(piece.at - before)
            before = piece.at
            shown(piece.text)
        shown.finish(entry.completion.content)
        return entry.completion

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds / self._speed, LONGEST_PAUSE) if self._speed else 0)

    def _unmatched(self, content: Canonical) -> str:
        asked = _spelled(content)
        said = f"nothing like this was recorded in {self._path.name}: {_short(asked)}"
        spelled = [_spelled(entry.request) for entry in self._entries.values()]
        nearest = max(spelled, key=lambda one: _likeness(one, asked), default="")
        if not nearest:
            return f"{said}; the recording is empty"
        at = next((i for i, (a, b) in enumerate(zip(nearest, asked, strict=False)) if a != b), min(len(nearest), len(asked)))
        start = max(0, at - 40)
        there, here = nearest[start : at + 60] or "(its end)", asked[start : at + 60] or "(its end)"
        return f"{said}; the nearest one differs at character {at}: recorded {there!r}, asked {here!r}"


def _read(path: Path) -> list[Entry]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadRecording(f"{path}: {error.strerror}") from None
    decoder, entries = msgspec.json.Decoder(Entry), []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entries.append(decoder.decode(line))
        except msgspec.DecodeError as error:
            if number == len(lines):
                break  # whoever recorded was killed while it wrote
            raise BadRecording(f"{path}:{number}: {error}") from None
    return entries


def _spelled(content: Canonical) -> str:
    return msgspec.json.encode(content, order="deterministic").decode()


def _likeness(one: str, other: str) -> float:
    """From 0 to 1; the end counts most, for that is where a conversation grows."""
    return difflib.SequenceMatcher(None, one[-2000:], other[-2000:], autojunk=True).quick_ratio()


def _short(text: str, size: int = 300) -> str:
    return text if len(text) <= size else f"{text[: size // 3]} … {text[-2 * size // 3 :]}"
