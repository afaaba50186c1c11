"""The JSON that models write: mostly JSON."""

import re
from typing import Any

import msgspec

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class BadArguments(ValueError):
    """The arguments of a call are no JSON object; says why."""


def parse_arguments(text: str) -> dict[str, Any]:
    """The arguments of a tool call; nothing at all means none. Raises `BadArguments`.

    Line breaks and other control characters inside a JSON string, which JSON forbids and models write, are repaired.
    """
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        try:
            value = msgspec.json.decode(escaped(text))
        except msgspec.DecodeError:
            raise BadArguments(f"the arguments are not valid JSON: {error}") from None
    except UnicodeEncodeError as error:
        raise BadArguments(f"the arguments are not valid text: {error.reason}") from None
    if not isinstance(value, dict):
        raise BadArguments("the arguments must be a JSON object")
    return value


def escaped(text: str) -> str:
    """`text` with the control characters inside its JSON strings escaped."""
    return _STRING.sub(lambda string: _CONTROL.sub(_escape, string[0]), text)


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}"
