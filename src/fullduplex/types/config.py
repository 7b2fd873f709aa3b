"""How a live connection is to behave: voices, detection of speech, transcripts, resumption, and the rest.

Pydantic, because people write these by hand and its errors are for people. Names, fields and JSON are those of
`google.genai.types`, whose objects are accepted wherever ours are. An unknown field is an error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

E = TypeVar("E", bound="Choice")


class Choice(StrEnum):
    """A string from a list, in any case."""

    @classmethod
    def _missing_(cls: type[E], value: object) -> E | None:
        upper = str(getattr(value, "value", value)).upper()
        return next((member for member in cls if member.value == upper), None)


class Modality(Choice):
    """What the model answers with."""

    TEXT = "TEXT"
    AUDIO = "AUDIO"
    IMAGE = "IMAGE"
    VIDEO = "VIDEO"


class StartSensitivity(Choice):
    """How readily a sound counts as the start of speech."""

    START_SENSITIVITY_UNSPECIFIED = "START_SENSITIVITY_UNSPECIFIED"
    START_SENSITIVITY_HIGH = "START_SENSITIVITY_HIGH"
    START_SENSITIVITY_LOW = "START_SENSITIVITY_LOW"


class EndSensitivity(Choice):
    """How readily a pause counts as the end of speech."""

    END_SENSITIVITY_UNSPECIFIED = "END_SENSITIVITY_UNSPECIFIED"
    END_SENSITIVITY_HIGH = "END_SENSITIVITY_HIGH"
    END_SENSITIVITY_LOW = "END_SENSITIVITY_LOW"


class ActivityHandling(Choice):
    """Whether the user's speech interrupts the model."""

    ACTIVITY_HANDLING_UNSPECIFIED = "ACTIVITY_HANDLING_UNSPECIFIED"
    START_OF_ACTIVITY_INTERRUPTS = "START_OF_ACTIVITY_INTERRUPTS"
    NO_INTERRUPTION = "NO_INTERRUPTION"


class TurnCoverage(Choice):
    """Which input belongs to the user's turn."""

    TURN_COVERAGE_UNSPECIFIED = "TURN_COVERAGE_UNSPECIFIED"
    TURN_INCLUDES_ONLY_ACTIVITY = "TURN_INCLUDES_ONLY_ACTIVITY"
    TURN_INCLUDES_ALL_INPUT = "TURN_INCLUDES_ALL_INPUT"
    TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO = "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"


class MediaResolution(Choice):
    """How closely the model looks at images."""

    MEDIA_RESOLUTION_UNSPECIFIED = "MEDIA_RESOLUTION_UNSPECIFIED"
    MEDIA_RESOLUTION_LOW = "MEDIA_RESOLUTION_LOW"
    MEDIA_RESOLUTION_MEDIUM = "MEDIA_RESOLUTION_MEDIUM"
    MEDIA_RESOLUTION_HIGH = "MEDIA_RESOLUTION_HIGH"


class FunctionResponseScheduling(Choice):
    """When the model takes up the answer of a tool that did not block it."""

    SCHEDULING_UNSPECIFIED = "SCHEDULING_UNSPECIFIED"
    SILENT = "SILENT"
    WHEN_IDLE = "WHEN_IDLE"
    INTERRUPT = "INTERRUPT"


class Behavior(Choice):
    """Whether the model waits for a tool's answer."""

    UNSPECIFIED = "UNSPECIFIED"
    BLOCKING = "BLOCKING"
    NON_BLOCKING = "NON_BLOCKING"


class Config(BaseModel):
    """The base of all settings here: both spellings in, unknown fields refused, foreign objects of one shape read."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _read_foreign(cls, value: Any) -> Any:
        if not isinstance(value, (dict, BaseModel)) or isinstance(value, cls):
            return value
        return value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value


class PrebuiltVoiceConfig(Config):
    """One of the backend's voices, by name."""

    voice_name: str | None = None


class VoiceConfig(Config):
    """Which voice speaks."""

    prebuilt_voice_config: PrebuiltVoiceConfig | None = None
    replicated_voice_config: dict[str, Any] | None = None
    voice: str | None = None


class SpeechConfig(Config):
    """Voice and language of the model's speech."""

    voice_config: VoiceConfig | None = None
    language_code: str | None = None
    multi_speaker_voice_config: dict[str, Any] | None = None


class AudioTranscriptionConfig(Config):
    """That speech is transcribed, and how; its presence turns transcription on."""

    language_codes: list[str] | None = None
    language_auto: dict[str, Any] | None = None
    language_hints: dict[str, Any] | None = None
    custom_vocabulary: list[str] | None = None
    adaptation_phrases: list[str] | None = None
    word_timestamp: bool | None = None
    diarization: bool | None = None
    mode: str | None = None
    source_text: str | None = None


class AutomaticActivityDetection(Config):
    """The backend's detection of speech; `disabled=True` leaves it to the client's activity signals. Times in ms."""

    disabled: bool | None = None
    start_of_speech_sensitivity: StartSensitivity | None = None
    end_of_speech_sensitivity: EndSensitivity | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class RealtimeInputConfig(Config):
    """How the user's live input is cut into turns."""

    automatic_activity_detection: AutomaticActivityDetection | None = None
    activity_handling: ActivityHandling | None = None
    turn_coverage: TurnCoverage | None = None
    interim_transcript_timestamp_enabled: bool | None = None


class ProactivityConfig(Config):
    """Whether the model may stay silent or speak unasked."""

    proactive_audio: bool | None = None
    proactive_video: bool | None = None


class SessionResumptionConfig(Config):
    """Asks for resumption handles; `handle` goes on from an earlier one; `transparent` is Vertex AI's alone."""

    handle: str | None = None
    transparent: bool | None = None


class SlidingWindow(Config):
    """Drop the oldest turns until `target_tokens` remain."""

    target_tokens: int | None = None


class ContextWindowCompressionConfig(Config):
    """Compress the backend's context when it holds `trigger_tokens`."""

    trigger_tokens: int | None = None
    sliding_window: SlidingWindow | None = None


class HistoryConfig(Config):
    """Whether the first client content is history."""

    initial_history_in_client_content: bool | None = None


class TranslationConfig(Config):
    """For live translation models."""

    echo_target_language: bool | None = None
    target_language_code: str | None = None


class AvatarConfig(Config):
    """For models that show a face."""

    avatar_name: str | None = None
    customized_avatar: dict[str, Any] | None = None
    audio_bitrate_bps: int | None = None
    video_bitrate_bps: int | None = None


class ThinkingConfig(Config):
    """How much the model thinks, and whether it shows it."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class SafetySetting(Config):
    """What the backend blocks."""

    category: str | None = None
    method: str | None = None
    threshold: str | None = None


class GenerateContentConfig(BaseModel):
    """How the model generates. Live uses temperature, top_p, top_k, max_output_tokens, seed, media_resolution,
    thinking_config and safety_settings; the other fields of google.genai's class are kept for other calls."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    media_resolution: MediaResolution | None = None
    thinking_config: ThinkingConfig | None = None
    safety_settings: list[SafetySetting] | None = None
    tools: Any = None
    system_instruction: Any = None
    response_schema: Any = None
    http_options: Any = None

    @model_validator(mode="before")
    @classmethod
    def _read_foreign(cls, value: Any) -> Any:
        if isinstance(value, BaseModel) and not isinstance(value, cls):
            return value.model_dump(exclude_none=True)
        return value


class LiveConnectConfig(Config):
    """All that a backend is told about the behaviour of one connection, apart from model, prompt, tools and history."""

    response_modalities: list[Modality] | None = None
    speech_config: SpeechConfig | None = None
    input_audio_transcription: AudioTranscriptionConfig | None = None
    output_audio_transcription: AudioTranscriptionConfig | None = None
    realtime_input_config: RealtimeInputConfig | None = None
    explicit_vad_signal: bool | None = None
    proactivity: ProactivityConfig | None = None
    enable_affective_dialog: bool | None = None
    session_resumption: SessionResumptionConfig | None = None
    context_window_compression: ContextWindowCompressionConfig | None = None
    history_config: HistoryConfig | None = None
    translation_config: TranslationConfig | None = None
    avatar_config: AvatarConfig | None = None
    labels: dict[str, str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    media_resolution: MediaResolution | None = None
    thinking_config: ThinkingConfig | None = None
    safety_settings: list[SafetySetting] | None = None
