"""The text model that tests hand their answers."""

from __future__ import annotations

import pytest

from fullduplex.errors import ModelError
from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.testing.scripted_text_model import ScriptedTextModel
from fullduplex.types.content import Content, FunctionCall, Part

REQUEST = LlmRequest(contents=[Content(role="user", parts=[Part(text="hi")])])


async def answers(model: ScriptedTextModel, *, stream: bool = False) -> list[LlmResponse]:
    return [response async for response in model.generate(REQUEST, stream=stream)]


async def test_text_comes_whole_or_word_by_word() -> None:
    model = ScriptedTextModel("Nice to meet you.", "Nice to meet you.")
    [whole] = await answers(model)
    assert whole.content is not None
    assert (whole.content.text, whole.partial, whole.finish_reason) == ("Nice to meet you.", None, "STOP")
    *pieces, merged = await answers(model, stream=True)
    assert [piece.content.text for piece in pieces if piece.content] == ["Nice", " to", " meet", " you."]
    assert (merged.content, merged.partial) == (whole.content, False)


async def test_calls_parts_and_whole_responses() -> None:
    call = FunctionCall(id="c1", name="look")
    own = LlmResponse(error_code="SAFETY")
    model = ScriptedTextModel(["Let me see.", call], Part(text="hm", thought=True), own, own)
    [both] = await answers(model)
    assert both.content is not None
    assert [part.function_call for part in both.content.parts or []] == [None, call]
    [thought] = await answers(model)
    assert thought.content is not None
    assert (thought.content.parts or [])[0].thought
    assert await answers(model) == await answers(model) == [own]


async def test_a_function_of_the_request() -> None:
    async def later(request: LlmRequest) -> str:
        return request.contents[-1].text.upper()

    model = ScriptedTextModel(lambda request: str(len(request.contents)), later)
    texts = [response.content.text for _ in range(2) for response in await answers(model) if response.content]
    assert texts == ["1", "HI"]
    assert model.requests == [REQUEST, REQUEST]


async def test_errors_and_the_end_of_the_script() -> None:
    model = ScriptedTextModel(ModelError("busy"))
    with pytest.raises(ModelError, match="busy"):
        await answers(model)
    with pytest.raises(AssertionError, match="once more than its script"):
        await answers(model)
