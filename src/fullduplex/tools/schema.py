"""How a Python function is declared to a model: its signature and docstring as a schema in Gemini's spelling."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import re
import types as pytypes
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from fullduplex.errors import InvalidConfig
from fullduplex.tools.context import ReadonlyContext
from fullduplex.types.content import FunctionDeclaration

HIDDEN = frozenset({"tool_context", "input_stream", "self"})
_SIMPLE = {str: "STRING", int: "INTEGER", float: "NUMBER", bool: "BOOLEAN", bytes: "STRING"}


def hints_of(func: Callable[..., Any]) -> dict[str, Any]:
    """The function's annotations, resolved where they can be."""
    while isinstance(func, functools.partial):
        func = func.func
    try:
        return typing.get_type_hints(func, include_extras=True)
    except (NameError, TypeError):
        return dict(getattr(func, "__annotations__", {}))


def is_context(hint: Any) -> bool:
    """Whether a parameter of this annotation is filled with the tool's context instead of by the model."""
    if isinstance(hint, str):
        return hint.rsplit(".", 1)[-1] in ("ToolContext", "Context", "CallbackContext")
    if get_origin(hint) in (Union, pytypes.UnionType):
        return any(is_context(argument) for argument in get_args(hint))
    return isinstance(hint, type) and issubclass(hint, ReadonlyContext)


def visible_parameters(func: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters that the model fills in."""
    hints = hints_of(func)
    return {
        name: parameter
        for name, parameter in inspect.signature(func).parameters.items()
        if name not in HIDDEN
        and not is_context(hints.get(name))
        and parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    }


def declare(func: Callable[..., Any], *, name: str | None = None) -> FunctionDeclaration:
    """The declaration of `func`: parameters from the signature, descriptions from a Google-style docstring.

    Raises `InvalidConfig` for an annotation that no schema can express.
    """
    hints = hints_of(func)
    doc = inspect.getdoc(func) or ""
    told = _argument_docs(doc)
    properties: dict[str, Any] = {}
    required = []
    for key, parameter in visible_parameters(func).items():
        schema = schema_of(hints.get(key, str), where=f"{func.__name__}({key})")
        if key in told:
            schema.setdefault("description", told[key])
        if parameter.default is inspect.Parameter.empty:
            required.append(key)
        elif _plain(parameter.default) and parameter.default is not None:
            schema["default"] = parameter.default
        properties[key] = schema
    parameters: dict[str, Any] | None = None
    if properties:
        parameters = {"type": "OBJECT", "properties": properties}
        if required:
            parameters["required"] = required
    return FunctionDeclaration(name=name or func.__name__, description=doc, parameters=parameters)


def schema_of(hint: Any, *, where: str = "annotation") -> dict[str, Any]:
    """The schema of an annotation, in Gemini's spelling (types in capitals)."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or hint is inspect.Parameter.empty:
        return {"type": "STRING"}
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if origin is Annotated:
        schema = schema_of(arguments[0], where=where)
        for note in arguments[1:]:
            if isinstance(text := getattr(note, "description", note), str):
                schema["description"] = text
        return schema
    if origin in (Union, pytypes.UnionType):
        return _union(arguments, where)
    if origin is Literal:
        return _choice(list(arguments), where)
    if origin in (list, tuple, set) or hint in (list, tuple, set):
        return {"type": "ARRAY", "items": schema_of(arguments[0] if arguments else str, where=where)}
    if origin is dict or hint is dict:
        return {"type": "OBJECT"}
    if isinstance(hint, type):
        return _class(hint, where)
    raise InvalidConfig(f"{where}: {hint!r} cannot be declared to a model")


def _union(arguments: tuple[Any, ...], where: str) -> dict[str, Any]:
    inner = [argument for argument in arguments if argument is not type(None)]
    if len(inner) == 1:
        schema = schema_of(inner[0], where=where)
    else:
        schema = {"anyOf": [schema_of(argument, where=where) for argument in inner]}
    if len(inner) < len(arguments):
        schema["nullable"] = True
    return schema


def _choice(values: list[Any], where: str) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return {"type": "STRING", "enum": values}
    if len(kinds) == 1 and (kind := kinds.pop()) in _SIMPLE:
        # Gemini's schema knows enums of strings alone.
        return {"type": _SIMPLE[kind], "description": "One of: " + ", ".join(map(str, values))}
    raise InvalidConfig(f"{where}: the alternatives {values!r} are not of one simple type")


def _class(hint: type, where: str) -> dict[str, Any]:
    if issubclass(hint, enum.Enum):
        return _choice([member.value for member in hint], where)
    if issubclass(hint, BaseModel):
        fields = {
            name: (field.annotation, field.is_required(), field.description)
            for name, field in hint.model_fields.items()
        }
    elif dataclasses.is_dataclass(hint):
        types = typing.get_type_hints(hint, include_extras=True)
        missing = dataclasses.MISSING
        fields = {
            field.name: (types[field.name], field.default is missing and field.default_factory is missing, None)
            for field in dataclasses.fields(hint)
        }
    else:
        raise InvalidConfig(f"{where}: {hint.__name__} cannot be declared to a model")
    properties = {}
    for name, (annotation, _, description) in fields.items():
        properties[name] = schema_of(annotation, where=f"{where}.{name}")
        if description:
            properties[name]["description"] = description
    schema: dict[str, Any] = {"type": "OBJECT", "properties": properties}
    if required := [name for name, (_, needed, _) in fields.items() if needed]:
        schema["required"] = required
    return schema


def _plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _argument_docs(doc: str) -> dict[str, str]:
    """The `Args:` section of a Google-style docstring, one text a parameter."""
    match = re.search(r"^(?:Args|Arguments|Parameters):\s*\n(?P<body>(?:[ \t]+.*\n?|\s*\n)+)", doc, re.MULTILINE)
    if not match:
        return {}
    found: dict[str, str] = {}
    current = ""
    lines = inspect.cleandoc(match["body"]).splitlines()
    for line in lines:
        head = re.match(r"^\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$", line)
        if head:
            current = head[1]
            found[current] = head[2].strip()
        elif current and line.strip():
            found[current] = f"{found[current]} {line.strip()}".strip()
    return found
