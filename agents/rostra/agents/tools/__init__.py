"""Functions that models call.

Everything is loaded when it is first used: whoever reads a team file needs the tables of the tools, and not the tools.
"""

from typing import TYPE_CHECKING

from rostra.protocol.lazily import lazily

if TYPE_CHECKING:
    from .function_tool import FunctionTool, tool
    from .signature import BadTool
    from .toolbox import ToolBox, tool_message

_HOMES = {
    "BadTool": "signature",
    "FunctionTool": "function_tool",
    "ToolBox": "toolbox",
    "tool": "function_tool",
    "tool_message": "toolbox",
}

__all__ = ["BadTool", "FunctionTool", "ToolBox", "tool", "tool_message"]


__getattr__, __dir__ = lazily(__name__, _HOMES)
