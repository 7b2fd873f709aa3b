"""Tools as a model is told of them."""

from __future__ import annotations

from collections.abc import Iterable

from fullduplex.tools.base import BaseTool
from fullduplex.types.content import Tool


def declared(tools: Iterable[BaseTool]) -> list[Tool]:
    """First those that the backend runs, then one bundle of functions."""
    tools = list(tools)
    entries = [entry for tool in tools if (entry := tool.built_in()) is not None]
    functions = [declaration for tool in tools if (declaration := tool.declaration()) is not None]
    return [*entries, Tool(function_declarations=functions)] if functions else entries
