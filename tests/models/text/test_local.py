"""The scripted tool router as a text model."""

from __future__ import annotations

import pytest

from fullduplex.errors import InvalidConfig, InvalidInput
from fullduplex.models.cascade.generate import LocalText
from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part, Tool
from tests.models.text.backends import GET_WEATHER, user

TOOLS = [Tool(function_declarations=[GET_WEATHER])]


async def answer(*contents: Content, **fields: object) -> LlmResponse:
    request = LlmRequest(contents=list(contents), tools=TOOLS, **fields)  # type: ignore[arg-type]
    (response,) = [one async for one in LocalText(new_id=lambda: "c").generate(request)]
    return response


def text_of(response: LlmResponse) -> str:
    assert response.content is not None
    return response.content.text


def asked(city: str) -> Content:
    return Content(
        role="model", parts=[Part(function_call=FunctionCall(id="c", name="get_weather", args={"city": city}))]
    )


async def test_a_follow_up_question_is_the_last_call_again() -> None:
    response = await answer(user("the weather in Paris"), asked("Paris"), user("what about Rome"))
    assert response.content in (asked("Rome"), asked("rome"))


async def test_a_missing_argument_is_asked_for_and_what_does_not_fit_is_not_guessed() -> None:
    assert "city" in text_of(await answer(user("what is the weather in")))
    assert "I can't help with that" in text_of(await answer(user("sing me a song about love")))


async def test_a_result_without_a_name_is_read_by_the_name_of_its_call() -> None:
    result = Part(function_response=FunctionResponse(id="c", response={"degrees": 20}))
    response = await answer(user("the weather in Paris"), asked("Paris"), Content(role="user", parts=[result]))
    assert text_of(response) == "degrees: 20."


async def test_it_says_that_it_cannot_search() -> None:
    request = LlmRequest(contents=[user("search for cats")], tools=[Tool(google_search={})])
    (response,) = [one async for one in LocalText().generate(request)]
    assert "cannot search" in text_of(response)


async def test_rules_write_no_json() -> None:
    with pytest.raises(InvalidConfig, match="output_schema"):
        await answer(user("hello"), output_schema=dict)


async def test_nothing_was_said() -> None:
    with pytest.raises(InvalidInput, match="without contents"):
        await answer()
