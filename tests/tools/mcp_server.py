"""A real MCP server, run as a program: over its pipes, or over HTTP on the port that it is given.

python mcp_server.py stdio | http PORT
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

server = MCPServer("shop")


class Address(BaseModel):
    street: str
    number: int | None = None


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def order(
    kind: Literal["pizza", "pasta"], to: Address, count: Annotated[int, Field(description="How many", ge=1)] = 1
) -> dict[str, str]:
    """Orders food."""
    return {"ordered": f"{count} {kind} to {to.street}"}


@server.tool(structured_output=False)
def say(words: str) -> str:
    """Says it back."""
    return f"You said {words}"


@server.tool()
def break_down() -> str:
    """Always fails."""
    raise ToolError("no more cheese")


@server.tool()
def draw() -> Image:
    """A picture."""
    return Image(data=b"\x89PNG", format="png")


@server.tool(name="two words")
def spaced() -> str:
    """A name that models' backends refuse."""
    return "spaced"


@server.tool(name="two_words")
def underlined() -> str:
    """Its twin, once the name is mended."""
    return "underlined"


@server.tool()
def pid() -> int:
    """The process that this runs in."""
    return os.getpid()


@server.tool()
async def wait(seconds: float, mark: str) -> str:
    """Leaves a mark, and takes its time."""
    Path(mark).write_text(str(os.getpid()))
    await asyncio.sleep(seconds)
    return "waited"


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
