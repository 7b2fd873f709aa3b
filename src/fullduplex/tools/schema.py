"""How a Python function is declared to a model: its signature and docstring as a schema in Gemini's spelling."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import re
import types as pytypes
import typing
import uuid
from collections import abc
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Required, Union, get_args, get_origin

from pydantic import BaseModel

from fullduplex.errors import InvalidConfig
from fullduplex.tools.context import ReadonlyContext
from fullduplex.types.content import FunctionDeclaration

HIDDEN = frozenset({"tool_context", "input_stream", "self"})
# Of the formats of a string, models of Gemini's take `date-time` alone: the others are told in words.
_SIMPLE: dict[type, dict[str, Any]] = {
    str: {"type": "STRING"},
    int: {"type": "INTEGER"},
    float: {"type": "NUMBER"},
    bool: {"type": "BOOLEAN"},
    bytes: {"type": "STRING"},
    datetime.datetime: {"type": "STRING", "format": "date-time"},
    datetime.date: {"type": "STRING", "description": "A date, such as 2026-03-31."},
    datetime.time: {"type": "STRING", "description": "A time of day, such as 14:30:00."},
    decimal.Decimal: {"type": "NUMBER"},
    uuid.UUID: {"type": "STRING"},
}
_ARRAYS = (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Set)
_OBJECTS = (dict, abc.Mapping)
_DEEPEST = 8


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
        elif (default := _default(parameter.default)) is not None:
            schema["default"] = default
        properties[key] = schema
    parameters: dict[str, Any] | None = None
    if properties:
        parameters = {"type": "OBJECT", "properties": properties}
        if required:
            parameters["required"] = required
    return FunctionDeclaration(name=name or func.__name__, description=doc, parameters=parameters)


def schema_of(hint: Any, *, where: str = "annotation") -> dict[str, Any]:
    """The schema of an annotation, in Gemini's spelling (types in capitals).

    Raises `InvalidConfig` for what no schema can say; `where` names the place.
    """
    if where.count(".") > _DEEPEST:
        raise InvalidConfig(f"{where}: a type that contains itself cannot be declared to a model")
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or hint is inspect.Parameter.empty:
        return {"type": "STRING"}
    if isinstance(hint, type) and hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    if origin is Annotated:
        return _noted(schema_of(arguments[0], where=where), arguments[1:])
    if origin in (Required, NotRequired):
        return schema_of(arguments[0], where=where)
    if origin in (Union, pytypes.UnionType):
        return _union(arguments, where)
    if origin is Literal:
        return _choice(list(arguments), where)
    if isinstance(hint, NewType):
        return schema_of(hint.__supertype__, where=where)
    kind = origin or hint
    if kind is tuple and arguments and arguments[-1] is not ...:
        return _row(arguments, where)
    if kind in _ARRAYS:
        return {"type": "ARRAY", "items": schema_of(arguments[0] if arguments else str, where=where)}
    if kind in _OBJECTS:
        return {"type": "OBJECT"}
    if isinstance(hint, type):
        return _class(hint, where)
    raise InvalidConfig(f"{where}: {hint!r} cannot be declared to a model")


def _noted(schema: dict[str, Any], notes: Iterable[Any]) -> dict[str, Any]:
    """`schema` with what annotations say besides: a description, and the bounds that Gemini's schema knows."""
    sizes = ("minItems", "maxItems") if schema.get("type") == "ARRAY" else ("minLength", "maxLength")
    bounds = {"ge": "minimum", "le": "maximum", "min_length": sizes[0], "max_length": sizes[1], "pattern": "pattern"}
    for note in notes:
        if isinstance(text := getattr(note, "description", note), str):
            schema["description"] = text
        for bound in (note, *getattr(note, "metadata", ())):
            for name, key in bounds.items():
                if isinstance(value := getattr(bound, name, None), int | float | str):
                    schema[key] = value
    return schema


def _union(arguments: tuple[Any, ...], where: str) -> dict[str, Any]:
    inner = [argument for argument in arguments if argument is not type(None)]
    if len(inner) == 1:
        schema = schema_of(inner[0], where=where)
    else:
        schema = {"anyOf": [schema_of(argument, where=where) for argument in inner]}
    if len(inner) < len(arguments):
        schema["nullable"] = True
    return schema


def _row(arguments: tuple[Any, ...], where: str) -> dict[str, Any]:
    """A tuple with a place for each of its types."""
    items: list[dict[str, Any]] = []
    for argument in arguments:
        if (schema := schema_of(argument, where=where)) not in items:
            items.append(schema)
    size = len(arguments)
    return {
        "type": "ARRAY",
        "items": items[0] if len(items) == 1 else {"anyOf": items},
        "minItems": size,
        "maxItems": size,
    }


def _choice(values: list[Any], where: str) -> dict[str, Any]:
    nullable = {"nullable": True} if None in values else {}
    values = [value for value in values if value is not None]
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return {"type": "STRING", "enum": values, **nullable}
    if len(kinds) == 1 and (kind := kinds.pop()) in _SIMPLE:
        # Gemini's schema knows enums of strings alone.
        return {**_SIMPLE[kind], "description": "One of: " + ", ".join(map(str, values)), **nullable}
    raise InvalidConfig(f"{where}: the alternatives {values!r} are not of one simple type")


class _Field(NamedTuple):
    """One field of a class: its type, and what is said of it besides."""

    hint: Any
    required: bool
    notes: tuple[Any, ...] = ()
    default: Any = None


def _class(hint: type, where: str) -> dict[str, Any]:
    if issubclass(hint, enum.Enum):
        return _choice([member.value for member in hint], where)
    properties = {}
    fields = _fields(hint, where)
    for name, field in fields.items():
        properties[name] = _noted(schema_of(field.hint, where=f"{where}.{name}"), field.notes)
        if (default := _default(field.default)) is not None:
            properties[name]["default"] = default
    schema: dict[str, Any] = {"type": "OBJECT", "properties": properties}
    if required := [name for name, field in fields.items() if field.required]:
        schema["required"] = required
    return schema


def _fields(hint: Any, where: str) -> dict[str, _Field]:
    if issubclass(hint, BaseModel):
        return {
            field.alias or name: _Field(field.annotation, field.is_required(), (field,), field.default)
            for name, field in hint.model_fields.items()
        }
    if typing.is_typeddict(hint):
        types = typing.get_type_hints(hint, include_extras=True)
        marked = {Required: True, NotRequired: False}  # what is told apart by `__required_keys__`, unless as a string
        return {
            name: _Field(annotation, marked.get(get_origin(annotation), name in hint.__required_keys__))
            for name, annotation in types.items()
        }
    if dataclasses.is_dataclass(hint):
        types = typing.get_type_hints(hint, include_extras=True)
        missing = dataclasses.MISSING
        return {
            field.name: _Field(
                types[field.name],
                required=field.default is missing and field.default_factory is missing,
                default=field.default,
            )
            for field in dataclasses.fields(hint)
            if field.init
        }
    raise InvalidConfig(f"{where}: {hint.__name__} cannot be declared to a model")


def _default(value: Any) -> Any:
    """A default as the model is told of it; None when it is nothing simple."""
    value = value.value if isinstance(value, enum.Enum) else value
    return value if isinstance(value, (str, int, float, bool)) else None


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
