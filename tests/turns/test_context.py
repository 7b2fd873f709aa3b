"""A conversation that fits: how many turns stay, where it may be cut, and that a long chat stays under its limit."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.context import KEPT_SHARE, compress, cut, estimate_tokens, scale_of
from fullduplex.turns.summary import is_summary, summary_turn
from fullduplex.types.content import Blob, Content, FunctionCall, FunctionResponse, Part


def user(text: str) -> Content:
    return Content(role="user", parts=[Part(text=text)])


def agent(text: str) -> Content:
    return Content(role="model", parts=[Part(text=text)])


def call(name: str, call_id: str | None = None) -> Content:
    return Content(role="model", parts=[Part(function_call=FunctionCall(id=call_id, name=name, args={}))])


def answer(name: str, call_id: str | None = None) -> Content:
    response = FunctionResponse(id=call_id, name=name, response={"ok": True})
    return Content(role="user", parts=[Part(function_response=response)])


def chat(turns: int) -> list[Content]:
    """Turns of both sides by turns, 12 tokens each."""
    return [(user if number % 2 == 0 else agent)(f"this is turn {number} ".ljust(48, "-")) for number in range(turns)]


def test_a_conversation_that_fits_stays_as_it_is() -> None:
    contents = chat(10)
    assert compress(contents, budget_tokens=120) == contents
    assert cut(contents, budget_tokens=120) is None
    assert compress([], budget_tokens=1) == []


@pytest.mark.parametrize("keep_turns", [1, 2, 5, 6])
def test_the_last_turns_stay_word_for_word_behind_one_summary(keep_turns: int) -> None:
    contents = chat(100)
    fitted = compress(contents, budget_tokens=300, keep_turns=keep_turns)
    assert is_summary(fitted[0])
    assert fitted[1:] == contents[-keep_turns:]
    assert "turn 92" in fitted[0].text
    assert estimate_tokens(fitted) <= 300


def test_fewer_turns_are_kept_when_they_do_not_fit_and_the_latest_one_always_is() -> None:
    contents = chat(20)
    fitted = compress(contents, budget_tokens=120, keep_turns=10)
    assert fitted[1:] == contents[-7:]
    assert estimate_tokens(fitted) <= 120
    huge = [*contents, agent("?"), user("word " * 1000)]
    assert compress(huge, budget_tokens=300)[1:] == huge[-1:]


def test_a_single_turn_cannot_be_made_smaller() -> None:
    contents = [user("word " * 500), user("more " * 500)]
    assert compress(contents, budget_tokens=10) == contents


def test_what_one_side_says_in_several_pieces_is_one_turn_and_tools_are_the_model_s() -> None:
    turns = [
        [user("Hello there. " * 40)],
        [call("look"), answer("look"), agent("b" * 40)],
        [user("c" * 40), user("d" * 40)],
    ]
    contents = [content for turn in turns for content in turn]
    assert compress(contents, budget_tokens=100, keep_turns=2)[1:] == contents[1:]
    assert compress(contents, budget_tokens=100, keep_turns=1)[1:] == contents[4:]


@pytest.mark.parametrize("call_id", ["id-1", None])
def test_a_call_is_never_parted_from_its_answer(call_id: str | None) -> None:
    """A tool that did not block: the user spoke on before its answer came."""
    contents = [
        *chat(20),
        user("look it up"),
        call("look", call_id),
        user("and?"),
        answer("look", call_id),
        agent("so"),
    ]
    for keep_turns in (1, 2, 3):
        kept = compress(contents, budget_tokens=200, keep_turns=keep_turns)[1:]
        assert kept == contents[-4:], keep_turns


def test_a_call_that_was_never_answered_holds_nothing_back() -> None:
    contents = [user("look"), call("look"), *chat(20), user("look"), call("look"), answer("look"), agent("so")]
    assert compress(contents, budget_tokens=150, keep_turns=2)[1:] == contents[-4:]


def test_a_callable_may_make_the_summary_and_is_given_the_earlier_turns() -> None:
    contents = chat(40)
    given_turns: list[list[Content]] = []

    def summarize(earlier: list[Content]) -> str:
        given_turns.append(earlier)
        return "they counted turns"

    fitted = compress(contents, budget_tokens=200, keep_turns=4, summarize=summarize)
    assert given_turns == [contents[:-4]]
    assert fitted[0].text.endswith("\nthey counted turns")
    assert compress(contents, budget_tokens=200, keep_turns=4, summarize=lambda _: " \n") == contents[-4:]


def test_a_summary_that_is_too_long_is_cut_off() -> None:
    fitted = compress(chat(40), budget_tokens=200, keep_turns=4, summarize=lambda _: "words " * 5000)
    assert estimate_tokens(fitted) <= 200


def test_an_earlier_summary_is_folded_into_the_new_one() -> None:
    once = compress([user("My name is Ada"), *chat(41)[1:]], budget_tokens=300, keep_turns=4)
    again = compress([*once, *chat(60)], budget_tokens=300, keep_turns=4)
    assert [is_summary(content) for content in again] == [True, False, False, False, False]
    assert "My name is Ada" in again[0].text


def test_an_earlier_summary_is_no_part_of_the_turn_behind_it() -> None:
    once = [summary_turn("- User: My name is Ada\n" + "- Agent: well then\n" * 100), user("hello"), agent("hi")]
    again = compress(once, budget_tokens=100)
    assert again[1:] == once[1:]
    assert "Ada" in again[0].text


def test_a_long_chat_stays_under_its_limit_and_the_user_s_name_is_not_lost() -> None:
    contents = [user("Hello, my name is Ada Lovelace, and I can't eat nuts.")]
    for turn in chat(2000):
        contents.append(turn)
        if estimate_tokens(contents) >= 1000:
            latest = contents[-6:]
            contents = compress(contents, budget_tokens=600)
            assert estimate_tokens(contents) <= 600
            assert contents[-6:] == latest
            assert sum(map(is_summary, contents)) == 1
    assert "Ada Lovelace" in contents[0].text
    assert "nuts" in contents[0].text


@st.composite
def conversations(draw: st.DrawFn) -> list[Content]:
    """Turns, calls and their answers at random; some calls have no id, some no answer, and answers may come late."""
    contents: list[Content] = []
    for number in range(draw(st.integers(1, 40))):
        kind = draw(st.sampled_from(["user", "agent", "call", "answer"]))
        if kind == "user":
            contents.append(user(f"I am number {number}. Hello there."))
        elif kind == "agent":
            contents.append(agent(f"It is {number}. " * 3))
        elif kind == "call":
            contents.append(call(f"tool{number}", draw(st.sampled_from([f"id-{number}", None]))))
        elif waiting := [one for one in calls_in(contents) if one.name not in answered_in(contents)]:
            one = draw(st.sampled_from(waiting))
            contents.append(answer(one.name or "", one.id))
    return contents or [user("hello")]


def calls_in(contents: list[Content]) -> list[FunctionCall]:
    return [part.function_call for content in contents for part in content.parts or () if part.function_call]


def answered_in(contents: list[Content]) -> set[str | None]:
    parts = (part for content in contents for part in content.parts or ())
    return {part.function_response.name for part in parts if part.function_response}


@given(conversations(), st.integers(60, 200), st.integers(1, 8), st.sampled_from([0.5, 1.0, 2.0]))
def test_whatever_was_said_the_end_stays_answers_have_their_calls_and_twice_is_once(
    contents: list[Content], budget: int, keep_turns: int, scale: float
) -> None:
    fitted = compress(contents, budget_tokens=budget, keep_turns=keep_turns, scale=scale)
    kept = fitted[1:] if is_summary(fitted[0]) else fitted
    assert kept
    assert kept == contents[len(contents) - len(kept) :]
    assert answered_in(kept) <= {one.name for one in calls_in(kept)}
    assert compress(fitted, budget_tokens=budget, keep_turns=keep_turns, scale=scale) == fitted
    if is_summary(fitted[0]) and estimate_tokens(kept, scale) <= KEPT_SHARE * budget:
        assert estimate_tokens(fitted, scale) <= budget


def test_estimates() -> None:
    assert estimate_tokens([user("four" * 10)]) == 10
    assert estimate_tokens([user("four" * 10)], 1.5) == 15
    assert (
        estimate_tokens([Content(role="user", parts=[Part(inline_data=Blob(data=b"x", mime_type="image/png"))])]) == 258
    )
    assert estimate_tokens([call("look")]) > 5
    assert estimate_tokens([Content(role="user")]) == 0


def test_estimates_are_scaled_to_what_the_backend_counts_within_reason() -> None:
    contents = [user("four" * 100)]
    assert scale_of(contents, 130) == pytest.approx(1.3)
    assert scale_of(contents, 10**6) == 2.0
    assert scale_of(contents, 1) == 0.5
    assert scale_of(contents, None) == scale_of([], 100) == 1.0


def test_ten_thousand_turns_are_compressed_in_a_moment() -> None:
    contents = chat(10_000)
    began = time.process_time()
    compress(contents, budget_tokens=20_000)
    assert time.process_time() - began < 3.0
