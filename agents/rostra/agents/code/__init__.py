"""Runs the code that agents write, in a sandbox or not at all.

What runs it is loaded when it is first used: most agents only need to know that they run none.
"""

from typing import TYPE_CHECKING

from rostra.protocol.lazily import lazily

from .config import CodeExecution

if TYPE_CHECKING:
    from .blocks import CodeBlock, find_blocks
    from .job import SandboxUnavailable
    from .runner import CodeRunner

__all__ = ["CodeBlock", "CodeExecution", "CodeRunner", "SandboxUnavailable", "find_blocks"]

_HOMES = {"CodeBlock": "blocks", "CodeRunner": "runner", "SandboxUnavailable": "job", "find_blocks": "blocks"}

__getattr__, __dir__ = lazily(__name__, _HOMES)
