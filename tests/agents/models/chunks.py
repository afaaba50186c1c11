"""What is asked of a model in tests, and the chunks that a server streams."""

from collections.abc import Callable
from typing import Any

from rostra.agents.models import OpenAIModel
from rostra.protocol import ChatMessage
from rostra.protocol.completion import CompletionRequest

KEY = "sk-veryverysecretkey12345"
Make = Callable[..., OpenAIModel]


def asked(content: str = "Say something.", **fields: Any) -> CompletionRequest:
    return CompletionRequest(messages=(ChatMessage(content=content),), **fields)


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def finish(reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}
