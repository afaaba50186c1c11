"""What makes two requests equal: what is asked, not when, where, or under which ids."""

import hashlib
from typing import Any

import msgspec

from rostra.protocol import ChatMessage
from rostra.protocol.completion import CompletionRequest

Canonical = dict[str, Any]


def canonical(request: CompletionRequest) -> Canonical:
    """The content of a request as plain values: model, agent, messages, tools and options.

    The ids of tool calls are replaced by their order, for a server makes them up.
    """
    ids: dict[str, str] = {}
    return {
        "model": request.model,
        "agent": request.agent,
        "messages": [_message(message, ids) for message in request.messages],
        "tools": [msgspec.to_builtins(tool) for tool in request.tools],
        "options": request.options,
    }


def digest(content: Canonical) -> str:
    """SHA-256 of the canonical content, hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def _message(message: ChatMessage, ids: dict[str, str]) -> dict[str, Any]:
    def place(id_: str) -> str:
        return ids.setdefault(id_, f"call {len(ids) + 1}")

    plain: dict[str, Any] = {"role": message.role, "name": message.name, "content": message.content or ""}
    if message.tool_calls:
        calls = message.tool_calls
        plain["tool_calls"] = [{"id": place(call.id), "name": call.name, "arguments": call.arguments} for call in calls]
    if message.tool_responses:
        plain["tool_responses"] = [{"id": place(one.id), "content": one.content} for one in message.tool_responses]
    return plain
