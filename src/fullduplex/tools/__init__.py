"""What an agent can do: functions, tools of MCP servers, and tools that the backend runs itself."""

from fullduplex.tools.agent_tool import AgentTool
from fullduplex.tools.base import BaseTool, BaseToolset
from fullduplex.tools.builtin import google_search
from fullduplex.tools.context import ToolContext
from fullduplex.tools.flow import TransferToAgentTool, exit_loop, transfer_to_agent
from fullduplex.tools.function import FunctionTool
from fullduplex.tools.long_running import LongRunningFunctionTool
from fullduplex.tools.mcp import McpToolset
from fullduplex.types.confirmation import ToolConfirmation

__all__ = [
    "AgentTool",
    "BaseTool",
    "BaseToolset",
    "FunctionTool",
    "LongRunningFunctionTool",
    "McpToolset",
    "ToolConfirmation",
    "ToolContext",
    "TransferToAgentTool",
    "exit_loop",
    "google_search",
    "transfer_to_agent",
]
