"""A model that answers from a script: for tests and demonstrations, without a key.

It keeps no place in the script. Which reply is due follows from the request alone, so that a gateway that was killed and
started again gives the same answers.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rostra.protocol import ToolCall, Usage
from rostra.protocol.completion import Completion, CompletionRequest

from .base import ModelError
from .pieces import split
from .usage import estimate

ANYONE = "*"
"""The entry of agents that have none of their own."""


class BadScript(ValueError):
    """A script that cannot be played; says where and why."""


class ScriptedCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool call in a script; `arguments` as a table, or as the raw text that a model would write."""

    name: str
    arguments: dict[str, Any] | str = {}
    id: str = ""


class ScriptedUsage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reply is said to have used, in tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class ScriptedReply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of a script: a reply, or an error that is raised `times` times before the reply that follows it."""

    text: str = ""
    tool_calls: tuple[ScriptedCall, ...] = ()
    delay: float = 0.0
    """Seconds, spread over the pieces of the answer."""
    usage: ScriptedUsage | None = None
    """Instead of an estimate."""
    error: str = ""
    retryable: bool = False
    times: int = 1
    """0: each time."""

    def __post_init__(self) -> None:
        """Check what goes together."""
        if self.error and (self.text or self.tool_calls or self.usage):
            raise ValueError("an entry is a reply or an error, not both")
        if not self.error and (self.retryable or self.times != 1):
            raise ValueError("`retryable` and `times` belong to an error")
        if self.delay < 0 or self.times < 0:
            raise ValueError("`delay` and `times` are not negative")


class _Step(msgspec.Struct, frozen=True):
    """A reply and the errors before it; no reply: the script ends with errors."""

    errors: tuple[ScriptedReply, ...]
    reply: ScriptedReply | None


class ScriptedModel:
    """Answers each agent with the replies of its list, in order.

    `script`: per agent a list of replies (text, or a table as in docs/models.md), or one list for everybody. The reply is
    chosen by the request's `ordinal`, or the number of assistant messages in it. Raises `BadScript`.
    """

    def __init__(
        self, script: Mapping[str, Sequence[Any]] | Sequence[Any], *, name: str = "scripted", where: str = "script"
    ) -> None:
        lists = script if isinstance(script, Mapping) else {ANYONE: script}
        self.name = name
        self._steps = {agent: _steps(replies, f"{where}: {agent}") for agent, replies in lists.items()}
        self._raised: Counter[tuple[str, int, int]] = Counter()

    @classmethod
    def load(cls, path: Path, *, name: str = "scripted") -> "ScriptedModel":
        """The model of the TOML file `path`; raises `BadScript` for one that is missing or malformed."""
        import tomllib

        try:
            script: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadScript(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise BadScript(f"{path}: {error}") from None
        if isinstance(script.get("replies"), dict):
            extra = [key for key in script if key != "replies"]
            if extra:
                raise BadScript(f"{path}: {extra[0]}: stands beside [replies], which holds all the lists")
            script = script["replies"]
        return cls(script, name=name, where=str(path))

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        """The reply that is due; raises `ModelError` when the script holds none, or holds an error here."""
        agent = request.agent if request.agent in self._steps else ANYONE
        steps = self._steps.get(agent)
        if steps is None:
            known = ", ".join(sorted(self._steps)) or "nobody"
            raise ModelError(f"the script has no replies for {request.agent or 'a nameless agent'!r}; it has some for {known}")
        ordinal = request.ordinal if request.ordinal >= 0 else sum(one.role == "assistant" for one in request.messages)
        if ordinal < len(steps):
            self._fail(agent, ordinal, steps[ordinal])
            reply = steps[ordinal].reply
            if reply is not None:
                return await self._play(request, reply, ordinal, on_delta)
        replies = sum(step.reply is not None for step in steps)
        raise ModelError(f"the script ran out: {request.agent!r} wants reply {ordinal + 1}, and {agent!r} has {replies}")

    def _fail(self, agent: str, ordinal: int, step: _Step) -> None:
        for number, error in enumerate(step.errors):
            key = (agent, ordinal, number)
            if error.times == 0 or self._raised[key] < error.times:
                self._raised[key] += 1
                raise ModelError(error.error, retryable=error.retryable)

    async def _play(
        self, request: CompletionRequest, reply: ScriptedReply, ordinal: int, on_delta: Callable[[str], None] | None
    ) -> Completion:
        pieces = split(reply.text) or [""]
        for piece in pieces:
            await asyncio.sleep(reply.delay / len(pieces))
            if on_delta and piece:
                on_delta(piece)
        calls = tuple(_call(call, f"call_{request.agent}_{ordinal}_{place}") for place, call in enumerate(reply.tool_calls))
        finish = "tool_calls" if calls else "stop"
        completion = Completion(content=reply.text, tool_calls=calls, model=self.name, finish_reason=finish)
        if reply.usage is None:
            usage = estimate(request, completion)
        else:
            usage = Usage(model=self.name, **msgspec.structs.asdict(reply.usage))
        return msgspec.structs.replace(completion, usage=usage)


def _call(call: ScriptedCall, default_id: str) -> ToolCall:
    raw = call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()
    return ToolCall(id=call.id or default_id, name=call.name, arguments=raw)


def _steps(replies: object, where: str) -> list[_Step]:
    if isinstance(replies, str) or not isinstance(replies, Sequence):
        raise BadScript(f"{where}: is a list of replies")
    steps: list[_Step] = []
    errors: list[ScriptedReply] = []
    for place, raw in enumerate(replies):
        reply = _reply(raw, f"{where}[{place}]")
        if reply.error:
            errors.append(reply)
        else:
            steps.append(_Step(tuple(errors), reply))
            errors = []
    if errors:
        steps.append(_Step(tuple(errors), None))
    return steps


def _reply(raw: object, where: str) -> ScriptedReply:
    if isinstance(raw, str):
        return ScriptedReply(text=raw)
    if isinstance(raw, ScriptedReply):
        return raw
    if not isinstance(raw, Mapping):
        raise BadScript(f"{where}: is text or a table")
    try:
        reply = msgspec.convert(raw, ScriptedReply)
    except msgspec.ValidationError as error:
        raise BadScript(f"{where}: {error}") from None
    if not raw.keys() & {"text", "tool_calls", "error"}:
        raise BadScript(f"{where}: has none of `text`, `tool_calls`, `error`")
    return reply
