"""Group chats: who speaks next, when it ends, and the transcript that survives everybody."""

from .check import check_options
from .conditions import (
    CompletionTokens,
    Condition,
    Cost,
    ExactText,
    FunctionCalled,
    Handoff,
    MaxMessages,
    NoProgress,
    PromptTokens,
    SourceMatch,
    TextMention,
    Timeout,
    TokenUsage,
    VotePassed,
)
from .coordinator import Coordinator, serve
from .errors import BadOptions, ChatExists, Fenced, NoSuchChat, StopError
from .groupchat import GroupChat
from .options import Budget, ChatOptions, Selection, Transitions
from .stop import parse
from .transcript import Transcript

__all__ = [
    "BadOptions",
    "Budget",
    "ChatExists",
    "ChatOptions",
    "CompletionTokens",
    "Condition",
    "Coordinator",
    "Cost",
    "ExactText",
    "Fenced",
    "FunctionCalled",
    "GroupChat",
    "Handoff",
    "MaxMessages",
    "NoProgress",
    "NoSuchChat",
    "PromptTokens",
    "Selection",
    "SourceMatch",
    "StopError",
    "TextMention",
    "Timeout",
    "TokenUsage",
    "Transcript",
    "Transitions",
    "VotePassed",
    "check_options",
    "parse",
    "serve",
]
