"""Agents, and what powers them: models, tools, code execution, people.

Everything is loaded when it is first used: a process imports only what it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actor import Actor, Exit, serve
    from .adapt import FunctionAgent, agent, as_responder
    from .assistant import AssistantAgent
    from .code import CodeExecution, SandboxUnavailable
    from .config import AgentConfig, BadAgent, build
    from .conversable import ConversableAgent
    from .dialogue import ChatResult
    from .human import InboxInput, NobodyToAsk, TerminalInput
    from .loading import LoadError, load
    from .models.base import ModelError
    from .models.gateway_model import GatewayModel
    from .models.openai_model import OpenAIModel
    from .models.recorded import RecordedModel
    from .models.scripted import ScriptedModel
    from .reply_chain import Conversation
    from .responder import Context, Responder
    from .tools import BadTool, FunctionTool, ToolBox, tool
    from .tools.vote import call_vote
    from .user_proxy import UserProxyAgent

_HOMES = {
    "Actor": "actor",
    "AgentConfig": "config",
    "AssistantAgent": "assistant",
    "BadAgent": "config",
    "BadTool": "tools",
    "ChatResult": "dialogue",
    "CodeExecution": "code",
    "Context": "responder",
    "ConversableAgent": "conversable",
    "Conversation": "reply_chain",
    "Exit": "actor",
    "FunctionAgent": "adapt",
    "FunctionTool": "tools",
    "GatewayModel": "models.gateway_model",
    "InboxInput": "human",
    "LoadError": "loading",
    "ModelError": "models.base",
    "NobodyToAsk": "human",
    "OpenAIModel": "models.openai_model",
    "RecordedModel": "models.recorded",
    "Responder": "responder",
    "SandboxUnavailable": "code",
    "ScriptedModel": "models.scripted",
    "TerminalInput": "human",
    "ToolBox": "tools",
    "UserProxyAgent": "user_proxy",
    "agent": "adapt",
    "as_responder": "adapt",
    "build": "config",
    "call_vote": "tools.vote",
    "load": "loading",
    "serve": "actor",
    "tool": "tools",
}

__all__ = [
    "Actor",
    "AgentConfig",
    "AssistantAgent",
    "BadAgent",
    "BadTool",
    "ChatResult",
    "CodeExecution",
    "Context",
    "ConversableAgent",
    "Conversation",
    "Exit",
    "FunctionAgent",
    "FunctionTool",
    "GatewayModel",
    "InboxInput",
    "LoadError",
    "ModelError",
    "NobodyToAsk",
    "OpenAIModel",
    "RecordedModel",
    "Responder",
    "SandboxUnavailable",
    "ScriptedModel",
    "TerminalInput",
    "ToolBox",
    "UserProxyAgent",
    "agent",
    "as_responder",
    "build",
    "call_vote",
    "load",
    "serve",
    "tool",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
