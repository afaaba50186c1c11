"""A function that a model may call."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, overload

import msgspec

from rostra.agents.adapt import call
from rostra.agents.responder import Context
from rostra.protocol.completion import ToolSchema

from .repair import BadArguments, parse_arguments
from .signature import BadTool, Signature

MAX_ANSWER = 100_000
"""Characters of an answer that a model is given; a longer one is cut, and says so."""


class FunctionTool:
    """A function, plain (it runs in a thread) or async, with what a model must know to call it.

    `description` (default: the docstring) is required; raises `BadTool` without one, and for a signature that no model can fill.
    `repeatable`: it only reads, or does the same however often it is called, so an interrupted call may be made again unasked.
    """

    def __init__(self, function: Callable[..., Any], *, name: str = "", description: str = "", repeatable: bool = False) -> None:
        self.repeatable = repeatable
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.description = description or inspect.getdoc(function) or ""
        if not self.description:
            raise BadTool(f"{self.name}: a tool needs a description; a model chooses by it")
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

    async def fill(self, arguments: dict[str, Any], context: Context) -> Any:
        """Call the function with plain values from JSON; returns and raises what it does, and `msgspec.ValidationError`."""
        filled = self._signature.convert(arguments)
        if self._signature.context_argument:
            filled[self._signature.context_argument] = context
        return await call(functools.partial(self._function, **filled))

    async def run(self, arguments: str, context: Context) -> str:
        """Call the function with `arguments` (JSON, as a model wrote it).

        Whatever goes wrong is an answer to the model, `Error: …`; nothing is raised but a cancellation.
        """
        try:
            return _cut(as_text(await self.fill(parse_arguments(arguments), context)))
        except (BadArguments, msgspec.ValidationError) as error:
            return f"Error: {error}"
        except Exception as error:  # noqa: BLE001 - a tool is the user's code, and its failure an answer to the model
            return _cut(f"Error: {type(error).__name__}: {error}")


class _Decorator(Protocol):
    def __call__(self, function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...
@overload
def tool(*, description: str = "", name: str = "", repeatable: bool = False) -> _Decorator: ...
def tool(
    function: Callable[..., Any] | None = None, /, *, description: str = "", name: str = "", repeatable: bool = False
) -> FunctionTool | _Decorator:
    """Make a tool of a function: `@tool`, or `@tool(description="Counts words.", repeatable=True)`.

    `description`: default, the docstring; `name`: default, the function's; `repeatable`: see `FunctionTool`.
    """
    if function is not None:
        return FunctionTool(function)
    return lambda function, /: FunctionTool(function, name=name, description=description, repeatable=repeatable)


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
