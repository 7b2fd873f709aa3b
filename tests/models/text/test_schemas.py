"""From Gemini's spelling and from classes to JSON Schema, and to the strict form that OpenAI wants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from fullduplex.errors import InvalidConfig
from fullduplex.models.openai.schema import response_format, strict_form
from fullduplex.models.schemas import output_schema, parameters_of, to_json_schema
from fullduplex.tools.schema import declare
from fullduplex.types.content import FunctionDeclaration


class Step(BaseModel):
    what: str
    minutes: int | None = None


class Plan(BaseModel):
    title: str = "Plan"
    steps: list[Step]
    kind: Literal["short", "long"]


@dataclasses.dataclass
class Point:
    x: float
    y: float


class Opaque:
    """A class that says nothing of its form."""


def test_types_are_lower_case_all_the_way_down() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "description": "A property of the name type."},
            "nullable": {"type": "BOOLEAN", "nullable": True},
            "list": {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "1"},
            "choice": {"anyOf": [{"type": "STRING", "format": "enum", "enum": ["a"]}, {"type": "NUMBER"}]},
        },
        "required": ["type"],
        "propertyOrdering": ["type", "list"],
    }
    assert to_json_schema(schema) == {
        "type": "object",
        "properties": {
            "type": {"type": "string", "description": "A property of the name type."},
            "nullable": {"type": ["boolean", "null"]},
            "list": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            "choice": {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "number"}]},
        },
        "required": ["type"],
    }


def test_what_may_be_null() -> None:
    assert to_json_schema({"type": "STRING", "enum": ["a"], "nullable": True}) == {
        "type": ["string", "null"],
        "enum": ["a", None],
    }
    either = {"any_of": [{"type": "STRING"}, {"type": "NUMBER"}], "nullable": True}
    assert to_json_schema(either) == {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]}


def test_json_schema_stays_as_it_is() -> None:
    schema = Plan.model_json_schema()
    assert to_json_schema(schema) == schema


def test_parameters_of_functions() -> None:
    def book(city: str, nights: int = 1, rooms: list[Step] | None = None) -> None:
        """Books."""

    parameters = parameters_of(declare(book))
    assert parameters["properties"]["city"] == {"type": "string"}
    assert parameters["properties"]["nights"] == {"type": "integer", "default": 1}
    assert parameters["properties"]["rooms"]["type"] == ["array", "null"]
    assert parameters["required"] == ["city"]
    assert parameters_of(FunctionDeclaration(name="f")) == {"type": "object", "properties": {}}
    own = {"type": "object", "properties": {"a": {"const": 1}}}
    assert parameters_of(FunctionDeclaration(name="f", parameters_json_schema=own)) == own


def test_the_form_of_an_answer() -> None:
    assert output_schema(Plan) == Plan.model_json_schema()
    assert output_schema(list[int]) == {"type": "array", "items": {"type": "integer"}}
    assert output_schema(Point)["required"] == ["x", "y"]
    assert output_schema({"type": "STRING"}) == {"type": "string"}
    for kind in (Opaque, Callable[[int], int]):
        with pytest.raises(InvalidConfig, match="output_schema"):
            output_schema(kind)  # type: ignore[arg-type]


def test_the_strict_form_requires_everything_and_allows_nothing_else() -> None:
    strict = strict_form(output_schema(Plan))
    assert strict is not None
    assert strict["required"] == ["title", "steps", "kind"]
    step = strict["$defs"]["Step"]
    assert (step["required"], step["additionalProperties"]) == (["what", "minutes"], False)
    assert strict["properties"]["steps"] == {"type": "array", "items": {"$ref": "#/$defs/Step"}}
    assert strict["properties"]["title"] == {"type": "string"}


@pytest.mark.parametrize(
    "kind",
    [dict[str, int], list[dict[str, Any]], {"type": "object", "properties": {"a": {"anyOf": [{"type": "object"}]}}}],
)
def test_objects_of_unknown_properties_cannot_be_strict(kind: Any) -> None:
    schema = output_schema(kind)
    assert strict_form(schema) is None
    described = response_format(schema)["json_schema"]
    assert (described["schema"], described["strict"]) == (schema, False)
