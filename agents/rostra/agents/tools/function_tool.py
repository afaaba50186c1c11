"""A function that a model may call."""

import copy
import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, Protocol, Self, overload

import msgspec

from rostra.agents.adapt import call
from rostra.agents.approval import Denied, approved, digest_of
from rostra.agents.responder import Context
from rostra.protocol.completion import ToolSchema
from rostra.protocol.people import Asking

from .repair import BadArguments, parse_arguments
from .signature import BadTool, Signature

MAX_ANSWER = 100_000
"""Characters of an answer that a model is given; a longer one is cut, and says so."""


class FunctionTool:
    """A function, plain (it runs in a thread) or async, with what a model must know to call it.

    `description` (default: the docstring) is required; raises `BadTool` without one, and for a signature that no model can fill.
    `repeatable`: it only reads, or does the same however often it is called, so an interrupted call may be made again unasked.
    `approval`: whether a person must say yes to each call, and how they are asked.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str = "",
        description: str = "",
        repeatable: bool = False,
        approval: bool | Asking = False,
    ) -> None:
        self.repeatable = repeatable
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.description = description or inspect.getdoc(function) or ""
        if not self.description:
            raise BadTool(f"{self.name}: a tool needs a description; a model chooses by it")
        self.approval = (Asking() if approval else None) if isinstance(approval, bool) else approval
        self._function, self._signature = function, Signature(function)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself."""
        return self._function(*args, **kwargs)

    @property
    def schema(self) -> ToolSchema:
        """The tool as a model is told of it."""
        return ToolSchema(name=self.name, description=self.description, parameters=self._signature.schema)

    async def ready(self) -> None:
        """Learn what `schema` tells, where that is not known from the start. Raises nothing but a cancellation."""

    def needing(self, asking: Asking) -> Self:
        """The same tool, each call of which a person must approve."""
        other = copy.copy(self)
        other.approval = asking
        return other

    def check(self, arguments: dict[str, Any]) -> None:
        """Raises `msgspec.ValidationError` for arguments of which it is known beforehand that they do not fit."""
        self._signature.convert(arguments)

    async def fill(self, arguments: dict[str, Any], context: Context) -> Any:
        """Call the function with plain values from JSON; returns and raises what it does, and `msgspec.ValidationError`."""
        filled = self._signature.convert(arguments)
        if self._signature.context_argument:
            filled[self._signature.context_argument] = context
        return await call(functools.partial(self._function, **filled))

    async def run(self, arguments: str, context: Context, begin: Callable[[], object] | None = None) -> str:
        """Call the function with `arguments` (JSON, as a model wrote it).

        `begin` is called right before the function is, when a person has approved that. Whatever goes wrong is an answer to the
        model, `Error: …`, a person's no too; nothing is raised but a cancellation, or what `begin` raises.
        """
        try:
            parsed = parse_arguments(arguments)
            if self.approval is not None:
                self.check(parsed)
                await self._approve(self.approval, parsed, context)
        except (BadArguments, msgspec.ValidationError) as error:
            return f"Error: {error}"
        except Denied as error:
            return _cut(f"Error: {self.name} was not called: {error}")
        except Exception as error:  # noqa: BLE001 - a signature, or whoever asks the person, is the user's code too
            return _cut(f"Error: {self.name} was not called: {type(error).__name__}: {error}")
        if begin is not None:
            begin()
        try:
            return _cut(as_text(await self.fill(parsed, context)))
        except (BadArguments, msgspec.ValidationError) as error:
            return f"Error: {error}"
        except Exception as error:  # noqa: BLE001 - a tool is the user's code, and its failure an answer to the model
            return _cut(f"Error: {type(error).__name__}: {error}")

    async def _approve(self, asking: Asking, arguments: dict[str, Any], context: Context) -> None:
        await approved(
            context.human,
            asking,
            kind="tool",
            text=f"{context.agent} wants to call {self.name}. Approve?",
            detail=f"{self.name}({json.dumps(arguments, indent=2, ensure_ascii=False)})",
            digest=digest_of(["tool", self.name, arguments]),
            agent=context.agent,
            chat=context.chat,
        )


class _Decorator(Protocol):
    def __call__(self, function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...
@overload
def tool(*, description: str = "", name: str = "", repeatable: bool = False, approval: bool | Asking = False) -> _Decorator: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    description: str = "",
    name: str = "",
    repeatable: bool = False,
    approval: bool | Asking = False,
) -> FunctionTool | _Decorator:
    """Make a tool of a function: `@tool`, or `@tool(description="Counts words.", repeatable=True)`.

    `description`: default, the docstring; `name`: default, the function's; `repeatable`, `approval`: see `FunctionTool`.
    """
    if function is not None:
        return FunctionTool(function)
    return lambda function, /: FunctionTool(
        function, name=name, description=description, repeatable=repeatable, approval=approval
    )


def as_text(result: Any) -> str:
    """What a tool returned, as text for a model: text as it is, nothing as "", all else as JSON, and what has none as `str`."""
    if isinstance(result, str):
        return result
    if result is None:
        return ""
    try:
        return msgspec.json.encode(result).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return str(result)


def _cut(text: str) -> str:
    left_out = len(text) - MAX_ANSWER
    return text if left_out <= 0 else f"{text[:MAX_ANSWER]}\n… ({left_out} characters are left out)"
