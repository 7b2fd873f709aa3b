"""What a connection is opened with: a `ConnectRequest` checked for the backend and written as the `setup` message.

In camelCase throughout, as on the wire. No sockets, no environment.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import msgspec
from pydantic import BaseModel

from fullduplex.errors import InvalidConfig
from fullduplex.models.base import ConnectRequest
from fullduplex.models.gemini.capabilities import Capabilities, short_name
from fullduplex.types.config import HistoryConfig, LiveConnectConfig, Modality, SpeechConfig
from fullduplex.types.struct import encode_json

Backend = Literal["gemini", "vertex"]

_log = logging.getLogger(__name__)

_GENERATION_FIELDS = (
    "response_modalities",
    "temperature",
    "top_p",
    "top_k",
    "max_output_tokens",
    "seed",
    "media_resolution",
    "speech_config",
    "thinking_config",
    "enable_affective_dialog",
    "translation_config",
)
_SETUP_FIELDS = (
    "session_resumption",
    "input_audio_transcription",
    "output_audio_transcription",
    "realtime_input_config",
    "context_window_compression",
    "proactivity",
    "history_config",
    "avatar_config",
    "safety_settings",
    "labels",
    "explicit_vad_signal",
)


def check(
    request: ConnectRequest, *, backend: Backend, capabilities: Capabilities, speech: SpeechConfig | None
) -> LiveConnectConfig:
    """The settings as they will be sent: the agent's voice first, defaults filled in, what the model lacks left out.

    Raises `InvalidConfig` for what this backend or model cannot honour.
    """
    config = request.config
    changes: dict[str, Any] = {"response_modalities": [_modality(config, request.model, capabilities)]}
    if speech is not None:
        changes["speech_config"] = speech
    if not capabilities.emotional:
        changes.update(_without_emotions(config, request.model))
    if request.history or request.history_follows:
        history = config.history_config or HistoryConfig()
        changes["history_config"] = history.model_copy(update={"initial_history_in_client_content": True})
    if backend == "gemini":
        _check_gemini_api(config)
    return config.model_copy(update=changes)


def needs_alpha(config: LiveConnectConfig) -> bool:
    """Whether the Gemini API offers these settings in `v1alpha` only."""
    return bool(config.enable_affective_dialog) or config.proactivity is not None


def encode_setup(request: ConnectRequest, config: LiveConnectConfig, *, model_path: str) -> bytes:
    """The `setup` message, for `config` as `check` gave it. Raises `InvalidConfig` when a tool has no JSON form."""
    setup: dict[str, Any] = {
        "model": model_path,
        "generationConfig": _fields(config, _GENERATION_FIELDS),
    }
    if request.system_instruction:
        setup["systemInstruction"] = {"parts": [{"text": request.system_instruction}], "role": "user"}
    if request.tools:
        setup["tools"] = request.tools
    setup.update(_fields(config, _SETUP_FIELDS))
    try:
        return encode_json({"setup": setup})
    except (NotImplementedError, TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidConfig(f"the model's setup cannot be written as JSON: {error}") from None


def manual_activity(config: LiveConnectConfig) -> bool:
    """Whether the client says itself when the user begins and ends."""
    realtime = config.realtime_input_config
    detection = realtime.automatic_activity_detection if realtime is not None else None
    return bool(detection is not None and detection.disabled)


def _modality(config: LiveConnectConfig, model: str, capabilities: Capabilities) -> Modality:
    wanted = config.response_modalities or [Modality.AUDIO]
    if len(wanted) > 1:
        names = ", ".join(modality.value for modality in wanted)
        raise InvalidConfig(
            f"Only one response modality is supported per session, but response_modalities has {names}. "
            "For speech with its text, ask for AUDIO and read the output transcription."
        )
    if wanted[0] is Modality.TEXT and not capabilities.text_out:
        raise InvalidConfig(
            f"The model {short_name(model)} answers with audio only, not with TEXT. Use response_modalities "
            '["AUDIO"] and read the output transcription, or choose a half-cascade model.'
        )
    return wanted[0]


def _without_emotions(config: LiveConnectConfig, model: str) -> dict[str, None]:
    dropped = [name for name in ("proactivity", "enable_affective_dialog") if getattr(config, name) is not None]
    if dropped:
        _log.warning("%s does not know %s: not sent", short_name(model), " and ".join(dropped))
    return dict.fromkeys(dropped)


def _check_gemini_api(config: LiveConnectConfig) -> None:
    """Raises for what only Vertex AI offers."""
    if config.session_resumption is not None and config.session_resumption.transparent:
        raise InvalidConfig(
            "Transparent session resumption is only supported for Vertex AI backend. Leave `transparent` unset to "
            "resume by handle."
        )
    if config.explicit_vad_signal:
        raise InvalidConfig("explicit_vad_signal is only supported for Vertex AI backend.")


def _fields(config: LiveConnectConfig, names: tuple[str, ...]) -> dict[str, Any]:
    """The set fields of `config` among `names`, as JSON. False settings of the API's other backend are left out."""
    result: dict[str, Any] = {}
    for name in names:
        value = getattr(config, name)
        if value is None or (name == "explicit_vad_signal" and not value):
            continue
        result[_camel(name)] = _plain(value)
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        plain = value.model_dump(mode="json", by_alias=True, exclude_none=True)
        if plain.get("transparent") is False:
            del plain["transparent"]  # the Gemini API does not even know the name
        return plain
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
