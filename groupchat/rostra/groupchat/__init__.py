"""Group chats: who speaks next, when it ends, and the transcript that survives everybody.

Everything is loaded when it is first used: whoever reads a team file needs the options, and not the coordinator.
"""

from typing import TYPE_CHECKING

from rostra.protocol.lazily import lazily

if TYPE_CHECKING:
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
    from .coordinator import Coordinator
    from .errors import BadOptions, ChatExists, Fenced, NoSuchChat, StopError, Unseated
    from .flow import Edge, Flow
    from .groupchat import GroupChat
    from .options import Budget, ChatOptions, Selection, SelectorOptions, Transitions
    from .seat import Seat
    from .selection import Several
    from .serving import serve
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
    "Edge",
    "ExactText",
    "Fenced",
    "Flow",
    "FunctionCalled",
    "GroupChat",
    "Handoff",
    "MaxMessages",
    "NoProgress",
    "NoSuchChat",
    "PromptTokens",
    "Seat",
    "Selection",
    "SelectorOptions",
    "Several",
    "SourceMatch",
    "StopError",
    "TextMention",
    "Timeout",
    "TokenUsage",
    "Transcript",
    "Transitions",
    "Unseated",
    "VotePassed",
    "check_options",
    "parse",
    "serve",
]

_HOMES = {
    "BadOptions": "errors",
    "Budget": "options",
    "ChatExists": "errors",
    "ChatOptions": "options",
    "CompletionTokens": "conditions",
    "Condition": "conditions",
    "Coordinator": "coordinator",
    "Cost": "conditions",
    "Edge": "flow",
    "ExactText": "conditions",
    "Fenced": "errors",
    "Flow": "flow",
    "FunctionCalled": "conditions",
    "GroupChat": "groupchat",
    "Handoff": "conditions",
    "MaxMessages": "conditions",
    "NoProgress": "conditions",
    "NoSuchChat": "errors",
    "PromptTokens": "conditions",
    "Seat": "seat",
    "Selection": "options",
    "SelectorOptions": "options",
    "Several": "selection",
    "SourceMatch": "conditions",
    "StopError": "errors",
    "TextMention": "conditions",
    "Timeout": "conditions",
    "TokenUsage": "conditions",
    "Transcript": "transcript",
    "Transitions": "options",
    "Unseated": "errors",
    "VotePassed": "conditions",
    "check_options": "check",
    "parse": "stop",
    "serve": "serving",
}


__getattr__, __dir__ = lazily(__name__, _HOMES)
