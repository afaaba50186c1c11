"""Conversations that AutoGen has stored, read into messages. Pure: what a JSON file holds in, messages and their usage out.

AutoGen 0.2: a list of message dicts, or `chat_messages`, an object of such lists. AutoGen 0.4 to 0.7: what the `save_state` of a
team gives.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from rostra.agents.foreign import from_dict
from rostra.agents.prompt import TOOL_LOG
from rostra.protocol import ChatMessage, RostraError, Usage

SPOKEN = frozenset(
    {"TextMessage", "MultiModalMessage", "StopMessage", "HandoffMessage", "ToolCallSummaryMessage", "StructuredMessage"}
)
SILENT = frozenset(
    {
        "ThoughtEvent",
        "MemoryQueryEvent",
        "UserInputRequestedEvent",
        "ModelClientStreamingChunkEvent",
        "SelectSpeakerEvent",
        "SelectorEvent",
        "CodeGenerationEvent",
        "CodeExecutionEvent",
    }
)
"""Events of AutoGen 0.4 to 0.7 that are no part of what was said."""


class BadHistory(RostraError):
    """A file holds no conversation that could be read; `key` says where in it."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key, self.problem = key, problem


class Heard(msgspec.Struct, frozen=True):
    """A message, where in the file it stands, and what its model used. `message.name` is as in the file, or else the role."""

    key: str
    message: ChatMessage
    usage: tuple[Usage, ...] = ()


def read(data: Any, conversation: str = "") -> list[Heard]:
    """The conversation in `data`, as JSON was decoded. `conversation`: which, where there are several. Raises `BadHistory`."""
    heard = list(_state(data) if isinstance(data, Mapping) and "agent_states" in data else _messages(*_list(data, conversation)))
    if not heard:
        raise BadHistory("", "nothing was said in it")
    return heard


def _list(data: Any, conversation: str) -> tuple[str, Sequence[Any]]:
    """Where the list of messages of AutoGen 0.2 is, and the list."""
    if isinstance(data, list):
        return "", data
    if not isinstance(data, Mapping):
        raise BadHistory("", "expected a list of messages, an object of such lists, or the state of a team")
    lists = {key: value for key, value in data.items() if isinstance(value, list)}
    inner = data.get("chat_messages")
    if isinstance(inner, Mapping):
        return _list(inner, conversation)
    if conversation:
        if conversation not in lists:
            raise BadHistory(conversation, f"there is no such list of messages; there are {', '.join(lists) or 'none'}")
        return conversation, lists[conversation]
    for key in ("messages", "chat_history"):
        if key in lists:
            return key, lists[key]
    if len(lists) != 1:
        raise BadHistory("", f"several conversations, or none ({', '.join(lists)}): say --conversation" if lists else "no list")
    return next(iter(lists.items()))


def _messages(where: str, messages: Sequence[Any]) -> Iterator[Heard]:
    for place, each in enumerate(messages):
        key = f"{where}[{place}]"
        if not isinstance(each, Mapping):
            raise BadHistory(key, "is no message: an object with `content` and `role` was expected")
        if each.get("role") == "system":
            continue  # what a model was told, and nobody said
        if not each.keys() & {"content", "tool_calls", "function_call", "tool_responses"}:
            raise BadHistory(key, "is no message: it has neither `content` nor calls")
        try:
            message = from_dict(each)
        except ValueError as error:
            raise BadHistory(key, str(error).removeprefix("no message: ")) from None
        if each.get("role") == "function":  # there the name is the function's
            message = msgspec.structs.replace(message, name="")
        yield Heard(key, _bare(message, message.name or message.role))


def _state(data: Mapping[str, Any]) -> Iterator[Heard]:
    """The messages of a team of AutoGen 0.4 to 0.7: the manager's thread."""
    states = data["agent_states"]
    if not isinstance(states, Mapping):
        raise BadHistory("agent_states", "is no object")
    threads = {name: state for name, state in states.items() if isinstance(state, Mapping) and "message_thread" in state}
    if not threads:
        raise BadHistory("agent_states", "none of them has a `message_thread`: no group chat manager is among them")
    name, manager = next(iter(threads.items()))
    where, thread = f"agent_states.{name}.message_thread", manager["message_thread"]
    if not isinstance(thread, list):
        raise BadHistory(where, "is no list")
    rounds: dict[str, list[dict[str, Any]]] = {}
    for place, each in enumerate(thread):
        key = f"{where}[{place}]"
        if not isinstance(each, Mapping) or not isinstance(each.get("source"), str) or not isinstance(each.get("type"), str):
            raise BadHistory(key, "is no message: an object with `source`, `type` and `content` was expected")
        source, kind = each["source"], each["type"].partition("[")[0]
        if kind == "ToolCallRequestEvent":
            rounds.setdefault(source, []).append({"calls": _calls(key, each), "responses": []})
        elif kind == "ToolCallExecutionEvent":
            rounds.setdefault(source, [{"calls": [], "responses": []}])[-1]["responses"] = _responses(key, each)
        elif kind in SPOKEN:
            log = rounds.pop(source, None)
            yield Heard(key, _said(key, each, log), _usage(key, each))
        elif kind not in SILENT:
            raise BadHistory(f"{key}.type", f"{each['type']!r} is not known")


def _said(key: str, each: Mapping[str, Any], log: list[dict[str, Any]] | None) -> ChatMessage:
    content = each.get("content")
    if isinstance(content, list):
        content = [_part(f"{key}.content[{place}]", part) for place, part in enumerate(content)]
    elif isinstance(content, Mapping):
        content = msgspec.json.encode(content).decode()
    elif not isinstance(content, str):
        raise BadHistory(f"{key}.content", "is neither text nor a list of parts")
    return _bare(ChatMessage(content=content, metadata={TOOL_LOG: log} if log else {}), each["source"])


def _part(key: str, part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = part.get("data") if isinstance(part, Mapping) else None
    if not isinstance(data, str):
        raise BadHistory(key, "is neither text nor an image")
    return {"type": "image_url", "image_url": {"url": data if data.startswith("data:") else f"data:image/png;base64,{data}"}}


def _calls(key: str, each: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"id": call["id"], "name": call["name"], "arguments": call["arguments"]}
        for call in _entries(key, each, "id", "arguments")
    ]


def _responses(key: str, each: Mapping[str, Any]) -> list[dict[str, str]]:
    found = _entries(key, each, "call_id", "content")
    return [{"id": one["call_id"], "content": one["content"], "name": one["name"]} for one in found]


def _entries(key: str, each: Mapping[str, Any], *needed: str) -> list[dict[str, str]]:
    content = each.get("content")
    if not isinstance(content, list):
        raise BadHistory(f"{key}.content", "is no list of calls")
    for place, one in enumerate(content):
        if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in needed):
            raise BadHistory(f"{key}.content[{place}]", f"has no {' or no '.join(needed)}")
        one.setdefault("name", "")
    return content


def _usage(key: str, each: Mapping[str, Any]) -> tuple[Usage, ...]:
    used = each.get("models_usage")
    if used is None:
        return ()
    try:
        return (msgspec.convert({name: used[name] for name in ("prompt_tokens", "completion_tokens")}, Usage),)
    except (msgspec.ValidationError, KeyError, TypeError):
        raise BadHistory(f"{key}.models_usage", "has no prompt_tokens and completion_tokens") from None


def _bare(message: ChatMessage, name: str) -> ChatMessage:
    content = "" if message.content is None and not message.tool_calls else message.content
    return msgspec.structs.replace(message, name=name, content=content, sequence=0)
