"""How Events become bubbles: the assembler alone, fed with the sequences that servers send and the odd ones too."""

from __future__ import annotations

from typing import Any

import pytest

from .standin import audio, event, heard, spoken, text, tool_call, tool_response

pytestmark = pytest.mark.asyncio(loop_scope="session")

DONE = event(turnComplete=True)
INTERRUPTED = event(interrupted=True)
SOUND = audio(bytes(8))


def bubbles(items: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """(role, text, streaming) of the messages in order."""
    return [(item["role"], item["text"], item["streaming"]) for item in items if item["kind"] == "message"]


async def test_text_deltas_grow_one_bubble_and_the_merged_event_ends_it(assemble: Any) -> None:
    partials = [text("Hel", partial=True), text("lo ", partial=True), text("there", partial=True)]
    assert bubbles(await assemble(*partials)) == [("agent", "Hello there", True)]
    merged = [event(usageMetadata={"totalTokenCount": 3}), text("Hello there", partial=False)]
    assert bubbles(await assemble(*partials, *merged, DONE)) == [("agent", "Hello there", False)]


async def test_an_answer_that_a_lost_connection_cut_off_is_marked_and_the_next_run_marks_no_other(
    assemble: Any,
) -> None:
    cut = await assemble(spoken("This is the demonstration agent", finished=True), {"lost": True})
    assert [item.get("interrupted") for item in cut] == [True]
    again = [heard("and now?", finished=True), event(interrupted=True)]
    whole = await assemble(spoken("Hello.", finished=True), DONE, {"lost": True}, *again)
    assert not any(item.get("interrupted") for item in whole)


async def test_turn_complete_ends_a_bubble_that_was_never_merged(assemble: Any) -> None:
    assert bubbles(await assemble(text("Hel", partial=True), DONE)) == [("agent", "Hel", False)]


async def test_each_segment_of_a_turn_has_its_bubble(assemble: Any) -> None:
    items = await assemble(
        text("Let me look.", partial=True),
        text("Let me look.", partial=False),
        tool_call("c1", "get_time", city="Tokyo"),
        tool_response("c1", "get_time", {"result": "noon"}),
        text("It is noon.", partial=True),
        text("It is noon.", partial=False),
        DONE,
    )
    assert [item["kind"] for item in items] == ["message", "tool", "message"]
    tool = items[1]
    assert (tool["state"], tool["args"], tool["response"]) == ("done", {"city": "Tokyo"}, {"result": "noon"})


async def test_thoughts_and_answers_do_not_mix(assemble: Any) -> None:
    thought = event(content={"role": "model", "parts": [{"text": "Hm. ", "thought": True}]}, partial=True)
    items = await assemble(thought, text("Noon.", partial=True), thought)
    assert [(item["text"], item["thought"]) for item in items] == [("Hm. Hm. ", True), ("Noon.", False)]


async def test_two_agents_that_speak_at_once_have_a_bubble_each(assemble: Any) -> None:
    one, two = {"author": "one"}, {"author": "two"}
    items = await assemble(
        text("a", partial=True, **one), text("x", partial=True, **two), text("b", partial=True, **one)
    )
    assert [(item["author"], item["text"]) for item in items] == [("one", "ab"), ("two", "x")]


async def test_voice_turn_in_the_promised_order(assemble: Any) -> None:
    items = await assemble(
        heard("what ", finished=False),
        heard("time", finished=False),
        heard("what time", finished=True),
        SOUND,
        spoken("It is ", finished=False),
        SOUND,
        spoken("noon", finished=False),
        spoken("It is noon", finished=True),
        DONE,
    )
    assert bubbles(items) == [("user", "what time", False), ("agent", "It is noon", False)]


async def test_final_transcript_replaces_the_deltas(assemble: Any) -> None:
    items = await assemble(heard("wat thyme", finished=False), heard("what time", finished=True))
    assert bubbles(items) == [("user", "what time", False)]


async def test_interruption_marks_what_was_cut_off_and_what_comes_next_is_new(assemble: Any) -> None:
    items = await assemble(
        heard("tell me a story", finished=True),
        SOUND,
        spoken("I was", finished=False),
        heard("stop", finished=False),
        SOUND,
        spoken(" born", finished=False),
        spoken("I was born", finished=True),
        INTERRUPTED,
        DONE,
        heard(" please", finished=False),
        heard("stop please", finished=True),
        SOUND,
        spoken("Very well", finished=True),
        DONE,
    )
    assert bubbles(items) == [
        ("user", "tell me a story", False),
        ("agent", "I was born", False),
        ("user", "stop please", False),
        ("agent", "Very well", False),
    ]
    assert [item["interrupted"] for item in items] == [False, True, False, False]


async def test_interrupted_text_keeps_its_mark_on_the_merged_bubble(assemble: Any) -> None:
    items = await assemble(
        text("Once upon", partial=True), {"typed": "stop"}, text("Once upon", partial=False, interrupted=True), DONE
    )
    assert [(item["text"], item["interrupted"]) for item in items] == [("Once upon", True), ("stop", False)]


async def test_interruption_while_the_last_words_still_sound_marks_them(assemble: Any) -> None:
    items = await assemble(spoken("A long answer", finished=True), DONE, heard("st", finished=False), INTERRUPTED)
    assert items[0]["interrupted"] is True


# Quirks of recognisers


async def test_cumulative_transcripts_are_not_doubled(assemble: Any) -> None:
    items = await assemble(
        heard("what", finished=False),
        heard("what time", finished=False),
        heard("what time is it", finished=False),
        heard("what time is it", finished=True),
        spoken("It is", finished=False),
        spoken("It is noon", finished=False),
        DONE,
    )
    assert bubbles(items) == [("user", "what time is it", False), ("agent", "It is noon", False)]


async def test_repeated_short_words_are_deltas(assemble: Any) -> None:
    assert bubbles(await assemble(heard("no ", finished=False), heard("no no", finished=False)))[0][1] == "no no no"


async def test_users_words_that_come_after_the_answer_began_stand_before_it(assemble: Any) -> None:
    items = await assemble(
        SOUND, spoken("It is ", finished=False), heard("what time", finished=True), spoken("noon", finished=False), DONE
    )
    assert bubbles(items) == [("user", "what time", False), ("agent", "It is noon", False)]


async def test_users_deltas_that_come_after_the_answer_began_stay_in_their_bubble(assemble: Any) -> None:
    items = await assemble(
        heard("what ", finished=False),
        SOUND,
        spoken("It is noon", finished=False),
        heard("time", finished=False),
        heard("what time is it", finished=True),
    )
    assert bubbles(items) == [("user", "what time is it", False), ("agent", "It is noon", True)]


async def test_transcript_that_comes_after_turn_complete_is_not_a_new_answer(assemble: Any) -> None:
    items = await assemble(
        heard("time", finished=True), SOUND, spoken("It is ", finished=False), DONE,
        spoken("noon", finished=False), spoken("It is noon", finished=True),
    )  # fmt: skip
    assert bubbles(items) == [("user", "time", False), ("agent", "It is noon", False)]


async def test_greeting_and_the_users_first_words_keep_their_order(assemble: Any) -> None:
    items = await assemble(SOUND, spoken("Hello!", finished=True), DONE, {"wait": 900}, heard("hi", finished=True))
    assert bubbles(items) == [("agent", "Hello!", False), ("user", "hi", False)]


async def test_turns_that_are_never_finished_nor_completed_stay_apart(assemble: Any) -> None:
    turn_one = [heard("one", finished=False), SOUND, spoken("first answer", finished=False)]
    turn_two = [heard("two", finished=False), {"wait": 900}, SOUND, spoken("second answer", finished=False)]
    items = await assemble(*turn_one, {"wait": 3_000}, *turn_two)
    assert [item["text"] for item in items] == ["one", "first answer", "two", "second answer"]


async def test_two_utterances_of_the_user_in_one_turn_are_two_bubbles(assemble: Any) -> None:
    items = await assemble(heard("one", finished=True), heard("two", finished=True))
    assert [item["text"] for item in items] == ["one", "two"]


async def test_answer_that_goes_on_while_the_user_speaks_is_shown_once(assemble: Any) -> None:
    """With interruption switched off the agent talks on; its final transcript repeats all of it."""
    items = await assemble(
        heard("tell me a story", finished=True),
        spoken("The story ", finished=False),
        heard("mhm", finished=True),
        spoken("goes on", finished=False),
        spoken("The story goes on and ends.", finished=True),
        DONE,
    )
    assert [item["text"] for item in items] == [
        "tell me a story",
        "The story ",
        "mhm",
        "goes on and ends.",
    ]


async def test_error_event_is_a_note(assemble: Any) -> None:
    items = await assemble(event(errorCode="RESOURCE_EXHAUSTED", errorMessage="The quota is used up."))
    assert [(item["kind"], item["level"], item["text"]) for item in items] == [
        ("note", "error", "The quota is used up. [RESOURCE_EXHAUSTED]")
    ]


async def test_an_error_that_comes_again_is_counted_until_somebody_says_something(assemble: Any) -> None:
    away = event(errorCode="unreachable", errorMessage="The model cannot be reached.", recoverable=True)
    items = await assemble(away, away, away, text("Here I am.", partial=False), away)
    assert [item.get("count") for item in items] == [3, None, 1]


async def test_tool_that_answers_with_an_error_has_failed(assemble: Any) -> None:
    items = await assemble(tool_call("c1", "f"), tool_response("c1", "f", {"error": "no such city"}))
    assert items[0]["state"] == "failed"


async def test_parallel_calls_of_one_tool_are_told_apart_by_id(assemble: Any) -> None:
    items = await assemble(tool_call("c1", "f"), tool_call("c2", "f"), tool_response("c2", "f", {"result": 2}))
    assert [(item["callId"], item["state"]) for item in items] == [("c1", "running"), ("c2", "done")]


def heard_of(items: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    """(text, heard) of the agent's messages in order."""
    return [(item["text"], item.get("heard")) for item in items if item.get("role") == "agent"]


async def test_heard_words_belong_to_the_answer_that_was_cut_and_not_to_the_next(assemble: Any) -> None:
    items = await assemble(
        spoken("The first answer.", finished=True),
        DONE,
        {"wait": 3_000},
        spoken("One two three four", finished=False),
        INTERRUPTED,
        DONE,
        {"wait": 3_000},
        spoken("Yes?", finished=True),
        event(heard={"text": "One two"}),
    )
    assert heard_of(items) == [("The first answer.", None), ("One two three four", "One two"), ("Yes?", None)]


async def test_heard_words_go_on_in_the_next_bubble_of_the_same_answer(assemble: Any) -> None:
    items = await assemble(
        spoken("One two ", finished=False),
        {"typed": "aha"},
        spoken("three four", finished=False),
        INTERRUPTED,
        event(heard={"text": "One two three"}),
        DONE,
    )
    assert heard_of(items) == [("One two ", "One two three"), ("three four", " three")]


async def test_latency_stands_at_the_answer_that_it_is_of(assemble: Any) -> None:
    first, second = audio(bytes(8)), audio(bytes(8))
    items = await assemble(
        first,
        spoken("One.", finished=True),
        DONE,
        event(latency={"responseId": first["id"], "totalMs": 1}),
        second,
        event(latency={"responseId": second["id"], "totalMs": 2}),
        spoken("Two.", finished=True),
        spoken("Two and a half.", finished=True),
        DONE,
    )
    shown = [(item["text"], item.get("latency", {}).get("totalMs")) for item in items]
    assert shown == [("One.", 1), ("Two.", 2), ("Two and a half.", None)]
