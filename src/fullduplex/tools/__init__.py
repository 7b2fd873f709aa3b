"""What an agent can do: functions, and tools that the backend runs itself."""

from fullduplex.tools.base import BaseTool
from fullduplex.tools.builtin import google_search
from fullduplex.tools.context import ToolContext
from fullduplex.tools.function import FunctionTool

__all__ = ["BaseTool", "FunctionTool", "ToolContext", "google_search"]
