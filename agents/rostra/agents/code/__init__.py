"""Runs the code that agents write, in a sandbox or not at all."""

from .blocks import CodeBlock, find_blocks
from .config import CodeExecution
from .runner import CodeRunner
from .sandbox import SandboxUnavailable

__all__ = ["CodeBlock", "CodeExecution", "CodeRunner", "SandboxUnavailable", "find_blocks"]
