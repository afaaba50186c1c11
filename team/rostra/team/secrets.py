"""Finds API keys that were written into a team file. What is found is never repeated."""

import re
from collections.abc import Iterator
from typing import Any

from .lines import Path

_KEY = re.compile(
    r"(?:(?:.*_)?(?:api_?key|secret|password|passwd|authorization|credentials?)|(?:(?:access|api|auth|bearer)_)?token|bearer)\Z",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?:\b(?:sk|pk|rk|gsk|xai|hf|r8)[-_][A-Za-z0-9_-]{16,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\bAKIA[A-Z0-9]{16}\b"
    r"|\bBearer\s+[A-Za-z0-9._-]{16,}"
    r"|\b[a-z]+://[^/\s:@]+:[^/\s@]+@)"
)


def inline_keys(value: Any, path: Path = ()) -> Iterator[Path]:
    """The key paths under which a team file holds what looks like a secret."""
    match value:
        case dict():
            for key, one in value.items():
                if isinstance(one, str) and one and _KEY.match(key.replace("-", "_")):
                    yield (*path, key)
                else:
                    yield from inline_keys(one, (*path, key))
        case list():
            for number, one in enumerate(value):
                yield from inline_keys(one, (*path, number))
        case str() if _VALUE.search(value):
            yield path
        case _:
            pass
