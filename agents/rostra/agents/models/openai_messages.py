"""From our messages, tools and options to those of the chat completions API."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from rostra.protocol import ChatMessage, ToolCall
from rostra.protocol.completion import ToolSchema

from .base import ModelError
from .profiles import Profile

Body = dict[str, Any]

OURS = frozenset({"model", "messages", "stream", "stream_options", "tools", "n", "functions"})
"""What no option may set."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
UNANSWERED = "(no answer)"


def messages_to_api(messages: Sequence[ChatMessage], profile: Profile) -> list[Body]:
    """The messages as the API takes them.

    The API refuses a call without its answer, and an answer that does not follow its call. So answers are put behind their
    calls wherever they came, a call that was never answered gets `UNANSWERED`, and an answer to no call is a user's message.
    """
    out: list[Body] = []
    taken: set[tuple[int, int]] = set()
    for place, message in enumerate(messages):
        if message.tool_calls:
            out.append(_calling(message, profile))
            out += [_answer(call, messages, place, taken) for call in message.tool_calls]
            continue
        loose = [one for number, one in enumerate(message.tool_responses) if (place, number) not in taken]
        if message.tool_responses:
            out += [_said("user", one.content, message.name, profile) for one in loose]
        else:
            role = message.role if message.role in ("system", "assistant") else "user"
            out.append(_said(role, message.content if message.content is not None else "", message.name, profile))
    return out


def tools_to_api(tools: Sequence[ToolSchema]) -> list[Body]:
    """The tools as the API takes them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters or {"type": "object", "properties": {}},
            },
        }
        for tool in tools
    ]


def options_to_api(options: Body, profile: Profile) -> Body:
    """The options as the API takes them, the limit of the length under the server's own name; raises `ModelError`."""
    forbidden = sorted(OURS & options.keys())
    if forbidden:
        raise ModelError(f"{forbidden[0]!r} is no option of a request")
    out = {key: value for key, value in options.items() if value is not None and key != "response_format"}
    for key in ("max_tokens", "max_completion_tokens"):
        if key in out and key != profile.limit:
            out.setdefault(profile.limit, out.pop(key))
    return out


def schema_of(response_format: Any) -> Body | None:
    """The JSON Schema in `response_format`: a schema itself, or the API's own form; None: no schema."""
    if not isinstance(response_format, dict) or response_format.get("type") in ("text", "json_object"):
        return None
    if response_format.get("type") == "json_schema":
        inner = response_format.get("json_schema", {})
        return inner.get("schema") if isinstance(inner, dict) else None
    return response_format


def format_to_api(response_format: Any) -> Body:
    """`response_format` in the API's form."""
    if isinstance(response_format, dict) and response_format.get("type") in ("text", "json_object", "json_schema"):
        return response_format
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": response_format}}


def in_words(messages: list[Body], schema: Body) -> list[Body]:
    """The messages, the schema told in the first system message, for a server that knows no `response_format`."""
    told = f"Answer with nothing but JSON that conforms to this JSON Schema: {msgspec.json.encode(schema).decode()}"
    if messages and messages[0]["role"] == "system" and isinstance(messages[0]["content"], str):
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{told}"}, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]


def sanitised(name: str) -> str:
    """`name` as the API allows names: letters, digits, `_` and `-`, 64 at most; empty when nothing is left."""
    return _NOT_IN_NAMES.sub("_", name).strip("_")[:64]


def _said(role: str, content: Any, name: str, profile: Profile) -> Body:
    message: Body = {"role": role, "content": content}
    if name and role != "system":
        if profile.names:
            spelled = sanitised(name)
            if spelled:
                message["name"] = spelled
        elif role == "user":
            message["content"] = _tagged(content, name)
    return message


def _tagged(content: Any, name: str) -> Any:
    """The content with the speaker's name before it, for a server that knows no `name`."""
    if isinstance(content, list):
        return [{"type": "text", "text": f"{name}:"}, *content]
    return f"{name}: {content}"


def _calling(message: ChatMessage, profile: Profile) -> Body:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": sanitised(call.name), "arguments": _json_object(call.arguments)}}
        for call in message.tool_calls
    ]
    return {**_said("assistant", message.content or "", message.name, profile), "tool_calls": calls}


def _answer(call: ToolCall, messages: Sequence[ChatMessage], place: int, taken: set[tuple[int, int]]) -> Body:
    """The first answer to `call` after its place that answers no earlier call: servers do use an id twice."""
    for later in range(place + 1, len(messages)):
        for number, response in enumerate(messages[later].tool_responses):
            if response.id == call.id and (later, number) not in taken:
                taken.add((later, number))
                return {"role": "tool", "tool_call_id": call.id, "content": response.content}
        if any(again.id == call.id for again in messages[later].tool_calls):
            break
    return {"role": "tool", "tool_call_id": call.id, "content": UNANSWERED}


def _json_object(arguments: str) -> str:
    """The arguments, or, when they are no JSON object, an object that holds them: some servers parse them again."""
    try:
        msgspec.json.decode(arguments, type=dict)
    except msgspec.DecodeError:
        return msgspec.json.encode({"malformed": arguments}).decode()
    return arguments
