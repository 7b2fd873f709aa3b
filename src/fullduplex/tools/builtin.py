"""Tools that the model's backend runs itself. Here they are only declared; no call of them reaches this process."""

from __future__ import annotations

from fullduplex.tools.base import BaseTool
from fullduplex.types.content import Tool


class GoogleSearchTool(BaseTool):
    """Lets a Gemini model ground its answers in Google Search; what it found comes as `grounding_metadata`."""

    def __init__(self) -> None:
        super().__init__(name="google_search", description="Search the web with Google.")

    def built_in(self) -> Tool:
        """See `BaseTool`."""
        return Tool(google_search={})


google_search = GoogleSearchTool()
