"""How functions are declared to a model: their signatures and docstrings in Gemini's spelling."""

from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, Union

import pydantic
import pytest

from fullduplex.errors import InvalidConfig
from fullduplex.models.openai.schema import strict_form
from fullduplex.models.schemas import parameters_of
from fullduplex.tools import FunctionTool, ToolContext
from fullduplex.tools.schema import declare, schema_of


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Place(pydantic.BaseModel):
    city: str = pydantic.Field(description="Where.")
    floor: int = 0


@dataclass
class Order:
    item: str
    count: int = 1
    notes: list[str] = field(default_factory=list)


class Trip(TypedDict):
    to: str
    stops: NotRequired[list[str]]


@dataclass
class Tree:
    children: list[Tree]


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "STRING"}),
        (int, {"type": "INTEGER"}),
        (float, {"type": "NUMBER"}),
        (bool, {"type": "BOOLEAN"}),
        (Any, {"type": "STRING"}),
        (list[int], {"type": "ARRAY", "items": {"type": "INTEGER"}}),
        (list, {"type": "ARRAY", "items": {"type": "STRING"}}),
        (list[list[str]], {"type": "ARRAY", "items": {"type": "ARRAY", "items": {"type": "STRING"}}}),
        (dict[str, int], {"type": "OBJECT"}),
        (int | None, {"type": "INTEGER", "nullable": True}),
        (Optional[str], {"type": "STRING", "nullable": True}),  # noqa: UP045
        (Union[int, str], {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]}),  # noqa: UP007
        (Literal["a", "b"], {"type": "STRING", "enum": ["a", "b"]}),
        (Literal[1, 2], {"type": "INTEGER", "description": "One of: 1, 2"}),
        (Color, {"type": "STRING", "enum": ["red", "blue"]}),
        (Annotated[int, "how many"], {"type": "INTEGER", "description": "how many"}),
        (
            Annotated[int, pydantic.Field(description="how many", ge=1, le=9)],
            {"type": "INTEGER", "description": "how many", "minimum": 1, "maximum": 9},
        ),
        (Annotated[str, pydantic.Field(max_length=3)], {"type": "STRING", "maxLength": 3}),
        (
            Annotated[list[str], pydantic.Field(min_length=1)],
            {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": 1},
        ),
        (Literal["a", None], {"type": "STRING", "enum": ["a"], "nullable": True}),
        (set[int], {"type": "ARRAY", "items": {"type": "INTEGER"}}),
        (Sequence[str], {"type": "ARRAY", "items": {"type": "STRING"}}),
        (tuple[int, ...], {"type": "ARRAY", "items": {"type": "INTEGER"}}),
        (tuple[float, float], {"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": 2, "maxItems": 2}),
        (
            tuple[int, str],
            {
                "type": "ARRAY",
                "items": {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]},
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (datetime.datetime, {"type": "STRING", "format": "date-time"}),
        (datetime.date, {"type": "STRING", "description": "A date, such as 2026-03-31."}),
        (
            Trip,
            {
                "type": "OBJECT",
                "properties": {"to": {"type": "STRING"}, "stops": {"type": "ARRAY", "items": {"type": "STRING"}}},
                "required": ["to"],
            },
        ),
        (
            Place,
            {
                "type": "OBJECT",
                "properties": {
                    "city": {"type": "STRING", "description": "Where."},
                    "floor": {"type": "INTEGER", "default": 0},
                },
                "required": ["city"],
            },
        ),
        (
            Order,
            {
                "type": "OBJECT",
                "properties": {
                    "item": {"type": "STRING"},
                    "count": {"type": "INTEGER", "default": 1},
                    "notes": {"type": "ARRAY", "items": {"type": "STRING"}},
                },
                "required": ["item"],
            },
        ),
    ],
    ids=str,
)
def test_annotations(hint: Any, schema: dict[str, Any]) -> None:
    assert schema_of(hint) == schema


@pytest.mark.parametrize("hint", [Callable[[], int], object, Literal["a", 1], Tree], ids=str)
def test_what_no_schema_can_express_is_refused_with_its_place(hint: Any) -> None:
    with pytest.raises(InvalidConfig, match="here"):
        schema_of(hint, where="here")


def test_a_declaration_has_what_the_docstring_says() -> None:
    def book(city: str, nights: int = 2, *, breakfast: bool = False, tool_context: ToolContext | None = None) -> str:
        """Books a room.

        Args:
            city: Where the room is,
                near the centre.
            nights (int): How many.
        """
        return ""

    declared = declare(book)
    assert declared.name == "book"
    assert declared.description is not None
    assert declared.description.startswith("Books a room.")
    assert declared.parameters == {
        "type": "OBJECT",
        "properties": {
            "city": {"type": "STRING", "description": "Where the room is, near the centre."},
            "nights": {"type": "INTEGER", "description": "How many.", "default": 2},
            "breakfast": {"type": "BOOLEAN", "default": False},
        },
        "required": ["city"],
    }


def test_a_function_without_parameters_has_none() -> None:
    def now(tool_context: ToolContext) -> str:
        return ""

    assert declare(now, name="clock").parameters is None
    assert declare(now, name="clock").name == "clock"


def test_star_arguments_are_not_declared() -> None:
    def look(city: str, *rest: str, **more: str) -> str:
        return city

    assert declare(look).parameters == {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}},
        "required": ["city"],
    }


@dataclass
class Guest:
    name: str
    born: datetime.date
    color: Color = Color.RED


class Booking(pydantic.BaseModel):
    place: Place = pydantic.Field(description="Where to.")
    guests: list[Guest]
    at: datetime.datetime | None = None


def book(
    booking: Booking,
    trip: Trip,
    window: tuple[float, float],
    nights: Annotated[int, pydantic.Field(ge=1)] = 2,
    board: Literal["half", "full"] = "half",
    tags: set[str] | None = None,
) -> str:
    """Books.

    Args:
        booking: Who and where.
        nights (int, optional): How many: at least one.
    """
    return ""


def every(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all schemas in it."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        for value in schema.values():
            yield from every(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from every(value)


def test_gemini_and_vertex_take_every_kind_of_declaration() -> None:
    genai = pytest.importorskip("google.genai")
    declared = FunctionTool(book).declaration().model_dump(exclude_none=True, by_alias=True)
    read = genai.types.FunctionDeclaration.model_validate(declared)  # which refuses what it does not know
    assert read.parameters.properties["booking"].properties["guests"].items.properties["color"].enum == ["red", "blue"]
    known = {"STRING": {"date-time"}}
    for schema in every(declared["parameters"]):
        assert "format" not in schema or schema["format"] in known[schema["type"]]
        assert "enum" not in schema or schema["type"] == "STRING"
        assert schema["type"] != "ARRAY" or "items" in schema


def test_openai_takes_them_strictly() -> None:
    schema = parameters_of(FunctionTool(book).declaration())
    strict = strict_form(schema)
    assert strict is not None
    for inner in every(strict):
        if inner["type"] == "object":
            assert inner["additionalProperties"] is False
            assert inner["required"] == list(inner["properties"])
    assert json.loads(json.dumps(strict)) == strict
