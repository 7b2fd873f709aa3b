"""What a connection's settings mean for the cascade: one small object instead of Gemini's tree of options."""

from __future__ import annotations

from dataclasses import dataclass

from fullduplex.errors import InvalidConfig
from fullduplex.models.cascade.endpoint import EndpointSettings
from fullduplex.models.cascade.hearing import HearingSettings
from fullduplex.types.config import (
    ActivityHandling,
    EndSensitivity,
    LiveConnectConfig,
    Modality,
    SpeechConfig,
    StartSensitivity,
)

_SILENCE_MS = 400
_SILENCE_MS_LOW = 800
_START_MS = 64


@dataclass(frozen=True)
class Behaviour:
    """How one connection behaves."""

    voice_out: bool
    voice: str
    interruptible: bool
    transcribe_input: bool
    transcribe_output: bool
    voice_signals: bool
    start_probability: float
    hearing: HearingSettings


def _voice_name(speech: SpeechConfig | None) -> str:
    voice = speech.voice_config if speech is not None else None
    if voice is None:
        return ""
    prebuilt = voice.prebuilt_voice_config
    return (prebuilt.voice_name if prebuilt is not None else voice.voice) or ""


def read_behaviour(config: LiveConnectConfig, speech: SpeechConfig | None = None) -> Behaviour:
    """Reads the settings that the cascade honours; those of other backends (temperature, …) mean nothing to it.

    `speech` stands before the settings' own.

    Raises:
        InvalidConfig: More than one modality, or one that it cannot answer in.
    """
    modalities = config.response_modalities or [Modality.AUDIO]
    if len(modalities) > 1:
        raise InvalidConfig("Only one response modality is supported per session.")
    if modalities[0] not in (Modality.AUDIO, Modality.TEXT):
        raise InvalidConfig(f"the local agent answers in AUDIO or TEXT, not in {modalities[0].value}")
    realtime = config.realtime_input_config
    detection = realtime.automatic_activity_detection if realtime is not None else None
    low = EndSensitivity.END_SENSITIVITY_LOW
    silence = _SILENCE_MS_LOW if detection and detection.end_of_speech_sensitivity is low else _SILENCE_MS
    start = _START_MS
    if detection is not None:
        silence = detection.silence_duration_ms or silence
        start = detection.prefix_padding_ms or start
    careful = detection is not None and detection.start_of_speech_sensitivity is StartSensitivity.START_SENSITIVITY_LOW
    handling = realtime.activity_handling if realtime is not None else None
    return Behaviour(
        voice_out=modalities[0] is Modality.AUDIO,
        voice=_voice_name(speech or config.speech_config),
        interruptible=handling is not ActivityHandling.NO_INTERRUPTION,
        transcribe_input=config.input_audio_transcription is not None,
        transcribe_output=config.output_audio_transcription is not None,
        voice_signals=bool(config.explicit_vad_signal),
        start_probability=0.7 if careful else 0.5,
        hearing=HearingSettings(
            manual=bool(detection and detection.disabled),
            endpoint=EndpointSettings(start=start / 1000, silence=silence / 1000),
        ),
    )
