"""Tools as a model is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fullduplex.errors import InvalidConfig
from fullduplex.tools.base import BaseTool
from fullduplex.types.content import Tool


def declared(tools: Iterable[BaseTool]) -> list[Tool]:
    """First those that the backend runs, then one bundle of functions. Raises `InvalidConfig` for two of one name."""
    tools = list(tools)
    entries = [entry for tool in tools if (entry := tool.built_in()) is not None]
    functions = [declaration for tool in tools if (declaration := tool.declaration()) is not None]
    names = Counter(function.name for function in functions)
    if twice := [name or "" for name, times in names.items() if times > 1]:
        raise InvalidConfig(f"more than one tool is called {' and '.join(twice)}: a model knows tools by their names")
    return [*entries, Tool(function_declarations=functions)] if functions else entries
