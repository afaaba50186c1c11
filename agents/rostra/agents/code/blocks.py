"""Code in messages: fenced blocks, and which messages are searched for them."""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from rostra.agents.prompt import OUTPUT
from rostra.protocol import ChatMessage

LANGUAGES = {"python": "python", "py": "python", "python3": "python", "sh": "sh", "shell": "sh", "bash": "bash"}
"""What a block may be marked with, and what runs it."""

_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,})[ \t]*(?P<language>[\w+#.-]*)[^\n`]*\n(?P<code>.*?)^[ \t]*(?P=fence)`*[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_FILENAME = re.compile(r"\s*(?:#|//)\s*filename:\s*(?P<name>[\w][\w.-]{0,100})\s*(?:\n|\Z)")


class CodeBlock(msgspec.Struct, frozen=True):
    """A fenced block: what it is marked with (in lower case), and the code."""

    language: str
    code: str

    @property
    def filename(self) -> str:
        """The plain file name that a first line `# filename: NAME` asks for; else empty."""
        found = _FILENAME.match(self.code)
        return found["name"] if found else ""


def find_blocks(text: str) -> list[CodeBlock]:
    """The fenced blocks of `text`, in order. One without a mark is Python where it could be, else its language is empty."""
    blocks = []
    for found in _FENCE.finditer(text.replace("\r\n", "\n")):
        code = _dedent(found["code"], found["indent"])
        blocks.append(CodeBlock(found["language"].lower() or _guess(code), code))
    return blocks


def latest_blocks(messages: Sequence[ChatMessage], agent: str, last_messages: int | Literal["auto"]) -> list[CodeBlock]:
    """The blocks of the newest message that has any, among the last ones.

    `last_messages`: how many are searched; "auto": back to the agent's own last message. A message with nothing but one block of
    no known language is passed over. What is data is never searched: answers of tools, output of code, the agent's own words.
    """
    searched = len(messages) if last_messages == "auto" else last_messages
    for message in reversed(messages[max(0, len(messages) - searched) :]):
        if message.name == agent:
            if last_messages == "auto":
                break
            continue
        if message.role in ("tool", "function") or OUTPUT in message.metadata:
            continue
        blocks = find_blocks(message.text)
        if blocks and not (len(blocks) == 1 and not blocks[0].language):
            return blocks
    return []


def _dedent(code: str, indent: str) -> str:
    return "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True)) if indent else code


def _guess(code: str) -> str:
    first = code.lstrip().partition("\n")[0]
    if first.startswith("#!"):
        return next((mark for mark in ("python", "bash", "sh") if mark in first), "")
    try:
        compile(code, "<block>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return "python"
