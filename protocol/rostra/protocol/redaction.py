"""Secrets are masked before anything leaves a process: on the wire, to the disk, to a log.

What is masked: the values that this process knows to be secret (`learn`), and whatever has the form of a well-known kind of key.
A `Redactor` is pure; the one of this process (`own`) begins with the variables of the environment whose names say that they are
secret.
"""

import os
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MASK = "***"
SHORTEST = 8
"""Characters of a value that is masked; a shorter one is too likely to be an ordinary word."""
HELD = 8_192
"""Characters of a stream that are held back at most, because a secret may be about to end."""

_SECRET_NAME = re.compile(r"(?:\A|_)(?:API_?KEY|ACCESS_KEY|SECRET(?:_KEY)?|PASSWORD|PASSWD|TOKEN)\Z", re.IGNORECASE)

_FORMS: tuple[tuple[str, str, str], ...] = (
    ("-", "sk-", r"\bsk-(?=[A-Za-z_*-]*[0-9*])[A-Za-z0-9_*-]{16,}"),
    ("_", "sk_", r"\bsk_(?:live|test)_[A-Za-z0-9]{10,}|\bgsk_[A-Za-z0-9]{20,}"),
    ("_", "rk_", r"\brk_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("-", "xai-", r"\bxai-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}"),
    ("_", "hf_", r"\bhf_(?=[A-Za-z]*[0-9A-Z])[A-Za-z0-9]{20,}"),
    ("_", "gh", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    ("_", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    ("A", "AIza", r"\bAIza[A-Za-z0-9_-]{30,}"),
    ("A", "AKIA", r"\bAKIA[A-Z0-9]{16}\b"),
    ("-", "xox", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    (" ", "earer ", r"(?<=\b[Bb]earer )(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{12,}"),
    ("-", "PRIVATE KEY-----", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
)
"""Kinds of keys: a character and a text that each has in it for certain, and its form.

Many bodies have none of the characters, and looking for one byte takes a thirtieth of the time that looking for a text takes."""
_FORM = re.compile("|".join(form for _, _, form in _FORMS), re.DOTALL)
_END = re.compile(r"-----END [A-Z ]*-----")
_MARKS = tuple(mark for _, mark, _ in _FORMS)
_MARKS_BY_CHARACTER = tuple(
    (ord(character), tuple(mark.encode() for has, mark, _ in _FORMS if has == character))
    for character in dict.fromkeys(has for has, _, _ in _FORMS)
)


class Redactor:
    """Masks `values`, and what has the form of a key."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = {value.strip() for value in values}
        self.values = tuple(sorted((value for value in known if len(value) >= SHORTEST), key=len, reverse=True))
        """The longest first: one may be part of another."""
        self._encoded = tuple(value.encode(errors="surrogateescape") for value in self.values)

    def text(self, text: str) -> str:
        """`text` with `MASK` in place of each secret."""
        for value in self.values:
            if value in text:
                text = text.replace(value, MASK)
        for mark in _MARKS:
            if mark in text:
                return _FORM.sub(MASK, text)
        return text

    def value(self, value: Any) -> Any:
        """Plain values with every text in them masked, keys of maps too."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.value(key): self.value(each) for key, each in value.items()}
            case list():
                return [self.value(each) for each in value]
            case _:
                return value

    def struct(self, struct: T) -> T:
        """A typed struct with every text in it masked."""
        body = msgspec.msgpack.encode(struct)
        masked = self.body(body)
        return struct if masked is body else msgspec.msgpack.decode(masked, type=type(struct))

    def body(self, body: bytes) -> bytes:
        """A MessagePack body with every text in it masked; the same bytes where there is nothing to mask."""
        if not self._suspicious(body):
            return body
        try:
            value = msgspec.msgpack.decode(body)
            masked = self.value(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return body  # no body that any of ours would take
        return body if masked == value else msgspec.msgpack.encode(masked)

    def _suspicious(self, body: bytes) -> bool:
        for value in self._encoded:
            if value in body:
                return True
        for character, marks in _MARKS_BY_CHARACTER:
            if character in body:
                for mark in marks:
                    if mark in body:
                        return True
        return False


class Pieces:
    """Hands a text on that comes in pieces, masked as the whole of it would be: what may be a part of a secret is held back.

    White space ends a secret, so an ordinary word is held back until the next one begins at most.
    """

    def __init__(self, redactor: Redactor, sink: Callable[[str], None]) -> None:
        self._redactor, self._sink = redactor, sink
        self._starts = (*_MARKS, "gsk_", "Bearer", "bearer")
        self._held = ""

    def __call__(self, piece: str) -> None:
        """The text goes on with `piece`."""
        self._held += piece
        begun = (_begun(self._held, value) for value in self._redactor.values)
        cut = min([self._cut(), *(len(self._held) - length for length in begun)])
        self._hand_on(cut if len(self._held) <= HELD else len(self._held))

    def flush(self) -> None:
        """The text has ended."""
        self._hand_on(len(self._held))

    def _hand_on(self, cut: int) -> None:
        ready, self._held = self._held[:cut], self._held[cut:]
        if ready:
            self._sink(self._redactor.text(ready))

    def _cut(self) -> int:
        """How much of what is held can be handed on."""
        held = self._held
        begin = held.rfind("-----BEGIN")
        word = len(held) - len(held.split()[-1]) if held and not held[-1].isspace() else len(held)
        if begin >= 0 and not _END.search(held, begin, word):
            return begin
        before = held[:word].rstrip()
        if before.endswith(("Bearer", "bearer")):
            return len(before) - len("Bearer")
        tail = held[word:]
        if tail.isalpha() and not any(start.startswith(tail) or tail.startswith(start) for start in self._starts):
            return len(held)
        return word


def _begun(text: str, value: str) -> int:
    """How many of the last characters of `text` may be the first ones of `value`."""
    return next((length for length in range(min(len(value) - 1, len(text)), 0, -1) if text.endswith(value[:length])), 0)


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """The values of an environment's variables whose names say that they are secret; paths are none."""
    return [value for name, value in environment.items() if _SECRET_NAME.search(name) and not value.startswith("/")]


def secrets_of_url(url: str) -> list[str]:
    """What is secret of a URL like `postgresql://user:password@host/name`: all of it, and the password in either spelling."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        given = [parts.password or "", *urllib.parse.parse_qs(parts.query).get("password", [])]
    except ValueError:
        given = []
    return [url.strip(), *given, *map(urllib.parse.unquote, given)] if any(given) else []


own = Redactor(secrets_of(os.environ))
"""The redactor of this process."""


def learn(values: Iterable[str]) -> None:
    """From now on this process masks `values`, too."""
    global own
    own = Redactor({*own.values, *values})
