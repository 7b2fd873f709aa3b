"""What an MCP server answers to a call, as the dict that goes to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp.types import CallToolResult


def answer_of(result: CallToolResult) -> dict[str, Any]:
    """Structured content as it is, texts as one under `result`, anything else as the server's list of `content`."""
    texts = [block.text for block in result.content if block.type == "text"]
    if result.is_error:
        return {"error": "\n".join(texts) or "The tool failed and did not say why."}
    structured: Any = result.structured_content
    if structured is not None:
        return structured if isinstance(structured, dict) else {"result": structured}
    if len(texts) == len(result.content):
        return {"result": "\n".join(texts)}
    return {"content": [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]}
