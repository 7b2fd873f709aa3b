"""Checks the `setup` message as the real server does, and reads from it what a session needs to know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from .handshake import Endpoint
from .options import MockOptions
from .vad import VadConfig
from .wire import JsonDict, Violation

Family = Literal["native-audio", "half-cascade", "3.x"]

_GENERATION_NUMBER = re.compile(r"gemini-(?:live-)?(\d+)")


@dataclass(frozen=True)
class SessionConfig:
    """A setup that passed the checks. `model` is the short name."""

    model: str
    family: Family
    modality: Literal["AUDIO", "TEXT"]
    voice: str | None
    input_transcription: bool
    output_transcription: bool
    vad: VadConfig | None
    """None: automatic detection is disabled, the client sends activity signals."""
    speech_interrupts: bool
    only_activity: bool
    resumption: bool
    handle: str | None
    transparent: bool
    explicit_vad: bool
    initial_history: bool
    non_blocking: frozenset[str]

    @property
    def call_ends_turn(self) -> bool:
        """Models before 3.x complete the turn when they call a tool."""
        return self.family != "3.x"


def family_of(model: str) -> Family:
    """The architecture that a model's name stands for."""
    number = _GENERATION_NUMBER.search(model)
    if number and int(number.group(1)) >= 3:
        return "3.x"
    return "native-audio" if "native-audio" in model else "half-cascade"


def read_setup(setup: JsonDict, endpoint: Endpoint, options: MockOptions) -> SessionConfig:
    """The session that this setup asks for. Raises Violation with the close code and a readable reason."""
    model = _model(setup, endpoint, options)
    family = family_of(model)
    generation = setup.get("generationConfig") or {}
    modality = _modality(generation, family)
    realtime = setup.get("realtimeInputConfig") or {}
    resumption = setup.get("sessionResumption")
    _check_capabilities(setup, generation, endpoint, family, options)
    return SessionConfig(
        model=model,
        family=family,
        modality=modality,
        voice=_voice(generation, family, options),
        input_transcription="inputAudioTranscription" in setup,
        output_transcription="outputAudioTranscription" in setup,
        vad=_vad(realtime.get("automaticActivityDetection") or {}, options),
        speech_interrupts=realtime.get("activityHandling") != "NO_INTERRUPTION",
        only_activity=realtime.get("turnCoverage") != "TURN_INCLUDES_ALL_INPUT",
        resumption=resumption is not None,
        handle=(resumption or {}).get("handle") or None,
        transparent=bool((resumption or {}).get("transparent")),
        explicit_vad=bool(setup.get("explicitVadSignal")),
        initial_history=bool((setup.get("historyConfig") or {}).get("initialHistoryInClientContent")),
        non_blocking=non_blocking_tools(setup),
    )


def non_blocking_tools(setup: JsonDict) -> frozenset[str]:
    """Names of the declared functions whose behaviour is NON_BLOCKING."""
    return frozenset(
        str(declaration.get("name"))
        for tool in setup.get("tools") or []
        for declaration in tool.get("functionDeclarations") or []
        if declaration.get("behavior") == "NON_BLOCKING"
    )


def _model(setup: JsonDict, endpoint: Endpoint, options: MockOptions) -> str:
    full = setup.get("model")
    if not full:
        raise Violation(1007, "setup.model is required.")
    model = str(full).rsplit("/", 1)[-1]
    if not options.allows(model):
        raise Violation(
            1008,
            f"{full} is not found for API version {endpoint.version}, or is not supported for bidiGenerateContent.",
        )
    return model


def _modality(generation: JsonDict, family: Family) -> Literal["AUDIO", "TEXT"]:
    modalities = generation.get("responseModalities") or ["AUDIO"]
    if len(modalities) > 1:
        raise Violation(1007, "Only one response modality is supported per session.")
    modality = str(modalities[0]).upper()
    if modality not in ("AUDIO", "TEXT"):
        raise Violation(1007, f"Response modality {modality} is not supported by this model.")
    if modality == "TEXT" and family != "half-cascade":
        raise Violation(1007, "The requested response modality (TEXT) is not supported by this audio model. Use AUDIO.")
    return "AUDIO" if modality == "AUDIO" else "TEXT"


def _voice(generation: JsonDict, family: Family, options: MockOptions) -> str | None:
    speech: JsonDict = generation.get("speechConfig") or {}
    voice = ((speech.get("voiceConfig") or {}).get("prebuiltVoiceConfig") or {}).get("voiceName")
    if voice is None:
        return None
    known = options.half_cascade_voices if family == "half-cascade" else options.native_audio_voices
    if voice not in known:
        raise Violation(1007, f"Requested voice api_name '{voice}' is not available for this model.")
    return str(voice)


def _check_capabilities(
    setup: JsonDict, generation: JsonDict, endpoint: Endpoint, family: Family, options: MockOptions
) -> None:
    if endpoint.backend == "gemini":
        if "transparent" in (setup.get("sessionResumption") or {}):
            raise Violation(
                1007, "Invalid JSON payload received. Unknown name \"transparent\" at 'setup.session_resumption'."
            )
        for name in ("explicitVadSignal", "labels"):
            if name in setup and options.strict:
                raise Violation(1007, f"Invalid JSON payload received. Unknown name \"{name}\" at 'setup'.")
    if family == "3.x" and options.strict:
        if generation.get("enableAffectiveDialog"):
            raise Violation(1007, "enable_affective_dialog is not supported by this model.")
        if "proactivity" in setup:
            raise Violation(1007, "proactivity is not supported by this model.")


def _vad(detection: JsonDict, options: MockOptions) -> VadConfig | None:
    if detection.get("disabled"):
        return None
    low = detection.get("startOfSpeechSensitivity") == "START_SENSITIVITY_LOW"
    return VadConfig(
        threshold=options.low_sensitivity_rms if low else options.high_sensitivity_rms,
        prefix_ms=_milliseconds(detection.get("prefixPaddingMs"), options.default_prefix_ms, "prefix_padding_ms"),
        silence_ms=_milliseconds(detection.get("silenceDurationMs"), options.default_silence_ms, "silence_duration_ms"),
    )


def _milliseconds(value: Any, default: int, name: str) -> int:
    if value is None:
        return default
    if int(value) < 0:
        raise Violation(1007, f"{name} must not be negative.")
    return int(value)
