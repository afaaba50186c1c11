"""Secrets and team files: keys that were written into one, and the values of those that one refers to. None is ever shown."""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from rostra.protocol.redaction import secrets_of_url

from .lines import Path
from .tables import TeamTables

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


def configured(tables: TeamTables, base: pathlib.Path) -> list[str]:
    """The values of the keys that a team file names, as far as this process can read them; `base`: the file's directory."""
    found: list[str] = []
    for model in tables.models.values():
        if model.api_key_env:
            found.append(os.environ.get(model.api_key_env, ""))
        if model.api_key_file:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                found.append((base / pathlib.Path(model.api_key_file).expanduser()).read_text(encoding="utf-8"))
    for tool in tables.tools.values():
        found += secrets_of_url(os.environ.get(tool.database_env, ""))
        found.append(os.environ.get(tool.token_env, ""))
    return found
