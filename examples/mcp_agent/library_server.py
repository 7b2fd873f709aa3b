"""An MCP server with the catalogue of a very small library. It talks over its standard input and output.

python examples/mcp_agent/library_server.py
"""

from typing import Literal

from mcp.server.mcpserver import MCPServer

SHELVES = {
    "poetry": ["Leaves of Grass", "The Waste Land"],
    "cooking": ["Salt and Fire"],
    "travel": ["Across the Ice", "Slow Trains", "A Year by the Sea"],
}
Shelf = Literal["poetry", "cooking", "travel"]

server = MCPServer("library")


@server.tool()
def list_books(shelf: Shelf) -> str:
    """Tells which books stand on a shelf.

    Examples: "what books are on the {shelf} shelf", "list the {shelf} books", "which {shelf} books do you have".
    """
    return f"On the {shelf} shelf: {', '.join(SHELVES[shelf])}."


@server.tool()
def count_books(shelf: Shelf) -> str:
    """Tells how many books stand on a shelf.

    Examples: "how many {shelf} books are there", "how many books are on the {shelf} shelf", "count the {shelf} books".
    """
    return f"There are {len(SHELVES[shelf])} books on the {shelf} shelf."


if __name__ == "__main__":
    server.run()
