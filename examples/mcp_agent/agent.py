"""An agent whose tools live in another process: an MCP server, started beside it and spoken to over its standard input.

    fullduplex web examples/mcp_agent/agent.py

It needs the extra `fullduplex[mcp]`. Say "which travel books do you have". When the server dies the agent loses its
tools, says so, and finds them again when the server is back. `DEMO_AGENT_MODEL=gemini-…` (with GOOGLE_API_KEY) puts a
Gemini model in the place of the offline demonstration.
"""

import os
import sys
from pathlib import Path

from fullduplex import Agent
from fullduplex.tools import McpToolset
from fullduplex.tools.mcp_tool import StdioConnectionParams, StdioServerParameters

SERVER = Path(__file__).with_name("library_server.py")

root_agent = Agent(
    name="librarian",
    model=os.environ.get("DEMO_AGENT_MODEL", "local"),
    description="Knows the shelves of a small library.",
    instruction="You help people find books in a small library. Look the shelves up; do not guess.",
    tools=[
        McpToolset(
            connection_params=StdioConnectionParams(
                server_params=StdioServerParameters(command=sys.executable, args=[str(SERVER)])
            )
        )
    ],
)
