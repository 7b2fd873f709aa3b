"""Functions as tools: how they are called with what the model gives."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
from typing import Annotated, Any, Optional

import pydantic
import pytest

from fullduplex.events import EventActions
from fullduplex.sessions import Session
from fullduplex.tools import FunctionTool, ToolContext


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Place(pydantic.BaseModel):
    city: str
    floor: int = 0


class Run:
    """The little that a context asks of a run."""

    invocation_id = "e-1"
    agent_name = "guide"

    def __init__(self) -> None:
        self.session = Session(id="s", app_name="app", user_id="u", state={"n": 1})


def context() -> ToolContext:
    return ToolContext(Run(), function_call_id="c1", actions=EventActions())


async def call(func: Any, **args: Any) -> Any:
    return await FunctionTool(func).run_async(args=args, tool_context=context())


def test_a_tool_has_the_functions_name_and_docstring() -> None:
    def look(city: str) -> str:
        """Looks out of the window."""
        return city

    tool = FunctionTool(look)
    assert (tool.name, tool.description, tool.is_long_running) == ("look", "Looks out of the window.", False)
    declared = tool.declaration()
    assert (declared.name, declared.description) == ("look", "Looks out of the window.")
    assert declared.parameters == {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}},
        "required": ["city"],
    }


def test_an_object_is_named_after_its_class() -> None:
    class Window:
        """Opens and closes."""

        async def __call__(self, wide: bool = False) -> str:
            return "open"

    tool = FunctionTool(Window())
    assert (tool.name, tool.description) == ("Window", "Opens and closes.")
    assert not tool.takes_thread


def test_a_partial_is_named_after_its_function() -> None:
    def power(base: int, exponent: int) -> int:
        """Raises."""
        return base**exponent

    tool = FunctionTool(functools.partial(power, exponent=2))
    assert (tool.name, tool.description) == ("power", "Raises.")


async def test_arguments_arrive_as_the_function_expects_them() -> None:
    def show(
        number: int,
        share: float,
        color: Color,
        place: Place,
        maybe: Color | None = None,
        older: Optional[int] = None,  # noqa: UP045
        noted: Annotated[int, "how many"] = 0,
        places: list[Place] | None = None,
        free: Any = None,
    ) -> list[Any]:
        return [number, share, color, place, maybe, older, noted, places, free]

    got = await call(
        show,
        number=3.0,
        share=2,
        color="red",
        place={"city": "Oslo"},
        maybe="blue",
        older=4.0,
        noted=5.0,
        places=[{"city": "Rome", "floor": 2}],
        free={"x": 1},
    )
    assert got == [
        3,
        2.0,
        Color.RED,
        Place(city="Oslo"),
        Color.BLUE,
        4,
        5,
        [Place(city="Rome", floor=2)],
        {"x": 1},
    ]
    assert [type(value) for value in (got[0], got[1], got[5], got[6])] == [int, float, int, int]
    assert (await call(show, number=1, share=1.5, color="red", place={"city": "x"}, maybe=None))[4] is None


@pytest.mark.parametrize(
    ("args", "said"), [({"color": "green", "place": {"city": "x"}}, "green"), ({"color": "red", "place": {}}, "city")]
)
async def test_arguments_that_do_not_fit_are_told(args: dict[str, Any], said: str) -> None:
    def show(color: Color, place: Place) -> str:
        return "never"

    answer = await call(show, **args)
    assert answer["error"].startswith("Invoking `show()` failed")
    assert said in answer["error"]


@pytest.mark.spec(86)
async def test_missing_arguments_are_named_one_a_line() -> None:
    def look(city: str, day: str, hour: int = 0) -> str:
        return "never"

    answer = await call(look, hour=1)
    assert answer["error"].startswith(
        "Invoking `look()` failed as the following mandatory input parameters are not present:\ncity\nday\n"
    )


async def test_arguments_that_the_function_does_not_have_are_left_out() -> None:
    def look(city: str) -> str:
        return city

    assert await call(look, city="Oslo", tool_context="fake", made_up=1) == "Oslo"


@pytest.mark.parametrize("name", ["tool_context", "where", "maybe"])
async def test_the_context_is_given_and_hidden(name: str) -> None:
    def named(city: str, tool_context) -> Any:  # type: ignore[no-untyped-def]
        return tool_context.function_call_id, tool_context.agent_name, tool_context.user_id

    def annotated(city: str, where: ToolContext) -> Any:
        return where.function_call_id, where.agent_name, where.user_id

    def optional(city: str, maybe: ToolContext | None = None) -> Any:
        assert maybe is not None
        return maybe.function_call_id, maybe.agent_name, maybe.user_id

    func = {"tool_context": named, "where": annotated, "maybe": optional}[name]
    declared = FunctionTool(func).declaration().parameters
    assert declared is not None
    assert list(declared["properties"]) == ["city"]
    assert await call(func, city="x", **{name: "from the model"}) == ("c1", "guide", "u")


async def test_a_context_reads_and_writes_the_state() -> None:
    given = context()

    def count(tool_context: ToolContext) -> int:
        tool_context.state["n"] = tool_context.state["n"] + 1
        tool_context.actions.skip_summarization = True
        return tool_context.state["n"]

    assert await FunctionTool(count).run_async(args={}, tool_context=given) == 2
    assert given.actions.state_delta == {"n": 2}
    assert given.actions.skip_summarization is True


async def test_a_function_that_returns_an_awaitable_is_awaited() -> None:
    async def later() -> str:
        return "later"

    assert await call(lambda: later()) == "later"


@dataclasses.dataclass
class Guest:
    name: str
    born: datetime.date
    color: Color = Color.RED


@dataclasses.dataclass
class Party:
    host: Guest
    guests: list[Guest] = dataclasses.field(default_factory=list)


async def test_arguments_are_built_to_any_depth() -> None:
    def invite(party: Party, at: datetime.datetime, window: tuple[int, int], tags: set[str], place: Place) -> str:
        assert party == Party(
            Guest("Ada", datetime.date(1815, 12, 10)), [Guest("Bo", datetime.date(2000, 1, 1), Color.BLUE)]
        )
        assert at == datetime.datetime(2026, 3, 31, 14, 30, tzinfo=datetime.UTC)
        assert (window, tags, place) == ((1, 2), {"a"}, Place(city="Oslo"))
        return "ok"

    answer = await call(
        invite,
        party={
            "host": {"name": "Ada", "born": "1815-12-10"},
            "guests": [{"name": "Bo", "born": "2000-01-01", "color": "blue"}],
        },
        at="2026-03-31T14:30:00Z",
        window=[1, 2.0],
        tags=["a", "a"],
        place={"city": "Oslo"},
    )
    assert answer == "ok"


@pytest.mark.parametrize(
    ("args", "place"),
    [
        ({"party": {"host": {"name": "Ada"}}, "n": 1}, "party.host.born: Field required"),
        ({"party": {"host": {"name": "Ada", "born": "soon"}}, "n": 1}, "party.host.born: "),
        ({"party": {"host": {"name": "Ada", "born": "2000-01-01"}}, "n": "many"}, "n: "),
        ({"party": {"host": {"name": "Ada", "born": "2000-01-01"}}, "n": 1.5}, "n: "),
    ],
)
async def test_what_does_not_fit_is_named(args: dict[str, Any], place: str) -> None:
    def invite(party: Party, n: int) -> str:
        return "never"

    answer = await call(invite, **args)
    assert answer["error"].startswith("Invoking `invite()` failed as an argument does not fit:")
    assert place in answer["error"]


async def test_null_stands_for_a_default_of_none() -> None:
    def look(city: str = None, day: Optional[str] = None) -> str:  # type: ignore[assignment]  # noqa: RUF013, UP045
        return f"{city} {day}"

    assert await call(look, city=None, day=None) == "None None"
