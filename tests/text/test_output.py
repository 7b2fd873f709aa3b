"""Answers of a given form, and the state that receives them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from fullduplex.models.text import LlmResponse
from fullduplex.types.content import Content, Part
from tests.text.kit import SSE, Chat, ScriptedTextModel, call


class Forecast(BaseModel):
    sky: str
    degrees: int
    note: str | None = None


class Narrow(ScriptedTextModel):
    """A model that cannot have both tools and a form."""

    takes_tools_with_schema = False  # type: ignore[assignment]


GOOD = '{"sky": "clear", "degrees": 7}'


async def test_the_state_has_the_answer() -> None:
    chat = Chat("It is clear.", output_key="answer")
    assert await chat.say() == [":It is clear. state{'answer': 'It is clear.'}"]
    assert (await chat.saved()).state == {"answer": "It is clear."}


async def test_pieces_thoughts_and_what_is_said_before_a_tool_do_not_count() -> None:
    thought = Part(text="hm", thought=True)
    chat = Chat(["Let me look.", call("look")], [thought, "Clear."], output_key="answer", tools=[look])
    await chat.say(run_config=SSE)
    assert (await chat.saved()).state == {"answer": "Clear."}
    assert [bool(event.actions.state_delta) for event in chat.events if event.partial] == [False] * 5


async def test_an_answer_of_the_form_is_data() -> None:
    chat = Chat(GOOD, output_schema=Forecast, output_key="forecast")
    await chat.say()
    assert chat.model.requests[0].output_schema is Forecast
    assert (await chat.saved()).state == {"forecast": {"sky": "clear", "degrees": 7}}
    assert chat.events[0].output == {"sky": "clear", "degrees": 7}
    assert chat.events[0].content is not None
    assert chat.events[0].content.text == GOOD


@pytest.mark.parametrize(
    ("schema", "answer", "output"),
    [
        (list[Forecast], f"[{GOOD}]", [{"sky": "clear", "degrees": 7}]),
        (list[str], '["a", "b"]', ["a", "b"]),
        ({"type": "object"}, '{"x": 1}', {"x": 1}),
        (Forecast, f"```json\n{GOOD}\n```", {"sky": "clear", "degrees": 7}),
    ],
)
async def test_forms_and_ways_to_write_them(schema: Any, answer: str, output: Any) -> None:
    chat = Chat(answer, output_schema=schema, output_key="out")
    await chat.say()
    assert (await chat.saved()).state == {"out": output}


@pytest.mark.parametrize(
    ("answer", "problem"), [("It is clear.", "not JSON"), ('{"sky": 1}', "degrees: Field required"), ("[]", "schema")]
)
async def test_an_answer_of_another_form_is_an_error(answer: str, problem: str) -> None:
    chat = Chat(answer, output_schema=Forecast)
    error = await chat.fail()
    assert error.code == "invalid_output"
    assert problem in str(error)
    assert chat.events[-1].error_code == "invalid_output"


async def test_an_answer_that_was_cut_short_is_not_checked() -> None:
    cut = LlmResponse(content=Content(role="model", parts=[Part(text='{"sky":')]), error_code="MAX_TOKENS")
    chat = Chat(cut, output_schema=Forecast)
    await chat.say()
    assert chat.events[-1].error_code == "MAX_TOKENS"


async def look() -> str:
    return "clear, 7 degrees"


async def test_tools_and_a_form() -> None:
    chat = Chat(call("look"), GOOD, output_schema=Forecast, output_key="out", tools=[look])
    await chat.say()
    assert (await chat.saved()).state == {"out": {"sky": "clear", "degrees": 7}}
    assert chat.model.requests[0].output_schema is Forecast


async def test_a_model_that_cannot_have_both_gives_the_answer_by_a_tool() -> None:
    model = Narrow(
        call("look"),
        call("set_model_response", "r1", sky="clear"),
        call("set_model_response", "r2", sky="clear", degrees=7),
    )
    chat = Chat(agent=None, output_schema=Forecast, output_key="out", tools=[look])
    chat.runner.agent.model = model  # type: ignore[attr-defined]
    events = await chat.say()
    assert events[-2:] == ["answer-r2", f":{GOOD} state{{'out': {{'sky': 'clear', 'degrees': 7}}}}"]
    assert "degrees" in str(chat.events[3].get_function_responses()[0].response)
    assert chat.events[-1].is_final_response()
    assert (await chat.saved()).state == {"out": {"sky": "clear", "degrees": 7}}
    request = model.requests[0]
    assert request.output_schema is None
    assert "set_model_response" in request.system_instruction
    names = [one.name for one in request.tools[0].function_declarations or []]
    assert names == ["look", "set_model_response"]


async def test_a_list_given_by_a_tool() -> None:
    model = Narrow(call("set_model_response", "r1", result=[{"sky": "clear", "degrees": 7}]))
    chat = Chat(output_schema=list[Forecast], output_key="out", tools=[look])
    chat.runner.agent.model = model  # type: ignore[attr-defined]
    await chat.say()
    assert (await chat.saved()).state == {"out": [{"sky": "clear", "degrees": 7}]}
    [declared] = [one for one in model.requests[0].tools[0].function_declarations or [] if one.name != "look"]
    assert (declared.parameters_json_schema or {})["required"] == ["result"]
