"""What is asked of a model, and what it answers: the request `complete` to the gateway (docs/messages.md)."""

from typing import Any

from .chat import ChatMessage, Payload, ToolCall, Usage


class ToolSchema(Payload, frozen=True, kw_only=True):
    """A tool as a model is told of it; `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any] = {}


class StreamTo(Payload, frozen=True, kw_only=True):
    """Where the pieces of an answer are published while it is written: as `chat.Delta` on `topic`."""

    topic: str
    chat: str = ""
    sequence: int = 0
    speaker: str = ""


class CompletionRequest(Payload, frozen=True, kw_only=True):
    """Body of the request `complete`."""

    messages: tuple[ChatMessage, ...]
    """In order; own words are `assistant`, others' are `user`; the system message first."""
    model: str = "default"
    """A name from the team file's [models]."""
    tools: tuple[ToolSchema, ...] = ()
    options: dict[str, Any] = {}
    """temperature, max_tokens, seed, response_format (a JSON Schema), stop …"""
    agent: str = ""
    """On whose behalf; a scripted model answers from this agent's list."""
    ordinal: int = -1
    """How many completions this agent has had in this chat; -1: as many as there are assistant messages above."""
    chat: str = ""
    stream: StreamTo | None = None


class Completion(Payload, frozen=True, kw_only=True):
    """Answer to `complete`."""

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    model: str = ""
    """The model that answered, which may be a fallback."""
    finish_reason: str = ""


class EmbedRequest(Payload, frozen=True, kw_only=True):
    """Body of the request `embed`."""

    texts: tuple[str, ...]
    model: str = "default"
    """A name from the team file's [models]."""
    agent: str = ""


class Embeddings(Payload, frozen=True, kw_only=True):
    """Answer to `embed`: for each text its vector, 32-bit floats, little-endian."""

    vectors: tuple[bytes, ...]
    usage: Usage = Usage()
    model: str = ""
