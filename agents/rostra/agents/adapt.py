"""From whatever a user wrote to a `Responder`: functions, plain or async, and objects with `respond`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, overload

from rostra.protocol import ChatMessage

from .responder import Context, Responder, ResponderLike, Response
from .threads import in_thread


def accepts(function: Callable[..., Any], *, most: int) -> int:
    """How many positional arguments, `most` at most, `function` takes; raises TypeError when it can take none, or needs more."""
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    count = needed = 0
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            count = most
        elif parameter.kind in positional:
            count += 1
            needed += parameter.default is inspect.Parameter.empty
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.default is inspect.Parameter.empty:
            raise TypeError(f"{_title(function)}: the argument {parameter.name!r} cannot be filled in")
    if needed > most or not count:
        raise TypeError(f"{_title(function)} takes {needed or count} arguments; (message) or (message, context) is wanted")
    return min(count, most)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    called = inspect.getattr_static(type(function), "__call__", None)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call `function`: an async one here, a plain one in a thread; an awaitable result is awaited."""
    result = function(*args) if is_async(function) else await in_thread(function, *args)
    return await result if inspect.isawaitable(result) else result


class FunctionAgent:
    """A function as an agent: `(message)` or `(message, context)`, async, or plain (then it runs in a thread).

    `vote`: how it votes; without it, the proposal is said to the function.
    """

    def __init__(
        self, function: Callable[..., Any], *, name: str = "", description: str = "", vote: Callable[..., Any] | None = None
    ) -> None:
        self._function, self._arguments = function, accepts(function, most=2)
        self.vote = vote
        self.name = name or getattr(function, "__name__", type(function).__name__).lower()
        self.description = description or inspect.getdoc(function) or ""
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself."""
        return self._function(*args, **kwargs)

    async def respond(self, message: ChatMessage, context: Context) -> Response:
        """See `Responder.respond`."""
        response: Response = await call(self._function, *(message, context)[: self._arguments])
        return response


class _Decorator(Protocol):
    def __call__(self, function: Callable[..., Any], /) -> FunctionAgent: ...


@overload
def agent(function: Callable[..., Any], /) -> FunctionAgent: ...
@overload
def agent(*, description: str = "", name: str = "") -> _Decorator: ...
def agent(function: Callable[..., Any] | None = None, /, *, description: str = "", name: str = "") -> FunctionAgent | _Decorator:
    """Make an agent of a function: `@agent`, or `@agent(description="Counts words.")`.

    `description` is what a selector reads of it (default: the docstring); `name`: default, the function's.
    """
    if function is not None:
        return FunctionAgent(function)
    return lambda function, /: FunctionAgent(function, name=name, description=description)


def as_responder(thing: ResponderLike | type) -> Responder:
    """`thing` as a `Responder`: an object with an async `respond` is one already, a class with `respond` is instantiated.

    Raises TypeError for what can be no agent.
    """
    if isinstance(thing, type):
        if not hasattr(thing, "respond"):
            raise TypeError(f"the class {thing.__name__} has no method `respond`")
        thing = thing()
    respond = getattr(thing, "respond", None)
    if respond is not None:
        if is_async(respond) and accepts(respond, most=2) == 2:
            responder: Responder = thing  # type: ignore[assignment]
            return responder
        description = getattr(thing, "description", "")
        name = getattr(thing, "name", type(thing).__name__.lower())
        return FunctionAgent(respond, name=name, description=description, vote=getattr(thing, "vote", None))
    if callable(thing):
        return FunctionAgent(thing)
    raise TypeError(f"{thing!r} is neither a function nor an object with `respond`")


def _title(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
