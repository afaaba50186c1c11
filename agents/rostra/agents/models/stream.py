"""Puts an answer together from the chunks of a stream, as servers really send them."""

from typing import Any

import msgspec

from rostra.protocol import ToolCall
from rostra.protocol.ids import new_id


class FunctionDelta(msgspec.Struct, frozen=True):
    """A piece of a function call. The arguments are JSON text; some servers send the object itself."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CallDelta(msgspec.Struct, frozen=True):
    """A piece of a tool call. Any part may be missing."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class MessageDelta(msgspec.Struct, frozen=True):
    """A piece of the message."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None


class Choice(msgspec.Struct, frozen=True):
    """One of the answers; only the first is asked for."""

    delta: MessageDelta | None = None
    finish_reason: str | None = None
    index: int | None = 0


class Tokens(msgspec.Struct, frozen=True):
    """Usage as the server counts it."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(msgspec.Struct, frozen=True):
    """One event of the stream; unknown fields are ignored."""

    choices: list[Choice] | None = None
    usage: Tokens | None = None


class _Call:
    def __init__(self, index: int | None, id_: str | None) -> None:
        self.index, self.id, self.name, self.arguments = index, id_, "", ""


class Assembly:
    """An answer that is being put together."""

    def __init__(self) -> None:
        self.content = ""
        self.refusal = ""
        self.finish_reason = ""
        """Empty until the server says that it has finished: without it the answer is only a part."""
        self.usage: Tokens | None = None
        self._calls: list[_Call] = []

    def feed(self, chunk: Chunk) -> str:
        """Take a chunk; returns the piece of text in it."""
        if chunk.usage and chunk.usage.prompt_tokens is not None and chunk.usage.completion_tokens is not None:
            self.usage = chunk.usage  # some servers count along: the last one holds
        piece = ""
        for choice in chunk.choices or ():
            if choice.index not in (0, None):
                continue
            if choice.delta:
                piece += choice.delta.content or ""
                self.refusal += choice.delta.refusal or ""
                for call in choice.delta.tool_calls or ():
                    self._feed_call(call)
            self.finish_reason = choice.finish_reason or self.finish_reason
        self.content += piece
        return piece

    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls, in order; those without an id get one."""
        return tuple(
            ToolCall(id=call.id or f"call_{new_id().hex()}", name=call.name, arguments=call.arguments.strip() or "{}")
            for call in self._calls
            if call.name
        )

    def _feed_call(self, delta: CallDelta) -> None:
        name = (delta.function and delta.function.name) or ""
        call = self._open_call(delta, name)
        call.id = call.id or delta.id
        call.name = call.name or name
        arguments = delta.function.arguments if delta.function else None
        call.arguments += msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""

    def _open_call(self, delta: CallDelta, name: str) -> _Call:
        """The call that a delta goes on with: by index, else by id, else the last one unless a name begins another.

        Some servers give every call the index 0: another id together with a name is another call.
        """
        for call in reversed(self._calls):
            same_id = not delta.id or not call.id or delta.id == call.id
            if delta.index is not None:
                if call.index == delta.index and (same_id or not name):
                    return call
            elif (delta.id and delta.id == call.id) or (not name and same_id):
                return call
        call = _Call(delta.index, delta.id)
        self._calls.append(call)
        return call
