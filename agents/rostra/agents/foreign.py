"""Messages as dicts: rostra's own form, and that of AutoGen 0.2 (which is OpenAI's with `tool_responses`)."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rostra.protocol import ChatMessage


def from_dict(message: Mapping[str, Any]) -> ChatMessage:
    """A dict as a message; keys that mean nothing here are left out. Raises ValueError for one that is no message.

    Calls may be `{"id": …, "function": {"name": …, "arguments": …}}` or a `function_call`; responses may be named by
    `tool_call_id`, or be a message of the role `function` or `tool`.
    """
    plain = {key: value for key, value in message.items() if key in ChatMessage.__struct_fields__ and value is not None}
    if "tool_calls" in plain:
        plain["tool_calls"] = [_call(each) for each in _dicts(plain["tool_calls"], "tool_calls")]
    elif message.get("function_call"):
        (called,) = _dicts([message["function_call"]], "function_call")
        plain["tool_calls"] = [{**called, "id": _legacy(called.get("name"))}]
    if "tool_responses" in plain:
        plain["tool_responses"] = [_response(each) for each in _dicts(plain["tool_responses"], "tool_responses")]
    elif message.get("role") == "function":
        function = plain.pop("name", "")
        plain["tool_responses"] = [{"id": _legacy(function), "name": function, "content": _text(message.get("content"))}]
    elif message.get("role") == "tool" and message.get("tool_call_id"):
        plain["tool_responses"] = [{"id": message["tool_call_id"], "content": _text(message.get("content"))}]
    if message.get("content", "") is None and not plain.get("tool_calls"):
        plain["content"] = None
    try:
        return msgspec.convert(plain, ChatMessage)
    except msgspec.ValidationError as error:
        raise ValueError(f"no message: {error}") from None


def from_dicts(messages: Iterable[Mapping[str, Any]]) -> list[ChatMessage]:
    """A stored history, to seed an agent with: `chat_messages={partner: from_dicts(json.load(file))}`. Raises ValueError."""
    return [from_dict(each) for each in messages]


def _call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    return {**function, "id": call.get("id") or _legacy(function.get("name"))} if isinstance(function, Mapping) else call


def _response(response: Mapping[str, Any]) -> Mapping[str, Any]:
    if "tool_call_id" not in response:
        return response
    return {"id": response["tool_call_id"], "content": _text(response.get("content")), "name": response.get("name") or ""}


def _legacy(function: object) -> str:
    """The id of a call from the time when calls had none."""
    return f"function_{function}"


def _text(content: object) -> str:
    return content if isinstance(content, str) else "" if content is None else msgspec.json.encode(content).decode()


def _dicts(value: object, key: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, Mapping) for each in value):
        raise ValueError(f"no message: `{key}` is a list of dicts")
    return list(value)
