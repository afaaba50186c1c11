"""The JSON Lines of `--json`: one object a line, with stable keys (docs/cli.md)."""

from typing import Any

import msgspec

from rostra.protocol.chat import ChatEvent, ChatMessage, Delta, Question, Result

_encode = msgspec.json.Encoder().encode


def line(value: Any) -> str:
    """One value as one line of JSON, without its line feed. Bytes become hexadecimal."""
    return _encode(value).decode()


def plain(value: Any) -> Any:
    """A struct (or a list or map of them) as plain values with every key present."""
    match value:
        case msgspec.Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case bytes():
            return value.hex()
    return value


def message(said: ChatMessage) -> dict[str, Any]:
    """A message of a transcript."""
    return {
        "type": "message",
        "seq": said.sequence,
        "speaker": said.name,
        "role": said.role,
        "content": said.content,
        "tool_calls": [plain(call) for call in said.tool_calls],
        "tool_responses": [plain(response) for response in said.tool_responses],
    }


def result(how: Result) -> dict[str, Any]:
    """How a chat ended: always the last line."""
    usage = how.usage
    return {
        "type": "result",
        "chat": how.chat,
        "outcome": how.outcome,
        "stop_reason": how.stop_reason,
        "messages": how.messages,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cost": usage.cost,
            "estimated": usage.estimated,
        },
        "seconds": how.seconds,
    }


def event(happened: ChatEvent) -> dict[str, Any] | None:
    """One event of a chat; None for one that has no line of its own."""
    match happened.type:
        case "started":
            return {"type": "started", "chat": happened.chat}
        case "selected":
            return {"type": "selected", "seq": happened.sequence, "speaker": happened.speaker, "why": happened.why}
        case "message":
            return message(happened.message) if happened.message else None
        case "failed":
            return {"type": "failed", "seq": happened.sequence, "speaker": happened.speaker, "error": happened.error}
        case "skipped":
            why = happened.error or happened.why
            return {"type": "skipped", "seq": happened.sequence, "speaker": happened.speaker, "error": why}
        case "passed":
            return {"type": "passed", "seq": happened.sequence, "speaker": happened.speaker}
        case "state":
            if happened.control is not None:
                return {"type": "control", "seq": happened.sequence, **plain(happened.control)}
            return {"type": "state", "state": happened.why}
        case "vote":
            return {
                "type": "vote",
                "seq": happened.sequence,
                "speaker": happened.speaker,
                "why": happened.why,
                "tally": plain(happened.tally),
            }
        case "reminder":
            return {"type": "reminder", "question": happened.question}
        case "answered":
            return {"type": "answered", "question": happened.question}
        case "question":
            return None  # `question` below: it has the text
        case "result":
            return result(happened.result) if happened.result else None


def question(number: int, asked: Question) -> dict[str, Any]:
    """A question to a person."""
    return {
        "type": "question",
        "question": number,
        "agent": asked.agent,
        "text": asked.text,
        "options": list(asked.options),
        "default": asked.default,
        "kind": asked.kind,
        "form": asked.form,
        "detail": asked.detail,
        "digest": asked.digest,
        "assignee": asked.assignee,
        "seconds": asked.seconds,
    }


def delta(piece: Delta) -> dict[str, Any]:
    """A piece of an answer that is being written."""
    return {"type": "delta", "seq": piece.sequence, "speaker": piece.speaker, "text": piece.text}
