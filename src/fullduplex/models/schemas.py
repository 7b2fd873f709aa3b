"""Schemas in the spelling of JSON Schema, from Gemini's spelling (types in capitals, `nullable`) or a class. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from fullduplex.errors import InvalidConfig
from fullduplex.models.text import OutputSchema
from fullduplex.types.content import FunctionDeclaration

_NESTED = {"items", "additionalProperties", "not"}
_LISTS = {"anyOf", "oneOf", "allOf", "prefixItems"}
_NAMED = {"properties", "$defs", "definitions", "patternProperties"}
_NUMBERS = {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
_DROPPED = {"nullable", "propertyOrdering", "example"}
_MAY_BE_NULL = {"default", "const"}
_SPELLED = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "additional_properties": "additionalProperties",
    "property_ordering": "propertyOrdering",
}


def to_json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` with types in lower case and `nullable` written out; a schema that is JSON Schema already stays so."""
    written: dict[str, Any] = {}
    for given, value in schema.items():
        key = _SPELLED.get(given, given)
        if key in _DROPPED or (value is None and key not in _MAY_BE_NULL) or (key == "format" and value == "enum"):
            continue
        written[key] = _value(key, value)
    return _or_null(written) if schema.get("nullable") is True else written


def _value(key: str, value: Any) -> Any:
    if key == "type":
        return [str(name).lower() for name in value] if isinstance(value, list) else str(value).lower()
    if key in _NESTED and isinstance(value, Mapping):
        return to_json_schema(value)
    if key in _LISTS and isinstance(value, list):
        return [to_json_schema(item) for item in value]
    if key in _NAMED and isinstance(value, Mapping):
        return {name: to_json_schema(item) for name, item in value.items()}
    if key in _NUMBERS and isinstance(value, str):
        return int(value)  # Gemini writes whole numbers of 64 bits as strings
    return value


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    kind = schema.get("type")
    if not isinstance(kind, str):
        return schema
    options = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [kind, "null"], **options}


def parameters_of(declaration: FunctionDeclaration) -> dict[str, Any]:
    """The parameters of a function as JSON Schema; an object without properties when it takes none."""
    schema = declaration.parameters_json_schema or declaration.parameters
    return to_json_schema(schema) if schema else {"type": "object", "properties": {}}


def output_schema(schema: OutputSchema) -> dict[str, Any]:
    """What an answer must look like, as JSON Schema. Raises `InvalidConfig` when no schema can say it."""
    if isinstance(schema, Mapping):
        return to_json_schema(schema)
    annotation: Any = schema
    try:
        return TypeAdapter(annotation).json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise InvalidConfig(f"output_schema {schema!r} cannot be written as a schema: {error}") from None
