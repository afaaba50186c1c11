"""Runs the code that agents write, in a sandbox or not at all.

What runs it is loaded when it is first used: most agents only need to know that they run none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .config import CodeExecution

if TYPE_CHECKING:
    from .blocks import CodeBlock, find_blocks
    from .job import SandboxUnavailable
    from .runner import CodeRunner

__all__ = ["CodeBlock", "CodeExecution", "CodeRunner", "SandboxUnavailable", "find_blocks"]

_HOMES = {"CodeBlock": "blocks", "CodeRunner": "runner", "SandboxUnavailable": "job", "find_blocks": "blocks"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return value
