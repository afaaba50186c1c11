"""Runs the code that agents write, in a sandbox or not at all."""

from .blocks import CodeBlock, find_blocks
from .config import CodeExecution
from .job import SandboxUnavailable
from .runner import CodeRunner

__all__ = ["CodeBlock", "CodeExecution", "CodeRunner", "SandboxUnavailable", "find_blocks"]
