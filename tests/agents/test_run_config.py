"""The settings of a run: defaults, limits, and what reaches the connection."""

from __future__ import annotations

import logging
import sys

import pydantic
import pytest

from fullduplex import RunConfig, StreamingMode
from fullduplex.agents.run_config import ContextFallback, LiveBlobConfig, ToolThreadPoolConfig
from fullduplex.agents.run_config import StreamingMode as SamePlace
from fullduplex.errors import InvalidConfig
from fullduplex.types.config import (
    AudioTranscriptionConfig,
    ContextWindowCompressionConfig,
    HistoryConfig,
    Modality,
    ProactivityConfig,
    RealtimeInputConfig,
    SessionResumptionConfig,
    SpeechConfig,
)
from tests.live.kit import Call, virtual

DEFAULTS = {
    "speech_config": None,
    "response_modalities": None,
    "streaming_mode": StreamingMode.NONE,
    "output_audio_transcription": AudioTranscriptionConfig(),
    "input_audio_transcription": AudioTranscriptionConfig(),
    "realtime_input_config": None,
    "explicit_vad_signal": None,
    "proactivity": None,
    "enable_affective_dialog": None,
    "session_resumption": None,
    "context_window_compression": None,
    "history_config": None,
    "translation_config": None,
    "avatar_config": None,
    "save_live_blob": False,
    "save_live_audio": False,
    "save_input_blobs_as_artifacts": False,
    "support_cfc": False,
    "max_llm_calls": 500,
    "custom_metadata": None,
    "tool_thread_pool_config": None,
    "get_session_config": None,
    "model_input_context": None,
    "include_thoughts_from_other_agents": False,
    "http_options": None,
    "labels": None,
    "service_tier": None,
    "telemetry": None,
}
OURS = {
    "max_turns": None,
    "max_duration_s": None,
    "max_total_tokens": None,
    "context_fallback": None,
    "output_key_from_speech": True,
    "live_blob": None,
}


@pytest.mark.spec(27)
@pytest.mark.parametrize("field", DEFAULTS | OURS)
def test_defaults(field: str) -> None:
    assert getattr(RunConfig(), field) == (DEFAULTS | OURS)[field]


@pytest.mark.spec(27)
def test_there_are_no_other_fields_and_an_unknown_one_is_refused() -> None:
    assert set(RunConfig.model_fields) == set(DEFAULTS | OURS)
    with pytest.raises(pydantic.ValidationError):
        RunConfig(response_modality=["TEXT"])


@pytest.mark.spec(27)
def test_the_number_of_tool_threads() -> None:
    assert ToolThreadPoolConfig().max_workers == 4
    with pytest.raises(pydantic.ValidationError):
        ToolThreadPoolConfig(max_workers=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_turns", 0),
        ("max_turns", -1),
        ("max_duration_s", 0),
        ("max_duration_s", float("nan")),
        ("max_duration_s", float("inf")),
        ("max_total_tokens", 0),
    ],
)
def test_a_limit_that_allows_nothing_is_refused(field: str, value: float) -> None:
    with pytest.raises(pydantic.ValidationError, match=field):
        RunConfig(**{field: value})


def test_limits_are_set_each_for_itself() -> None:
    config = RunConfig(max_turns=3, max_duration_s=0.5, max_total_tokens=1000)
    assert (config.max_turns, config.max_duration_s, config.max_total_tokens) == (3, 0.5, 1000)


def test_the_fallback_for_long_conversations() -> None:
    fallback = ContextFallback(trigger_tokens=2000, target_tokens=1000)
    assert (fallback.keep_turns, fallback.summarize) == (6, None)
    assert RunConfig(context_fallback=fallback).context_fallback == fallback
    with pytest.raises(pydantic.ValidationError, match="target_tokens must be less than trigger_tokens"):
        ContextFallback(trigger_tokens=1000, target_tokens=1000)
    for wrong in ({"target_tokens": 0}, {"keep_turns": 0}, {"summarise": len}):
        with pytest.raises(pydantic.ValidationError):
            ContextFallback(**{"trigger_tokens": 2000, "target_tokens": 1000, **wrong})


@pytest.mark.spec(28)
def test_save_live_audio_is_the_old_name_of_save_live_blob() -> None:
    with pytest.warns(DeprecationWarning, match="save_live_blob"):
        assert RunConfig(save_live_audio=True).save_live_blob is True
    assert RunConfig(save_live_audio=False).save_live_blob is False


def test_how_a_recording_is_kept() -> None:
    config = LiveBlobConfig(sample=0.1, keep_last=20)
    assert (config.audio, config.video, config.max_file_s, config.max_age_s) == (True, True, 120.0, None)
    assert RunConfig(save_live_blob=True, live_blob=config).live_blob == config
    with pytest.raises(pydantic.ValidationError, match="no effect without save_live_blob=True"):
        RunConfig(live_blob=config)
    for wrong in ({"sample": 1.1}, {"sample": -0.1}, {"keep_last": 0}, {"max_age_s": 0}, {"max_file_s": 0.5}, {"x": 1}):
        with pytest.raises(pydantic.ValidationError):
            LiveBlobConfig(**wrong)


@pytest.mark.spec(29)
def test_max_llm_calls_is_limited_and_comes_from_the_environment(monkeypatch, caplog) -> None:
    with pytest.raises(ValueError, match="max_llm_calls must be less than"):
        RunConfig(max_llm_calls=sys.maxsize)
    with caplog.at_level(logging.WARNING):
        assert RunConfig(max_llm_calls=0).max_llm_calls == 0
    assert "not limited" in caplog.text
    monkeypatch.setenv("ADK_MAX_LLM_CALLS", "7")
    assert RunConfig().max_llm_calls == 7
    assert RunConfig(max_llm_calls=8).max_llm_calls == 8
    monkeypatch.setenv("ADK_MAX_LLM_CALLS", str(sys.maxsize))
    with pytest.raises(ValueError, match="max_llm_calls"):
        RunConfig()


@pytest.mark.spec(30)
def test_streaming_modes() -> None:
    assert {mode.name: mode.value for mode in StreamingMode} == {"NONE": None, "SSE": "sse", "BIDI": "bidi"}
    assert SamePlace is StreamingMode
    assert RunConfig(streaming_mode=StreamingMode.BIDI).streaming_mode is StreamingMode.BIDI


@virtual
async def test_audio_and_both_transcripts_unless_told_otherwise() -> None:
    call = await Call.start()
    config = (await call.connection()).request.config
    await call.end()
    assert config.response_modalities == [Modality.AUDIO]
    assert (config.input_audio_transcription, config.output_audio_transcription) == (
        AudioTranscriptionConfig(),
        AudioTranscriptionConfig(),
    )


@virtual
async def test_what_is_set_reaches_the_connection() -> None:
    fields = {
        "response_modalities": ["TEXT"],
        "input_audio_transcription": None,
        "output_audio_transcription": None,
        "speech_config": SpeechConfig(),
        "realtime_input_config": RealtimeInputConfig(),
        "proactivity": ProactivityConfig(proactive_audio=True),
        "enable_affective_dialog": True,
        "session_resumption": SessionResumptionConfig(handle="h"),
        "context_window_compression": ContextWindowCompressionConfig(trigger_tokens=10),
        "history_config": HistoryConfig(),
        "explicit_vad_signal": True,
    }
    call = await Call.start(run_config=RunConfig(**fields))
    config = (await call.connection()).request.config
    await call.end()
    assert {name: getattr(config, name) for name in fields} == {**fields, "response_modalities": [Modality.TEXT]}


@virtual
async def test_http_options_are_refused_for_a_live_run() -> None:
    call = await Call.start(run_config=RunConfig(http_options={"base_url": "http://x"}))
    with pytest.raises(InvalidConfig, match="http_options"):
        await call.reader
