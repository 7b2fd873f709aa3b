"""Golden sequences: what a backend says, and the events that come of it, in their order.

Each step is a server message in the wire's JSON; events are shown short: `P"x"` a partial text, `"x"` a merged one,
`in` and `out` for transcripts, `+` for a flag.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.events import Event
from fullduplex.turns.downstream import Downstream
from fullduplex.types import Content, LiveServerMessage

AUDIO = {"inlineData": {"data": "AAAA", "mimeType": "audio/pcm;rate=24000"}}


def downstream(long_running: Iterable[str] = ()) -> Downstream:
    numbers = itertools.count(1)
    return Downstream(
        author="agent",
        invocation_id="e-1",
        new_id=lambda: f"id-{next(numbers)}",
        long_running=frozenset(long_running),
    )


def server(**content: Any) -> dict[str, Any]:
    return {"serverContent": content}


def says(*parts: dict[str, Any] | str, **more: Any) -> dict[str, Any]:
    turn = {"role": "model", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}
    return server(modelTurn=turn, **more)


def heard(text: str | None = None, finished: bool | None = None, **more: Any) -> dict[str, Any]:
    return server(inputTranscription={"text": text, "finished": finished}, **more)


def spoken(text: str | None = None, finished: bool | None = None, **more: Any) -> dict[str, Any]:
    return server(outputTranscription={"text": text, "finished": finished}, **more)


def calls(*names: str) -> dict[str, Any]:
    return {"toolCall": {"functionCalls": [{"id": f"c-{name}", "name": name, "args": {}} for name in names]}}


TURN_COMPLETE = server(turnComplete=True)
INTERRUPTED = server(interrupted=True)
GENERATED = server(generationComplete=True)


def play(*messages: dict[str, Any], down: Downstream | None = None) -> list[Event]:
    down = down or downstream()
    events = []
    for number, message in enumerate(messages):
        events += down.feed(LiveServerMessage.model_validate(message), float(number))
    return events


def short(event: Event) -> str:
    """An event as one word."""
    words = []
    for part in (event.content.parts or []) if event.content else []:
        if part.text is not None:
            words.append(f'{"P" if event.partial else ""}{"thought" if part.thought else ""}"{part.text}"')
        elif part.inline_data is not None:
            words.append("audio" if event.partial is None else "audio?")
        elif part.function_call is not None:
            words.append(f"call {part.function_call.name}")
    for side, piece in (("in", event.input_transcription), ("out", event.output_transcription)):
        if piece is not None:
            whole = piece.finished and event.partial is False
            assert whole or (piece.finished is False and event.partial is True)
            assert event.author == ("user" if side == "in" else "agent")
            words.append(f'{side}{"" if whole else "+"}"{piece.text}"')
    for flag in ("usage_metadata", "go_away", "setup_complete", "tool_call_cancellation", "grounding_metadata",
                 "voice_activity", "live_session_resumption_update"):  # fmt: skip
        if getattr(event, flag) is not None:
            words.append(flag)
    words += [f"+{flag}" for flag in ("generation_complete", "interrupted", "turn_complete") if getattr(event, flag)]
    return " ".join(words)


def told(*messages: dict[str, Any]) -> list[str]:
    return [short(event) for event in play(*messages)]


USAGE = {"usageMetadata": {"promptTokenCount": 1, "responseTokenCount": 2, "totalTokenCount": 3}}


@pytest.mark.spec(50)
def test_text_streams_merges_and_ends() -> None:
    assert told(says("Hel"), says("lo "), says("there"), {**USAGE, **TURN_COMPLETE}) == [
        'P"Hel"', 'P"lo "', 'P"there"', "usage_metadata", '"Hello there"', "+turn_complete",
    ]  # fmt: skip


@pytest.mark.spec(50)
def test_the_merged_text_is_whole_and_the_end_is_an_event_of_its_own() -> None:
    *_, merged, end = play(says("Hello"), says(" world"), TURN_COMPLETE)
    assert (merged.partial, merged.interrupted, merged.turn_complete, merged.author) == (False, False, None, "agent")
    assert (end.content, end.partial, end.turn_complete, end.author) == (None, None, True, "agent")


@pytest.mark.spec(51)
def test_a_turn_may_have_several_segments() -> None:
    assert told(
        says({"text": "Hm", "thought": True}),
        says({"text": "m.", "thought": True}),
        says("Let me "),
        says("look."),
        calls("f"),
        says("It is "),
        says("noon.", AUDIO),
        says("Bye"),
        TURN_COMPLETE,
    ) == [
        'Pthought"Hm"', 'Pthought"m."', 'thought"Hmm."',
        'P"Let me "', 'P"look."', '"Let me look."', "call f",
        'P"It is "', 'P"noon."', '"It is noon."', "audio",
        'P"Bye"', '"Bye"', "+turn_complete",
    ]  # fmt: skip


@pytest.mark.spec(51)
def test_thought_and_text_in_one_message_are_kept_apart() -> None:
    assert told(says({"text": "t", "thought": True}, "a", {"text": "u", "thought": True}), TURN_COMPLETE) == [
        'Pthought"t"', 'thought"t"', 'P"a"', '"a"', 'Pthought"u"', 'thought"u"', "+turn_complete",
    ]  # fmt: skip


@pytest.mark.spec(53)
def test_each_piece_of_audio_is_an_event_and_nothing_is_merged() -> None:
    events = play(*[says(AUDIO) for _ in range(5)], says(AUDIO, AUDIO))
    assert [short(event) for event in events] == ["audio"] * 7
    assert all(event.partial is None and event.author == "agent" for event in events)


@pytest.mark.spec(54, 55)
def test_a_spoken_turn() -> None:
    assert told(
        heard("what "), heard("time"), heard(finished=True),
        says(AUDIO), spoken("It is "), says(AUDIO), spoken("noon"), spoken(finished=True),
        TURN_COMPLETE,
    ) == [
        'in+"what "', 'in+"time"', 'in"what time"',
        "audio", 'out+"It is "', "audio", 'out+"noon"', 'out"It is noon"', "+turn_complete",
    ]  # fmt: skip


@pytest.mark.spec(54, 55)
def test_a_delta_and_its_end_in_one_message_are_two_events() -> None:
    assert told(heard("yes", finished=True)) == ['in+"yes"', 'in"yes"']
    assert told(spoken("It "), spoken("is", finished=True)) == ['out+"It "', 'out+"is"', 'out"It is"']


@pytest.mark.spec(56)
@pytest.mark.parametrize(
    ("end", "flag"),
    [(INTERRUPTED, "+interrupted"), (TURN_COMPLETE, "+turn_complete"), (GENERATED, "+generation_complete")],
)
def test_unfinished_transcripts_are_finished_before_what_ends_them(end: dict[str, Any], flag: str) -> None:
    assert told(heard("hi"), spoken("I was"), end) == ['in+"hi"', 'out+"I was"', 'in"hi"', 'out"I was"', flag]


@pytest.mark.spec(57)
def test_a_transcript_that_comes_late_is_an_event_like_any_other() -> None:
    assert told(says(AUDIO), TURN_COMPLETE, spoken("late"), spoken(" words", finished=True), says(AUDIO)) == [
        "audio", "+turn_complete", 'out+"late"', 'out+" words"', 'out"late words"', "audio",
    ]  # fmt: skip


@pytest.mark.spec(58)
def test_cumulative_transcripts_double_nothing() -> None:
    assert told(heard("what"), heard("what time"), heard("what time is it"), heard("what time is it", True)) == [
        'in+"what"', 'in+" time"', 'in+" is it"', 'in"what time is it"',
    ]  # fmt: skip


@pytest.mark.spec(59)
def test_interrupted_with_text_pending() -> None:
    assert told(says("I was"), INTERRUPTED, TURN_COMPLETE) == ['P"I was"', '"I was" +interrupted', "+turn_complete"]


@pytest.mark.spec(60)
def test_interrupted_without_text() -> None:
    assert told(says(AUDIO), spoken("I was"), INTERRUPTED, TURN_COMPLETE) == [
        "audio", 'out+"I was"', 'out"I was"', "+interrupted", "+turn_complete",
    ]  # fmt: skip


@pytest.mark.spec(61)
def test_interrupted_and_complete_in_one_message() -> None:
    both = server(interrupted=True, turnComplete=True)
    assert told(says("I was"), both) == ['P"I was"', '"I was" +interrupted', "+interrupted +turn_complete"]
    assert told(both) == ["+interrupted +turn_complete"]


@pytest.mark.spec(62)
def test_usage_comes_first_under_the_names_of_events() -> None:
    usage, text = play({**USAGE, **says("x")})
    assert short(text) == 'P"x"'
    assert usage.usage_metadata is not None
    assert usage.usage_metadata.model_dump(exclude_none=True) == {
        "prompt_token_count": 1,
        "candidates_token_count": 2,
        "total_token_count": 3,
    }


def test_usage_in_vertex_names_is_left_as_it_is() -> None:
    details = [{"modality": "AUDIO", "tokenCount": 7}]
    (usage,) = play({"usageMetadata": {"candidatesTokenCount": 7, "candidatesTokensDetails": details}})
    assert usage.usage_metadata is not None
    assert usage.usage_metadata.model_dump(by_alias=True, exclude_none=True) == {
        "candidatesTokenCount": 7,
        "candidatesTokensDetails": details,
    }


GROUNDING = {"groundingMetadata": {"q": 1}}


@pytest.mark.spec(63)
@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([says("x", **GROUNDING), TURN_COMPLETE], ['P"x"', '"x" grounding_metadata', "+turn_complete"]),
        (
            [says("x"), server(turnComplete=True, **GROUNDING)],
            ['P"x"', '"x" grounding_metadata', "+turn_complete"],
        ),
        ([says(AUDIO), server(turnComplete=True, **GROUNDING)], ["audio", "grounding_metadata +turn_complete"]),
        ([says(AUDIO, **GROUNDING), TURN_COMPLETE], ["audio", "grounding_metadata +turn_complete"]),
        ([server(**GROUNDING), TURN_COMPLETE], ["grounding_metadata", "+turn_complete"]),
    ],
)  # fmt: skip
def test_grounding_is_told_once(messages: list[dict[str, Any]], expected: list[str]) -> None:
    assert told(*messages) == expected


@pytest.mark.spec(47)
def test_long_running_calls_are_named_and_others_are_not() -> None:
    down = downstream(long_running=["slow"])
    (event,) = play(calls("fast", "slow"), down=down)
    assert [call.name for call in event.get_function_calls()] == ["fast", "slow"]
    assert event.long_running_tool_ids == {"c-slow"}
    (event,) = play(calls("fast"), down=down)
    assert event.long_running_tool_ids == set()
    assert '"longRunningToolIds":[]' in event.model_dump_json(by_alias=True, exclude_none=True)


def test_a_call_without_an_id_gets_one() -> None:
    (event,) = play({"toolCall": {"functionCalls": [{"name": "f"}, {"name": "f"}]}})
    first, second = event.get_function_calls()
    assert first.id is not None
    assert first.id.startswith("adk-")
    assert first.id != second.id


def test_a_message_with_no_calls_is_no_event() -> None:
    assert told({"toolCall": {"functionCalls": []}}, {"toolCall": {}}, server(), says(), says(""), {}) == []


@pytest.mark.spec(66)
def test_what_concerns_the_connection_is_told() -> None:
    events = play(
        {"setupComplete": {"sessionId": "s"}},
        {"goAway": {"timeLeft": "10s"}},
        GENERATED,
        {"toolCallCancellation": {"ids": ["c"]}},
        {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True, "lastConsumedClientMessageIndex": "7"}},
    )
    assert [short(event) for event in events] == [
        "setup_complete", "go_away", "+generation_complete", "tool_call_cancellation", "live_session_resumption_update",
    ]  # fmt: skip
    assert events[0].live_session_id == "s"
    assert events[1].model_dump(by_alias=True, exclude_none=True)["goAway"] == {"timeLeft": "10s"}
    assert events[3].tool_call_cancellation is not None
    assert events[3].tool_call_cancellation.ids == ["c"]
    assert events[4].live_session_resumption_update is not None
    assert events[4].live_session_resumption_update.new_handle == "h"


@pytest.mark.spec(67)
def test_voice_activity_in_both_forms() -> None:
    new, old = play(
        {"voiceActivity": {"voiceActivityType": "ACTIVITY_START", "audioOffset": "1.5s"}},
        {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}},
    )
    assert new.voice_activity is not None
    assert new.voice_activity.audio_offset == "1.5s"
    assert old.voice_activity is not None
    assert old.voice_activity.voice_activity_type == "ACTIVITY_END"


@pytest.mark.spec(68)
def test_an_empty_turn_says_why_it_is_empty() -> None:
    (event,) = play(server(turnComplete=True, turnCompleteReason="RESPONSE_REJECTED", interactionStatus="X"))
    assert (event.content, event.turn_complete) == (None, True)
    assert (event.turn_complete_reason, event.interaction_status) == ("RESPONSE_REJECTED", "X")


def test_everything_in_one_message_comes_out_in_one_order() -> None:
    assert told(
        {
            **USAGE,
            **says("x", AUDIO, inputTranscription={"text": "q", "finished": True}, outputTranscription={"text": "a"}),
            **calls("f"),
            "goAway": {"timeLeft": "1s"},
        }
    ) == ["usage_metadata", 'P"x"', '"x"', "audio", 'in+"q"', 'in"q"', 'out+"a"', "call f", "go_away"]


def test_a_connection_that_ends_midway_leaves_nothing_unsaid() -> None:
    down = downstream()
    play(heard("hi"), says("I was"), spoken("say"), down=down)
    assert [short(event) for event in down.finish(9.0)] == ['in"hi"', 'out"say"', '"I was" +interrupted']
    assert down.finish(10.0) == []


@pytest.mark.spec(48)
@given(st.lists(st.floats(0, 1e10), min_size=1, max_size=20))
def test_times_never_run_backwards(times: list[float]) -> None:
    down = downstream()
    events: list[Event] = []
    for now in times:
        events += down.feed(LiveServerMessage.model_validate({**USAGE, **says("x")}), now)
    events += down.finish(times[0])
    stamps = [event.timestamp for event in events]
    assert stamps == sorted(stamps)
    assert all(isinstance(stamp, float) for stamp in stamps)


def test_ids_and_invocation_are_those_that_were_passed_in() -> None:
    events = play(says("a"), TURN_COMPLETE)
    assert [event.id for event in events] == ["id-1", "id-2", "id-3"]
    assert {event.invocation_id for event in events} == {"e-1"}


steps = st.one_of(
    st.builds(says, st.text("ab ", min_size=1, max_size=3)),
    st.builds(lambda text: says({"text": text, "thought": True}), st.text("ab ", min_size=1, max_size=3)),
    st.just(says(AUDIO)),
    st.just(calls("f")),
    st.just(USAGE),
    st.builds(heard, st.text("cd ", min_size=1, max_size=4), st.booleans()),
    st.builds(spoken, st.text("cd ", min_size=1, max_size=4), st.booleans()),
    st.just(GENERATED),
    st.just(INTERRUPTED),
    st.just(TURN_COMPLETE),
)


@pytest.mark.spec(50, 51, 53)
@given(st.lists(steps, max_size=30))
def test_any_conversation_is_merged_once_and_in_order(messages: list[dict[str, Any]]) -> None:
    down = downstream()
    events = play(*messages, down=down)
    events += down.finish(1e6)
    for thought in (None, True):
        partial = [text(event) for event in events if is_text(event, thought) and event.partial]
        merged = [text(event) for event in events if is_text(event, thought) and event.partial is False]
        assert "".join(partial) == "".join(merged)
    assert sum(short(event) == "audio" for event in events) == sum(message == says(AUDIO) for message in messages)
    assert sum(bool(event.turn_complete) for event in events) == messages.count(TURN_COMPLETE)
    pending = ""
    for event in events:
        if event.content is not None and event.partial:
            pending += text(event)
        elif event.content is not None and text(event):
            assert text(event) == pending
            pending = ""
        elif event.turn_complete or event.interrupted or event.content is not None:
            assert pending == "", "text was overtaken by what should have come after it"


def is_text(event: Event, thought: bool | None) -> bool:
    return bool(event.content and event.content.parts and text(event) and event.content.parts[0].thought is thought)


def text(event: Event) -> str:
    assert event.content is not None
    assert event.content.parts is not None
    return event.content.parts[0].text or ""


# -- the short way of audio ------------------------------------------------------------------------------------------


def chunk(**content: Any) -> Content:
    return Content.model_validate({"role": "model", "parts": [AUDIO], **content})


@pytest.mark.parametrize("role", ["model", None])
def test_a_voice_that_goes_on_makes_the_same_events_either_way(role: str | None) -> None:
    fed, short_way = downstream(), downstream()
    play(says(AUDIO), down=fed)
    play(says(AUDIO), down=short_way)
    said = LiveServerMessage.model_validate({"serverContent": {"modelTurn": {"parts": [AUDIO], "role": role}}})
    assert short_way.go_on(chunk(role=role), 7.0) == fed.feed(said, 7.0)[0]
    assert short_way.go_on(chunk(role=role), 5.0) == fed.feed(said, 5.0)[0]


def test_what_is_more_than_a_voice_that_goes_on_is_to_be_fed() -> None:
    assert downstream().go_on(chunk(), 1.0) is None
    for before in ([says(AUDIO), TURN_COMPLETE], [says(AUDIO), INTERRUPTED], [says("Words that are not merged yet")]):
        down = downstream()
        play(*before, down=down)
        assert down.go_on(chunk(), 9.0) is None
    speaking = downstream()
    play(says(AUDIO), down=speaking)
    assert speaking.go_on(chunk(role="user"), 9.0) is None
