"""Function declarations of the demo's tools for tests of the cascade alone, read from their signatures.

Stands in for the tools floor, which these tests do not need; the shape is the one that the tools floor sends.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fullduplex import demo
from fullduplex.types import FunctionDeclaration

_TYPES = {int: "INTEGER", float: "NUMBER", str: "STRING", bool: "BOOLEAN"}


def declare(function: Callable[..., Any]) -> FunctionDeclaration:
    """The declaration of a plain function with scalar or Literal parameters."""
    hints = get_type_hints(function)
    properties: dict[str, Any] = {}
    required = []
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints[name]
        if get_origin(hint) is Literal:
            properties[name] = {"type": "STRING", "enum": list(get_args(hint))}
        else:
            properties[name] = {"type": _TYPES[hint]}
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
    schema = {"type": "OBJECT", "properties": properties, "required": required} if properties else None
    return FunctionDeclaration(name=function.__name__, description=inspect.getdoc(function), parameters=schema)


DEMO_DECLARATIONS = [declare(function) for function in demo.DEMO_TOOLS]
