"""A message in its parts, as a person reads it: the text, the calls, what tools and programs put out. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rostra.protocol.chat import ChatMessage

OUTCOMES: Mapping[str, str] = {
    "ended": "ended",
    "limit": "stopped at a limit",
    "failed": "failed",
    "member_failed": "a member failed",
    "waits": "waits for a person",
    "stopped": "stopped",
}
"""The outcomes of chats, in words."""

_EXECUTED = re.compile(r"exitcode: (-?\d+) \((execution succeeded|execution failed)[^)]*\)\s*(?:Code output:)?[ \t]*\n?")


class Executed(msgspec.Struct, frozen=True):
    """A text that says how a program ended: its exit `code`, and its `output`."""

    code: int
    output: str


def executed(text: str) -> Executed | None:
    """The text of an agent that has run code; None: it is another text."""
    match = _EXECUTED.match(text)
    return None if match is None else Executed(int(match[1]), text[match.end() :])


def visible(message: ChatMessage) -> str:
    """The text of a message, with a mark for each part that is no text; nothing when it only carries what tools answered."""
    if message.tool_responses:
        return ""
    if not isinstance(message.content, list):
        return message.content or ""
    parts = []
    for part in message.content:
        parts.append(str(part.get("text", "")) if part.get("type") == "text" else f"[{part.get('type', 'part')}]")
    return "\n".join(parts)


def arguments(text: str) -> dict[str, Any] | None:
    """A call's arguments; None when they are no object."""
    try:
        given = json.loads(text or "{}")
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def call(name: str, text: str) -> str:
    """A call as `name(key=value, …)`, or with its arguments as they are when they are no object."""
    given = arguments(text)
    if given is None:
        return f"{name}({text})"
    return f"{name}({', '.join(f'{key}={json.dumps(value, ensure_ascii=False)}' for key, value in given.items())})"
