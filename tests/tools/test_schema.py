"""How functions are declared to a model: their signatures and docstrings in Gemini's spelling."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Optional, Union

import pydantic
import pytest

from fullduplex.errors import InvalidConfig
from fullduplex.tools import ToolContext
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
            Place,
            {
                "type": "OBJECT",
                "properties": {"city": {"type": "STRING", "description": "Where."}, "floor": {"type": "INTEGER"}},
                "required": ["city"],
            },
        ),
        (
            Order,
            {
                "type": "OBJECT",
                "properties": {
                    "item": {"type": "STRING"},
                    "count": {"type": "INTEGER"},
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


@pytest.mark.parametrize("hint", [Callable[[], int], object, Literal["a", 1]], ids=str)
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
