"""JSON Schema to Gemini's spelling: what servers really write, and what only a broken or hostile one would."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.tools.mcp.schema import parameters_of

TYPES = {"STRING", "INTEGER", "NUMBER", "BOOLEAN", "ARRAY", "OBJECT"}
KNOWN = {
    "type", "title", "description", "default", "required", "nullable", "enum", "format", "items", "properties", "anyOf",
    "minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum", "minProperties", "maxProperties",
}  # fmt: skip


def of(schema: Any, **root: Any) -> dict[str, Any]:
    parameters = parameters_of({"type": "object", "properties": {"x": schema}, **root})
    assert parameters is not None
    found: dict[str, Any] = parameters["properties"]["x"]
    return found


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": "STRING"}),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"type": "string", "format": "uri"}, {"type": "STRING"}),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 9}, {"type": "INTEGER", "minimum": 1}),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"type": ["null"]}, {"type": "STRING", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, {"type": "NUMBER", "nullable": True}),
        (
            {"oneOf": [{"type": "number"}, {"type": "boolean"}], "description": "Either"},
            {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "description": "Either"},
        ),
        ({"enum": ["a", "b"]}, {"type": "STRING", "enum": ["a", "b"]}),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"enum": [1, 2], "description": "Size."}, {"type": "INTEGER", "description": "Size. One of: 1, 2"}),
        ({"type": "array", "items": {"type": "boolean"}}, {"type": "ARRAY", "items": {"type": "BOOLEAN"}}),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"type": "OBJECT"}),
        ({}, {"type": "STRING"}),
        (True, {"type": "STRING"}),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"], "$comment": "no"},
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]},
        ),
    ],
)
def test_json_schema_becomes_ours(schema: Any, expected: dict[str, Any]) -> None:
    assert of(schema) == expected


def test_references_are_followed_and_what_stands_beside_them_counts() -> None:
    size = {"enum": ["s", "m"], "description": "A size"}
    assert of({"$ref": "#/$defs/Size", "description": "His size"}, **{"$defs": {"Size": size}}) == {
        "type": "STRING",
        "enum": ["s", "m"],
        "description": "His size",
    }
    assert of({"$ref": "#/definitions/a~1b"}, definitions={"a/b": {"type": "integer"}}) == {"type": "INTEGER"}
    assert of({"$ref": "#/nowhere"}) == of({"$ref": "http://elsewhere/schema.json"}) == {"type": "STRING"}


def test_parts_of_a_whole_are_merged() -> None:
    base = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    schema = {"allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]}
    found = of(schema, **{"$defs": {"Base": base}})
    assert found["type"] == "OBJECT"
    assert found["properties"] == {"a": {"type": "STRING"}, "b": {"type": "INTEGER"}}
    assert set(found["required"]) == {"a", "b"}


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_a_tool_without_input_has_no_parameters(schema: dict[str, Any]) -> None:
    assert parameters_of(schema) is None


@pytest.mark.parametrize(
    "definitions",
    [
        {"A": {"$ref": "#/$defs/A"}},
        {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}},
        {"A": {"type": "object", "properties": {"next": {"$ref": "#/$defs/A"}}}},
        {"A": {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}},
        {"A": {"anyOf": [{"$ref": "#/$defs/A"}] * 30}},
        {"A": {"type": "object", "properties": {str(n): {"$ref": "#/$defs/A"} for n in range(50)}}},
    ],
)
def test_a_schema_without_end_ends(definitions: dict[str, Any]) -> None:
    began = time.monotonic()
    found = of({"$ref": "#/$defs/A"}, **{"$defs": definitions})
    assert time.monotonic() - began < 2
    assert len(json.dumps(found)) < 200_000


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["string", "null", "object", "#/properties/x", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "anyOf",
                    "allOf",
                    "oneOf",
                    "enum",
                    "const",
                    "items",
                    "properties",
                    "required",
                    "$ref",
                    "format",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(_json)
def test_what_comes_out_is_always_ours_or_an_error_of_python_s(schema: Any) -> None:
    try:
        found = parameters_of({"type": "object", "properties": {"x": schema}})
    except (TypeError, ValueError, AttributeError, KeyError):
        return  # the toolset leaves such a tool out
    assert found is not None
    _check(found)


def _check(schema: dict[str, Any]) -> None:
    assert set(schema) <= KNOWN
    assert "anyOf" in schema or schema["type"] in TYPES
    for inner in [
        *schema.get("anyOf", ()),
        *schema.get("properties", {}).values(),
        *filter(None, [schema.get("items")]),
    ]:
        _check(inner)
