"""Agents, and what powers them: models, tools, code execution, people.

Everything is loaded when it is first used: a process imports only what it needs.
"""

from typing import TYPE_CHECKING

from rostra.protocol.lazily import lazily

if TYPE_CHECKING:
    from .actor import Actor, Exit, serve
    from .adapt import FunctionAgent, agent, as_responder
    from .assistant import AssistantAgent
    from .chat_queue import initiate_chats, nested_chats
    from .code import CodeExecution, SandboxUnavailable
    from .config import AgentConfig, BadAgent, build
    from .conversable import ConversableAgent
    from .dialogue import ChatResult
    from .foreign import from_dict, from_dicts
    from .handoffs import Handoff
    from .human import InboxInput, NobodyToAsk, TerminalInput
    from .loading import LoadError, load
    from .memos import Memo, Memos
    from .models.base import ModelError
    from .models.cached import CachedModel
    from .models.gateway_model import GatewayModel
    from .models.openai_model import OpenAIModel
    from .models.recorded import RecordedModel
    from .models.scripted import ScriptedModel
    from .once import first_time
    from .remote import NoBus, Remote
    from .reply_chain import Conversation
    from .responder import Context, Pass, Responder
    from .spending import Spending, gather_usage_summary
    from .sqlite_store import SqliteStore
    from .state import MemoryStore, State, Store
    from .teachable import TeachableAgent
    from .tools import BadTool, FunctionTool, ToolBox, tool
    from .tools.vote import call_vote
    from .transforms import MessageHistoryLimiter, MessageTokenLimiter, NameTag, TransformMessages
    from .user_proxy import UserProxyAgent

_HOMES = {
    "Actor": "actor",
    "AgentConfig": "config",
    "AssistantAgent": "assistant",
    "BadAgent": "config",
    "BadTool": "tools",
    "CachedModel": "models.cached",
    "ChatResult": "dialogue",
    "CodeExecution": "code",
    "Context": "responder",
    "ConversableAgent": "conversable",
    "Conversation": "reply_chain",
    "Exit": "actor",
    "FunctionAgent": "adapt",
    "FunctionTool": "tools",
    "GatewayModel": "models.gateway_model",
    "Handoff": "handoffs",
    "InboxInput": "human",
    "LoadError": "loading",
    "Memo": "memos",
    "MemoryStore": "state",
    "Memos": "memos",
    "MessageHistoryLimiter": "transforms",
    "MessageTokenLimiter": "transforms",
    "ModelError": "models.base",
    "NameTag": "transforms",
    "NoBus": "remote",
    "NobodyToAsk": "human",
    "OpenAIModel": "models.openai_model",
    "Pass": "responder",
    "RecordedModel": "models.recorded",
    "Remote": "remote",
    "Responder": "responder",
    "SandboxUnavailable": "code",
    "ScriptedModel": "models.scripted",
    "Spending": "spending",
    "SqliteStore": "sqlite_store",
    "State": "state",
    "Store": "state",
    "TeachableAgent": "teachable",
    "TerminalInput": "human",
    "ToolBox": "tools",
    "TransformMessages": "transforms",
    "UserProxyAgent": "user_proxy",
    "agent": "adapt",
    "as_responder": "adapt",
    "build": "config",
    "call_vote": "tools.vote",
    "first_time": "once",
    "from_dict": "foreign",
    "from_dicts": "foreign",
    "gather_usage_summary": "spending",
    "initiate_chats": "chat_queue",
    "load": "loading",
    "nested_chats": "chat_queue",
    "serve": "actor",
    "tool": "tools",
}

__all__ = [
    "Actor",
    "AgentConfig",
    "AssistantAgent",
    "BadAgent",
    "BadTool",
    "CachedModel",
    "ChatResult",
    "CodeExecution",
    "Context",
    "ConversableAgent",
    "Conversation",
    "Exit",
    "FunctionAgent",
    "FunctionTool",
    "GatewayModel",
    "Handoff",
    "InboxInput",
    "LoadError",
    "Memo",
    "MemoryStore",
    "Memos",
    "MessageHistoryLimiter",
    "MessageTokenLimiter",
    "ModelError",
    "NameTag",
    "NoBus",
    "NobodyToAsk",
    "OpenAIModel",
    "Pass",
    "RecordedModel",
    "Remote",
    "Responder",
    "SandboxUnavailable",
    "ScriptedModel",
    "Spending",
    "SqliteStore",
    "State",
    "Store",
    "TeachableAgent",
    "TerminalInput",
    "ToolBox",
    "TransformMessages",
    "UserProxyAgent",
    "agent",
    "as_responder",
    "build",
    "call_vote",
    "first_time",
    "from_dict",
    "from_dicts",
    "gather_usage_summary",
    "initiate_chats",
    "load",
    "nested_chats",
    "serve",
    "tool",
]


__getattr__, __dir__ = lazily(__name__, _HOMES)
