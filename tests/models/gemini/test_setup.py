"""The `setup` message: every setting at its place, defaults, and what is refused before anything is opened."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from fullduplex.errors import InvalidConfig
from fullduplex.models.base import ConnectRequest
from fullduplex.models.gemini.capabilities import capabilities_of
from fullduplex.models.gemini.setup import Backend, check, encode_setup, manual_activity, needs_alpha
from fullduplex.types.config import (
    AudioTranscriptionConfig,
    AutomaticActivityDetection,
    AvatarConfig,
    ContextWindowCompressionConfig,
    HistoryConfig,
    LiveConnectConfig,
    ProactivityConfig,
    RealtimeInputConfig,
    SafetySetting,
    SessionResumptionConfig,
    SlidingWindow,
    SpeechConfig,
    ThinkingConfig,
    TranslationConfig,
)
from fullduplex.types.content import Content, FunctionDeclaration, Part, Tool

HALF_CASCADE = "gemini-live-2.5-flash"
NATIVE = "gemini-live-2.5-flash-native-audio"
THIRD = "gemini-3.1-flash-live-preview"


def voice(name: str) -> SpeechConfig:
    return SpeechConfig.model_validate({"voice_config": {"prebuilt_voice_config": {"voice_name": name}}})


def written(
    request: ConnectRequest | None = None,
    *,
    backend: Backend = "gemini",
    speech: SpeechConfig | None = None,
    model: str = HALF_CASCADE,
    **config: Any,
) -> dict[str, Any]:
    """The setup as JSON would be read on the other side."""
    request = request or ConnectRequest(model=model, config=LiveConnectConfig(**config))
    checked = check(request, backend=backend, capabilities=capabilities_of(request.model), speech=speech)
    message = json.loads(encode_setup(request, checked, model_path=f"models/{request.model}"))
    assert set(message) == {"setup"}
    setup: dict[str, Any] = message["setup"]
    return setup


@pytest.mark.spec(70)
def test_least_setup_asks_for_audio() -> None:
    assert written() == {"model": f"models/{HALF_CASCADE}", "generationConfig": {"responseModalities": ["AUDIO"]}}


@pytest.mark.spec(70)
def test_text_when_asked_for() -> None:
    assert written(response_modalities=["TEXT"])["generationConfig"] == {"responseModalities": ["TEXT"]}


def test_generation_settings() -> None:
    setup = written(
        temperature=0.7,
        top_p=0.9,
        top_k=40,
        max_output_tokens=300,
        seed=7,
        media_resolution="MEDIA_RESOLUTION_LOW",
        thinking_config=ThinkingConfig(include_thoughts=True, thinking_budget=0),
        safety_settings=[SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE")],
    )
    assert setup["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "temperature": 0.7,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 300,
        "seed": 7,
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 0},
    }
    assert setup["safetySettings"] == [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]


def test_presence_turns_transcription_on() -> None:
    setup = written(
        input_audio_transcription=AudioTranscriptionConfig(),
        output_audio_transcription=AudioTranscriptionConfig(language_codes=["de-DE"]),
    )
    assert setup["inputAudioTranscription"] == {}
    assert setup["outputAudioTranscription"] == {"languageCodes": ["de-DE"]}
    without = written(input_audio_transcription=None, output_audio_transcription=None)
    assert "inputAudioTranscription" not in without
    assert "outputAudioTranscription" not in without


@pytest.mark.spec(72)
def test_the_agents_voice_stands_before_the_runs() -> None:
    run = voice("Kore")
    assert _voice_of(written(speech_config=run)) == "Kore"
    assert _voice_of(written(speech_config=run, speech=voice("Puck"))) == "Puck"
    assert _voice_of(written(speech=voice("Puck"))) == "Puck"


def _voice_of(setup: dict[str, Any]) -> str:
    return str(setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"])


@pytest.mark.spec(73)
def test_realtime_input() -> None:
    config = RealtimeInputConfig.model_validate(
        {
            "automatic_activity_detection": {
                "disabled": False,
                "start_of_speech_sensitivity": "START_SENSITIVITY_LOW",
                "end_of_speech_sensitivity": "END_SENSITIVITY_HIGH",
                "prefix_padding_ms": 20,
                "silence_duration_ms": 100,
            },
            "activity_handling": "NO_INTERRUPTION",
            "turn_coverage": "TURN_INCLUDES_ALL_INPUT",
        }
    )
    assert written(realtime_input_config=config)["realtimeInputConfig"] == {
        "automaticActivityDetection": {
            "disabled": False,
            "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            "endOfSpeechSensitivity": "END_SENSITIVITY_HIGH",
            "prefixPaddingMs": 20,
            "silenceDurationMs": 100,
        },
        "activityHandling": "NO_INTERRUPTION",
        "turnCoverage": "TURN_INCLUDES_ALL_INPUT",
    }


@pytest.mark.spec(73)
def test_disabled_detection_means_manual_activity() -> None:
    disabled = RealtimeInputConfig(automatic_activity_detection=AutomaticActivityDetection(disabled=True))
    setup = written(realtime_input_config=disabled)
    assert setup["realtimeInputConfig"] == {"automaticActivityDetection": {"disabled": True}}
    assert manual_activity(LiveConnectConfig(realtime_input_config=disabled))
    assert not manual_activity(LiveConnectConfig())
    assert not manual_activity(LiveConnectConfig(realtime_input_config=RealtimeInputConfig()))


@pytest.mark.spec(74)
def test_proactivity_dialog_compression_resumption_history() -> None:
    setup = written(
        model=NATIVE,
        proactivity=ProactivityConfig(proactive_audio=True),
        enable_affective_dialog=True,
        context_window_compression=ContextWindowCompressionConfig(
            trigger_tokens=1000, sliding_window=SlidingWindow(target_tokens=500)
        ),
        session_resumption=SessionResumptionConfig(handle="h1"),
        history_config=HistoryConfig(initial_history_in_client_content=True),
        avatar_config=AvatarConfig(avatar_name="a"),
        translation_config=TranslationConfig(target_language_code="de"),
        labels={"team": "a"},
    )
    assert setup["proactivity"] == {"proactiveAudio": True}
    assert setup["generationConfig"]["enableAffectiveDialog"] is True
    assert setup["generationConfig"]["translationConfig"] == {"targetLanguageCode": "de"}
    assert setup["contextWindowCompression"] == {"triggerTokens": 1000, "slidingWindow": {"targetTokens": 500}}
    assert setup["sessionResumption"] == {"handle": "h1"}
    assert setup["historyConfig"] == {"initialHistoryInClientContent": True}
    assert setup["avatarConfig"] == {"avatarName": "a"}
    assert setup["labels"] == {"team": "a"}


@pytest.mark.spec(74)
def test_empty_resumption_asks_for_handles() -> None:
    assert written(session_resumption=SessionResumptionConfig())["sessionResumption"] == {}


def test_history_is_announced_when_there_is_one() -> None:
    history = [Content(role="user", parts=[Part(text="hello")])]
    assert "historyConfig" not in written()
    setup = written(ConnectRequest(model=HALF_CASCADE, history=history))
    assert setup["historyConfig"] == {"initialHistoryInClientContent": True}


@pytest.mark.spec(75)
def test_third_generation_loses_proactivity_and_dialog_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "fullduplex"):
        setup = written(
            model=THIRD, proactivity=ProactivityConfig(proactive_audio=True), enable_affective_dialog=True, seed=1
        )
    assert "proactivity" not in setup
    assert setup["generationConfig"] == {"responseModalities": ["AUDIO"], "seed": 1}
    assert len(caplog.records) == 1
    assert "proactivity" in caplog.text
    assert "enable_affective_dialog" in caplog.text


def test_no_warning_where_nothing_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "fullduplex"):
        written(model=THIRD)
        written(model=NATIVE, enable_affective_dialog=True)
    assert not caplog.records


def test_settings_on_trial_need_alpha() -> None:
    assert needs_alpha(LiveConnectConfig(enable_affective_dialog=True))
    assert needs_alpha(LiveConnectConfig(proactivity=ProactivityConfig()))
    assert not needs_alpha(LiveConnectConfig(enable_affective_dialog=False))


@pytest.mark.spec(81)
@pytest.mark.parametrize("model", [HALF_CASCADE, NATIVE, THIRD])
def test_transparent_resumption_is_vertex_only(model: str) -> None:
    wanted = SessionResumptionConfig(transparent=True)
    with pytest.raises(ValueError, match=r"^Transparent session resumption is only supported for Vertex AI backend\."):
        written(model=model, session_resumption=wanted)
    assert written(backend="vertex", session_resumption=wanted)["sessionResumption"] == {"transparent": True}


def test_transparent_false_is_not_written() -> None:
    assert written(session_resumption=SessionResumptionConfig(transparent=False))["sessionResumption"] == {}


def test_explicit_vad_signal_is_vertex_only() -> None:
    with pytest.raises(InvalidConfig, match="Vertex AI"):
        written(explicit_vad_signal=True)
    assert written(backend="vertex", explicit_vad_signal=True)["explicitVadSignal"] is True
    assert "explicitVadSignal" not in written(explicit_vad_signal=False)


@pytest.mark.spec(83)
def test_two_modalities_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="Only one response modality is supported per session.*TEXT, AUDIO"):
        written(response_modalities=["TEXT", "AUDIO"])


@pytest.mark.parametrize("model", [NATIVE, THIRD])
def test_audio_models_do_not_answer_in_text(model: str) -> None:
    with pytest.raises(InvalidConfig, match="audio only"):
        written(model=model, response_modalities=["TEXT"])


def test_instruction_and_tools() -> None:
    request = ConnectRequest(
        model=HALF_CASCADE,
        system_instruction="Be brief.",
        tools=[
            Tool(google_search={}),
            Tool(
                function_declarations=[
                    FunctionDeclaration(
                        name="roll",
                        description="Rolls.",
                        parameters={"type": "OBJECT", "properties": {"side_count": {"type": "INTEGER"}}},
                        behavior="NON_BLOCKING",
                    )
                ]
            ),
        ],
    )
    setup = written(request)
    assert setup["systemInstruction"] == {"parts": [{"text": "Be brief."}], "role": "user"}
    assert setup["tools"] == [
        {"googleSearch": {}},
        {
            "functionDeclarations": [
                {
                    "name": "roll",
                    "description": "Rolls.",
                    "parameters": {"type": "OBJECT", "properties": {"side_count": {"type": "INTEGER"}}},
                    "behavior": "NON_BLOCKING",
                }
            ]
        },
    ]


def test_a_tool_without_a_json_form_is_a_clear_error() -> None:
    declaration = FunctionDeclaration(name="f", parameters={"default": object()})
    request = ConnectRequest(model=HALF_CASCADE, tools=[Tool(function_declarations=[declaration])])
    with pytest.raises(InvalidConfig, match="JSON"):
        written(request)


def test_the_request_stays_as_it_was() -> None:
    request = ConnectRequest(model=THIRD, config=LiveConnectConfig(enable_affective_dialog=True))
    written(request)
    assert request.config == LiveConnectConfig(enable_affective_dialog=True)
