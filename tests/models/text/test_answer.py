"""An answer, put together from pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.errors import ModelError
from fullduplex.models.answer import Answer
from fullduplex.models.text import LlmResponse
from fullduplex.types.content import Content, FunctionCall, Part
from fullduplex.types.live import UsageMetadata

CALL = Part(function_call=FunctionCall(id="1", name="f", args={}))


def message(*parts: Part, **fields: object) -> LlmResponse:
    return LlmResponse(content=Content(role="model", parts=list(parts)) if parts else None, **fields)


def merged(*messages: LlmResponse) -> tuple[list[Part], LlmResponse]:
    answer = Answer()
    partials = [partial for one in messages for partial in answer.take(one)]
    assert all(partial.partial for partial in partials)
    return [part for one in partials for part in (one.content and one.content.parts) or []], answer.whole()


def parts_of(response: LlmResponse) -> list[Part]:
    return (response.content and response.content.parts) or []


def test_text_is_merged_and_thoughts_stay_apart() -> None:
    pieces = [Part(text="Hm", thought=True), Part(text="m.", thought=True), Part(text="Yes"), Part(text=", it is.")]
    shown, whole = merged(*map(message, pieces))
    assert shown == pieces
    assert parts_of(whole) == [Part(text="Hmm.", thought=True), Part(text="Yes, it is.")]


def test_a_call_stays_where_it_came_and_is_not_shown_in_part() -> None:
    shown, whole = merged(message(Part(text="Let me ")), message(Part(text="see."), CALL, Part(text="So")), message())
    assert [part.text for part in shown] == ["Let me ", "see.", "So"]
    assert parts_of(whole) == [Part(text="Let me see."), CALL, Part(text="So")]


def test_a_part_with_a_signature_is_kept_as_it_came() -> None:
    signed = Part(text="c", thought_signature=b"s")
    shown, whole = merged(message(Part(text="a"), Part(text="b")), message(signed), message(Part(text="d")))
    assert "".join(part.text or "" for part in shown) == "abcd"
    assert parts_of(whole) == [Part(text="ab"), signed, Part(text="d")]


def test_empty_parts_are_left_out_unless_they_are_signed() -> None:
    signature = Part(text="", thought_signature=b"s")
    shown, whole = merged(message(Part(text=""), Part()), message(signature))
    assert shown == []
    assert parts_of(whole) == [signature]


def test_the_last_word_of_each_kind_counts() -> None:
    usage = [UsageMetadata(total_token_count=1), UsageMetadata(total_token_count=2)]
    _, whole = merged(
        message(Part(text="a"), usage_metadata=usage[0], model_version="m", grounding_metadata={"a": 1}),
        message(usage_metadata=usage[1], finish_reason="STOP", grounding_metadata={"b": 2}),
        message(),
    )
    assert (whole.usage_metadata, whole.finish_reason, whole.model_version) == (usage[1], "STOP", "m")
    assert whole.grounding_metadata == {"a": 1, "b": 2}
    assert whole.error_code is None


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "SAFETY"])
def test_an_answer_that_was_cut_short_says_so_and_keeps_what_there_is(reason: str) -> None:
    _, whole = merged(message(Part(text="As I was")), message(finish_reason=reason, error_message="cut"))
    assert (whole.finish_reason, whole.error_code, whole.error_message) == (reason, reason, "cut")
    assert parts_of(whole) == [Part(text="As I was")]


def test_nothing_at_all_is_an_error_and_nothing_to_say_is_not() -> None:
    with pytest.raises(ModelError) as caught:
        merged(message())
    assert caught.value.recoverable
    _, whole = merged(message(finish_reason="STOP"))
    assert whole.content is None


@given(st.lists(st.tuples(st.text(max_size=3), st.booleans())))
def test_nothing_is_lost_doubled_or_moved(pieces: list[tuple[str, bool]]) -> None:
    parts = [Part(text=text, thought=thought or None) for text, thought in pieces]
    shown, whole = merged(message(finish_reason="STOP"), *map(message, parts))
    for thought in (None, True):
        said = "".join(text for text, kind in pieces if (kind or None) == thought)
        assert "".join(part.text or "" for part in shown if part.thought == thought) == said
        assert "".join(part.text or "" for part in parts_of(whole) if part.thought == thought) == said
    kinds = [part.thought for part in parts_of(whole)]
    assert all(one != other for one, other in pairwise(kinds))
