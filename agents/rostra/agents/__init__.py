"""Agents, and what powers them: models, tools, code execution, people.

Everything is loaded when it is first used: a process imports only what it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actor import Actor, Exit, serve
    from .adapt import FunctionAgent, agent, as_responder
    from .human import InboxInput, NobodyToAsk, TerminalInput
    from .loading import LoadError, load
    from .responder import Context, Responder

_HOMES = {
    "Actor": "actor",
    "Context": "responder",
    "Exit": "actor",
    "FunctionAgent": "adapt",
    "InboxInput": "human",
    "LoadError": "loading",
    "NobodyToAsk": "human",
    "Responder": "responder",
    "TerminalInput": "human",
    "agent": "adapt",
    "as_responder": "adapt",
    "load": "loading",
    "serve": "actor",
}

__all__ = [
    "Actor",
    "Context",
    "Exit",
    "FunctionAgent",
    "InboxInput",
    "LoadError",
    "NobodyToAsk",
    "Responder",
    "TerminalInput",
    "agent",
    "as_responder",
    "load",
    "serve",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
