"""The sequences of a live session, in virtual time: turns, voice, interruption, tools, goAway."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex.mock_live import (
    Conversation,
    MockOptions,
    Script,
    Step,
    Turn,
    UserTurn,
    call,
    close,
    content,
    drop,
    echo_reactor,
    go_away,
    grounding,
    interrupt,
    malformed,
    memory_reactor,
    quota,
    raw,
    resumption_update,
    safety,
    say,
    silent_reactor,
    stall,
    tool_call,
    tool_call_cancellation,
    tool_calls,
    transcript,
    unknown_message,
    unprompted,
    usage,
    voice_activity,
    wait_for,
)
from fullduplex.mock_live.script import Item
from fullduplex.testing import tagged_audio

from .driver import HALF, NATIVE, THREE, Drive, kinds, pcm_of

END = ["generationComplete", "turnComplete"]
PACED = MockOptions(pace=1.0)
MANUAL: dict[str, Any] = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}
FAST: dict[str, Any] = {"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 100}}}


def started(*turns: list[Item] | Turn, model: str = NATIVE, options: MockOptions | None = None, **setup: Any) -> Drive:
    drive = Drive(Script(list(turns)), options=options)
    drive.setup(model, **setup)
    return drive


class TestTurns:
    def test_text(self) -> None:
        drive = started([say("Hello there.")], model=HALF, modality="TEXT")
        messages = drive.ask("hi")
        assert kinds(messages) == ["text:Hello ", "text:there.", *END]
        assert messages[-1]["usageMetadata"]["responseTokenCount"] == 3

    def test_audio_with_transcription_spread_over_it(self) -> None:
        messages = started([say("Hi you.", audio_ms=80)]).ask("hi")
        assert kinds(messages) == ["audio", "out:Hi ", "audio", "out:you.", "out:!", *END]
        assert tagged_audio.decode(pcm_of(messages), 24_000) == [0, 1, 2, 3]

    def test_audio_without_transcription(self) -> None:
        assert kinds(started([say("Hi.", audio_ms=40)], transcribe=False).ask("hi")) == ["audio", *END]

    def test_silence_before_the_audio_is_silent_and_takes_its_time(self) -> None:
        drive = started([say("Hi.", audio_ms=40, lead_silence_ms=150)], options=PACED)
        messages = drive.ask("hi") + drive.wait(0.19)
        pcm = pcm_of(messages)
        assert (pcm[:7_200], tagged_audio.decode(pcm[7_200:], 24_000)) == (bytes(7_200), [0, 1])
        assert kinds(messages) == [*["audio"] * 5, "out:Hi.", "out:!", *END]

    def test_tagged_audio_counts_on_over_turns(self) -> None:
        drive = started([say("a", audio_ms=40)], [say("b", audio_ms=60)])
        first, second = drive.ask("1"), drive.ask("2")
        assert tagged_audio.decode(pcm_of(first) + pcm_of(second), 24_000) == [0, 1, 2, 3, 4]

    def test_usage_names_by_backend(self) -> None:
        script = Script([[say("a", audio_ms=20), usage(prompt=3, response=4, thoughts=5, cached=1, tool_use=2)]])
        drive = Drive(script, backend="vertex")
        drive.setup()
        found = drive.ask("x")[-1]["usageMetadata"]
        assert (found["candidatesTokenCount"], found["totalTokenCount"], found["trafficType"]) == (4, 14, "ON_DEMAND")
        assert "responseTokenCount" not in found
        drive = started([usage(response=9, now=True)])
        messages = drive.ask("x")
        assert kinds(messages) == ["usageMetadata", *END]
        assert messages[0]["usageMetadata"]["responseTokenCount"] == 9

    def test_partial_content_waits_for_the_rest(self) -> None:
        drive = started()
        turns = [{"role": "user", "parts": [{"text": "one"}]}]
        assert drive.send({"client_content": {"turns": turns, "turn_complete": False}}) == []
        assert "out:one " in kinds(drive.ask("two"))

    def test_realtime_text_is_answered_at_once(self) -> None:
        assert "out:hello" in kinds(started(model=THREE).realtime(text="hello"))

    def test_thoughts_and_grounding(self) -> None:
        messages = started(
            [say("A", thought="hm"), grounding({"webSearchQueries": ["q"]})], modality="TEXT", model=HALF
        )
        assert kinds(messages.ask("x")) == ["thought:hm", "text:A", "groundingMetadata", *END]

    def test_safety_ends_a_turn_without_content(self) -> None:
        messages = started([safety("BLOCKLIST")]).ask("x")
        assert kinds(messages) == ["turnComplete"]
        assert messages[0]["serverContent"]["turnCompleteReason"] == "BLOCKLIST"

    def test_an_incomplete_turn_has_no_end(self) -> None:
        drive = started(Turn([content({"generationComplete": True}), raw({"serverContent": {"x": 1}})], complete=False))
        assert kinds(drive.ask("x")) == ["generationComplete", "x"]

    def test_transcript_styles(self) -> None:
        drive = started(
            [
                transcript("in", "a b", style="cumulative"),
                transcript("in", "x y", style="never_finished"),
                transcript("out", "one two", style="final"),
                transcript("in", "late", style="late"),
                transcript("in", "maybe", style="interim"),
                transcript("out", "p", finished=False),
            ]
        )
        assert kinds(drive.ask("?")) == [
            *["in:a ", "in:a b!", "in:x ", "in:y", "out:one two!", "interim:maybe", "out:p"],
            *END,
            "in:late!",
        ]

    def test_callable_turns_and_items_see_input_and_conversation(self) -> None:
        drive = started(
            Turn(lambda user, talk: [say(user.text.upper()), lambda user, talk: [say(str(len(talk)))]]),
            model=HALF,
            modality="TEXT",
        )
        assert kinds(drive.ask("hey")) == ["text:HEY", "text:1", *END]

    def test_unprompted_turns_come_by_themselves(self) -> None:
        drive = Drive(Script([unprompted(say("Welcome.", audio_ms=20)), unprompted(say("Still there?"), after=5.0)]))
        assert kinds(drive.setup(transcribe=False)) == ["setupComplete", "audio", *END]
        assert drive.wait(4.9) == []
        assert kinds(drive.wait(0.2))[-2:] == END

    def test_silent_reactor(self) -> None:
        drive = Drive(reactor=silent_reactor)
        drive.setup()
        assert drive.ask("hello?") == []

    def test_initial_history_triggers_3x_by_realtime_text_only(self) -> None:
        history: dict[str, Any] = {"historyConfig": {"initial_history_in_client_content": True}}
        drive = started(model=THREE, **history)
        assert drive.ask("first question") == []
        assert "out:question" in kinds(drive.realtime(text="."))
        two = started(model=NATIVE, **history)
        assert "out:question" in kinds(two.ask("first question"))


class TestVoice:
    def test_server_vad(self) -> None:
        drive = started(**FAST)
        assert drive.speech(10) == []
        assert drive.silence(4) == []
        messages = drive.silence(1)
        assert kinds(messages)[:5] == ["in:(speech ", "in:of ", "in:200 ", "in:ms)!", "audio"]
        assert kinds(messages)[-2:] == END

    def test_prefix_padding_keeps_clicks_out(self) -> None:
        detection: dict[str, Any] = {"silence_duration_ms": 40, "prefix_padding_ms": 100}
        drive = started(realtime_input_config={"automatic_activity_detection": detection})
        assert drive.speech(3) + drive.silence(5) == []
        drive.speech(6)
        assert drive.silence(5) != []

    def test_media_chunks_for_2x_only(self) -> None:
        chunk = {"data": "AAAA", "mime_type": "audio/pcm"}
        drive = started()
        assert drive.realtime(mediaChunks=[chunk]) == []
        assert drive.closed is None
        drive = started(model=THREE)
        drive.realtime(media_chunks=[chunk])
        assert drive.closed is not None
        assert (drive.closed.code, "media_chunks" in drive.closed.reason) == (1007, True)

    def test_activity_signals(self) -> None:
        drive = started(**MANUAL)
        drive.speech(5)
        drive.realtime(activityStart={})
        drive.speech(10)
        assert drive.silence(50) == []
        messages = drive.realtime(activity_end={})
        assert "in:1200 " in kinds(messages)
        assert kinds(messages)[-2:] == END
        assert drive.realtime(audioStreamEnd=True) == []

    def test_activity_signals_with_automatic_vad_are_refused(self) -> None:
        for signal in ("activityStart", "activityEnd"):
            drive = started()
            drive.realtime(**{signal: {}})
            assert drive.closed is not None
            assert drive.closed.code == 1007

    def test_audio_stream_end_ends_the_speech(self) -> None:
        drive = started()
        drive.speech(10)
        assert kinds(drive.realtime(audioStreamEnd=True))[-2:] == END
        assert drive.realtime(audioStreamEnd=True) == []

    def test_hearing_can_be_given(self) -> None:
        heard = MockOptions(hear=lambda pcm, rate: f"{tagged_audio.decode(pcm, rate)[0]} at {rate}")
        drive = started(options=heard)
        drive.speech(10)
        assert kinds(drive.realtime(audioStreamEnd=True))[:3] == ["in:0 ", "in:at ", "in:16000!"]

    def test_a_scripted_transcript_replaces_the_mocks_own(self) -> None:
        drive = started([transcript("in", "what time", style="final"), say("Noon.", audio_ms=20)])
        drive.speech(10)
        assert kinds(drive.realtime(audioStreamEnd=True)) == ["in:what time!", "audio", "out:Noon.", "out:!", *END]

    def test_explicit_vad_signals_on_vertex(self) -> None:
        drive = Drive(backend="vertex")
        drive.setup(explicitVadSignal=True)
        messages = drive.silence(5) + drive.speech(5)
        assert messages == [
            {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}},
            {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "0.100s"}},
        ]

    @pytest.mark.parametrize(
        "field", [{"audio": {"data": "AA==", "mimeType": "audio/mp3"}}, {"video": {"data": "AA==", "mimeType": "a/b"}}]
    )
    def test_unsuitable_media_is_refused(self, field: dict[str, object]) -> None:
        drive = started()
        drive.realtime(**field)
        assert drive.closed is not None
        assert "Unsupported mime type" in drive.closed.reason

    def test_images_reach_the_turn(self) -> None:
        seen: list[bytes] = []

        def look(user: UserTurn, talk: Conversation) -> list[Step]:
            seen.extend(user.images)
            return [say("I see.")]

        drive = started(Turn(look))
        drive.realtime(video={"data": "aW1n", "mime_type": "image/jpeg"})
        drive.ask("what is it?")
        assert seen == [b"img"]
        assert drive.connection.images == [("image/jpeg", b"img")]


class TestInterruption:
    INTERRUPTED = ["interrupted", "turnComplete"]

    def responding(self, model: str = NATIVE, **setup: Any) -> Drive:
        drive = started([say("A long story.", audio_ms=4000)], model=model, options=PACED, **setup)
        assert len(pcm_of(drive.ask("go") + drive.wait(0.99))) == 48_000
        return drive

    def test_by_speech(self) -> None:
        drive = self.responding(**FAST)
        assert kinds(drive.speech(2)) == self.INTERRUPTED
        assert drive.wait(5) == []
        drive.silence(5)
        assert kinds(drive.wait(5))[-2:] == END  # and the next answer comes

    def test_by_activity_start(self) -> None:
        drive = self.responding(**MANUAL)
        assert drive.speech(5) == []
        assert kinds(drive.realtime(activityStart={})) == self.INTERRUPTED

    def test_by_client_content_and_realtime_text(self) -> None:
        assert kinds(self.responding().ask("stop"))[:3] == [*self.INTERRUPTED, "audio"]
        assert kinds(self.responding().realtime(text="stop"))[:3] == [*self.INTERRUPTED, "audio"]

    def test_partial_content_does_not(self) -> None:
        drive = self.responding()
        assert drive.send({"clientContent": {"turns": [], "turnComplete": False}}) == []

    def test_no_interruption(self) -> None:
        config = {"activity_handling": "NO_INTERRUPTION", "automatic_activity_detection": {"silence_duration_ms": 100}}
        drive = self.responding(realtime_input_config=config)
        assert drive.speech(10) + drive.silence(5) == []
        found = kinds(drive.wait(20))
        assert "interrupted" not in found
        assert found.count("turnComplete") == 2  # the story to its end, and then the answer

    def test_what_was_said_until_then_stays_in_the_conversation(self) -> None:
        drive = self.responding()
        drive.ask("stop")
        texts = [part["text"] for content in drive.connection.contents for part in content["parts"]]
        assert texts[:2] == ["go", "A "]
        assert texts[2] == "stop"

    @pytest.mark.parametrize("model", [NATIVE, THREE])
    def test_pending_calls_are_cancelled(self, model: str) -> None:
        drive = started([tool_calls([call("f", id="a"), call("g", id="b")]), say("never")], model=model)
        drive.ask("go")
        messages = drive.speech(2)
        assert kinds(messages) == ["toolCallCancellation", *self.INTERRUPTED]
        assert messages[0]["toolCallCancellation"] == {"ids": ["a", "b"]}
        assert drive.respond("a", {}) == []
        assert drive.connection.notes == ["response to cancelled call a"]

    def test_by_the_server_itself(self) -> None:
        drive = started([say("I was", audio_ms=40), interrupt(), say("never")])
        assert kinds(drive.ask("go"))[-2:] == self.INTERRUPTED


class TestTools:
    def test_2x_completes_the_turn_and_waits(self) -> None:
        drive = started([tool_call("f", {"a": 1}), say("Done.", audio_ms=20)])
        messages = drive.ask("go")
        assert kinds(messages) == ["toolCall", "turnComplete"]
        assert messages[0]["toolCall"]["functionCalls"] == [{"id": "fc-1", "name": "f", "args": {"a": 1}}]
        assert kinds(drive.respond("fc-1", {"r": 1})) == ["audio", "out:Done.", "out:!", *END]

    def test_3x_does_not_complete_the_turn(self) -> None:
        drive = started([tool_call("f"), say("Done.", audio_ms=20)], model=THREE)
        assert kinds(drive.ask("go")) == ["toolCall"]

    def test_waits_for_all_responses(self) -> None:
        drive = started([tool_calls([call("f", id="a"), call("g", id="b")]), lambda u, t: [say(str(u.tool_results))]])
        drive.ask("go")
        assert drive.respond("b", 2) == []
        assert drive.respond("a", 1, will_continue=True) == []
        text = "".join(k[4:] for k in kinds(drive.respond("a", 3)) if k.startswith("out:"))
        assert text == "{'g': 2, 'f': 3}!"

    def test_without_further_steps_the_reactor_speaks_about_the_result(self) -> None:
        drive = Drive(reactor=echo_reactor)
        drive.setup(HALF, "TEXT")
        call_message = drive.ask('call roll {"sides": 6}')[0]
        assert call_message["toolCall"]["functionCalls"] == [{"id": "fc-1", "name": "roll", "args": {"sides": 6}}]
        assert "".join(k[5:] for k in kinds(drive.respond("fc-1", {"n": 4})[:-2])) == 'roll returned {"n": 4}'

    def test_gemini_wants_the_id_and_vertex_finds_the_call_by_name(self) -> None:
        drive = started([tool_call("f")])
        drive.ask("go")
        drive.respond(None, 1)
        assert drive.closed is not None
        assert drive.closed.code == 1007
        drive = Drive(Script([[tool_call("f"), say("ok")]]), backend="vertex")
        drive.setup()
        drive.ask("go")
        assert kinds(drive.respond(None, 1, name="f"))[-2:] == END

    def test_an_unknown_call_is_noted(self) -> None:
        drive = started()
        assert drive.respond("zz", 1) == []
        assert drive.connection.notes == ["response to unknown or answered call zz"]

    NON_BLOCKING: dict[str, Any] = {"tools": [{"functionDeclarations": [{"name": "slow", "behavior": "NON_BLOCKING"}]}]}

    @pytest.mark.parametrize(
        ("scheduling", "expected"),
        [
            ("WHEN_IDLE", ["text:slow ", "text:returned ", "text:1", *END]),
            (None, ["text:slow ", "text:returned ", "text:1", *END]),
            ("SILENT", []),
        ],
    )
    def test_non_blocking(self, scheduling: str | None, expected: list[str]) -> None:
        drive = started([tool_call("slow"), say("Meanwhile.")], model=HALF, modality="TEXT", **self.NON_BLOCKING)
        assert kinds(drive.ask("go")) == ["toolCall", "text:Meanwhile.", *END]
        assert kinds(drive.respond("fc-1", 1, scheduling=scheduling)) == expected

    def test_a_non_blocking_response_may_interrupt(self) -> None:
        drive = started([tool_call("slow"), say("Blah.", audio_ms=9000)], options=PACED, **self.NON_BLOCKING)
        drive.ask("go")
        drive.wait(1)
        assert kinds(drive.respond("fc-1", 1, scheduling="WHEN_IDLE", will_continue=True)) == []
        assert kinds(drive.respond("fc-1", 1, scheduling="INTERRUPT"))[:3] == ["interrupted", "turnComplete", "audio"]

    def test_the_server_takes_a_call_back(self) -> None:
        drive = started([tool_call("f", id="a"), say("Without it.", audio_ms=20)])
        drive.ask("go")
        messages = drive.push(tool_call_cancellation(["a"]))
        assert kinds(messages)[:2] == ["toolCallCancellation", "audio"]

    def test_context_update_changes_the_tools(self) -> None:
        drive = started([tool_call("slow"), say("On.", audio_ms=20)])
        drive.send({"contextUpdate": {"tools": {"tools": self.NON_BLOCKING["tools"]}}})
        assert kinds(drive.ask("go"))[:2] == ["toolCall", "audio"]


class TestFaults:
    def test_go_away_then_close(self) -> None:
        drive = started([say("Hm.", audio_ms=20), go_away(10.5, close_code=1001)])
        assert {"goAway": {"timeLeft": "10.500s"}} in drive.ask("x")
        drive.wait(10.4)
        assert drive.closed is None
        drive.wait(0.2)
        assert drive.closed is not None
        assert drive.closed.code == 1001

    def test_the_answer_goes_on_until_the_close(self) -> None:
        drive = started([go_away(1.0), say("Long.", audio_ms=5000)], options=PACED)
        drive.ask("x")
        assert len(pcm_of(drive.wait(3.0))) == pytest.approx(48_000, abs=2 * 1920)

    def test_age_limit(self) -> None:
        drive = started(options=MockOptions(max_connection_s=600, go_away_lead_s=30))
        assert drive.wait(569) == []
        assert drive.wait(2) == [{"goAway": {"timeLeft": "30s"}}]
        drive.wait(30)
        assert drive.closed is not None

    def test_drop_close_quota(self) -> None:
        drive = started([say("a", audio_ms=20), drop(), say("b")])
        assert len(pcm_of(drive.ask("x"))) == 960
        assert drive.aborted
        drive = started([close(1011, "oops")])
        drive.ask("x")
        assert drive.closed is not None
        assert (drive.closed.code, drive.closed.reason) == (1011, "oops")
        drive = started([say("a"), quota()])
        drive.ask("x")
        assert drive.closed is not None
        assert "RESOURCE_EXHAUSTED" in drive.closed.reason

    def test_stall(self) -> None:
        drive = started([say("a", audio_ms=20), stall(3.0), say("b", audio_ms=20)], transcribe=False)
        assert kinds(drive.ask("x")) == ["audio"]
        assert drive.wait(2.9) == []
        assert kinds(drive.wait(0.2)) == ["audio", *END]

    def test_stall_for_good_can_be_interrupted(self) -> None:
        drive = started([stall()], [say("b", audio_ms=20)], transcribe=False)
        assert drive.ask("x") + drive.wait(10_000) == []
        assert kinds(drive.ask("y")) == ["interrupted", "turnComplete", "audio", *END]

    def test_malformed_unknown_and_voice_activity(self) -> None:
        drive = started([malformed("{nope"), unknown_message(), voice_activity("end", 1.5)])
        messages = drive.ask("x")
        assert kinds(messages)[:3] == ["malformed:{nope", "futureMessage", "voiceActivity"]
        assert messages[2] == {"voiceActivity": {"type": "ACTIVITY_END", "audioOffset": "1.500s"}}

    def test_wait_for_neither_interrupts_nor_starts_a_turn(self) -> None:
        drive = started([say("a", audio_ms=20), wait_for("clientContent"), say("b", audio_ms=20)], transcribe=False)
        assert kinds(drive.ask("x")) == ["audio"]
        assert kinds(drive.ask("y")) == ["audio", *END]
        assert len(drive.connection.contents) == 3

    def test_wait_for_counts_and_times_out(self) -> None:
        drive = started([wait_for("audio", count=3), say("b", audio_ms=20)], transcribe=False)
        drive.ask("x")
        assert drive.silence(1) + drive.silence(1) == []
        assert kinds(drive.silence(1)) == ["audio", *END]
        drive = started([wait_for("text", timeout=2.0), say("b", audio_ms=20)], transcribe=False)
        drive.ask("x")
        assert kinds(drive.wait(2.1)) == ["audio", *END]

    def test_nothing_is_read_or_sent_after_the_end(self) -> None:
        drive = started([close(1000)])
        drive.ask("x")
        assert drive.ask("y") == []
        assert drive.session.wakeup is None
        assert drive.push(say("z")) == []


class TestPushAndPace:
    def test_paced_audio_is_real_time_without_drift(self) -> None:
        drive = started([say("x", audio_ms=10_000)], options=PACED, transcribe=False)
        assert len(pcm_of(drive.ask("go") + drive.wait(7.99))) == 8 * 48_000
        assert kinds(drive.wait(2.02))[-2:] == END

    def test_late_ticks_are_made_good(self) -> None:
        drive = started([say("x", audio_ms=1000)], options=PACED, transcribe=False)
        drive.ask("go")
        drive.now += 0.5
        drive.session.tick(drive.now)
        assert len(drive.session.take_outputs()) == 12

    def test_faster_than_real_time(self) -> None:
        drive = started([say("x", audio_ms=4000)], options=MockOptions(pace=4.0), transcribe=False)
        drive.ask("go")
        assert kinds(drive.wait(1.01))[-2:] == END

    def test_push_at_once_in_the_middle_of_a_turn(self) -> None:
        drive = started([say("x", audio_ms=4000)], options=PACED, transcribe=False)
        drive.ask("go")
        assert kinds(drive.push(go_away(5))) == ["goAway"]
        assert drive.push(stall(1.0)) == []
        assert drive.wait(0.9) == []
        assert kinds(drive.push(interrupt())) == ["interrupted", "turnComplete"]

    def test_push_of_a_turn_waits_for_the_present_one(self) -> None:
        drive = started([say("x", audio_ms=80)], options=PACED, transcribe=False)
        drive.ask("go")
        assert drive.push(say("y", audio_ms=40)) == []
        assert kinds(drive.wait(1.0)) == ["audio", *END, "audio", *END]


class TestMemory:
    def test_recalls_numbers_and_names_it_was_told(self) -> None:
        drive = Drive(reactor=memory_reactor)
        drive.setup(HALF, "TEXT")
        drive.ask("My name is Ada and my number is 42")

        def said(text: str) -> str:
            return "".join(k[5:] for k in kinds(drive.ask(text)) if k.startswith("text:"))

        assert said("which number did I say?") == "You said 42."
        assert said("what is my name?") == "Your name is Ada."
        assert said("hello") == "You said: hello"

    def test_manual_resumption_update(self) -> None:
        drive = started([resumption_update(resumable=False), resumption_update(handle="h1")])
        messages = drive.ask("x")
        assert messages[:2] == [
            {"sessionResumptionUpdate": {"resumable": False}},
            {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}},
        ]
