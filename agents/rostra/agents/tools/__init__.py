"""Functions that models call."""

from .function_tool import FunctionTool, tool
from .signature import BadTool
from .toolbox import ToolBox, tool_message

__all__ = ["BadTool", "FunctionTool", "ToolBox", "tool", "tool_message"]
