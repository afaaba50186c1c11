"""Which members a text names. Pure.

A name counts on word boundaries, in any case, with `_` written as itself, as `\\_` (Markdown) or as a space. Where names overlap
(`coder`, `coder-1`; `writer`, `story_writer`) the longest one counts.
"""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

_UNDERSCORE = r"(?:\\?_| )"


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    spellings = "|".join("(" + re.escape(name).replace("_", _UNDERSCORE) + ")" for name in longest_first)
    return re.compile(rf"(?<!\w)(?<!\w-)(?:{spellings})(?!-?\w)", re.IGNORECASE)


def mentioned(text: str, names: Sequence[str], among: Collection[str] | None = None) -> dict[str, int]:
    """How often `text` names each of `names`, in order of appearance; with `among`, only those are returned."""
    longest_first = sorted(names, key=len, reverse=True)
    counts: dict[str, int] = {}
    for match in _pattern(tuple(names)).finditer(text) if names else ():
        name = longest_first[(match.lastindex or 1) - 1]
        if among is None or name in among:
            counts[name] = counts.get(name, 0) + 1
    return counts
