"""Which `RunConfig` a call gets: what the model can answer in, and what the client asked for in its address."""

from __future__ import annotations

import logging
from typing import Literal

from fullduplex.agents import BaseAgent, RunConfig
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.run_config import StreamingMode
from fullduplex.models.gemini.capabilities import capabilities_of, short_name
from fullduplex.types.config import (
    AudioTranscriptionConfig,
    AutomaticActivityDetection,
    Modality,
    ProactivityConfig,
    RealtimeInputConfig,
    SessionResumptionConfig,
)

logger = logging.getLogger(__name__)


def model_name(agent: BaseAgent) -> str:
    """The name of the model that plays `agent`; empty for an agent without one."""
    if not isinstance(agent, LlmAgent):
        return next((name for name in map(model_name, agent.sub_agents) if name), "")
    model = agent.canonical_model
    return model if isinstance(model, str) else model.model


def is_gemini(model: str) -> bool:
    """Whether the name is one of Google's models."""
    return short_name(model).startswith("gemini-")


def is_local(model: str) -> bool:
    """Whether the name is the embedded agent's."""
    return model == "local"


def answers_by_voice_only(model: str) -> bool:
    """Whether the model refuses TEXT as its modality: native audio and the 3.x live models."""
    return is_gemini(model) and not capabilities_of(model).text_out


_CLIENT_DETECTS = RealtimeInputConfig(automatic_activity_detection=AutomaticActivityDetection(disabled=True))


def live_run_config(
    model: str,
    *,
    modality: Modality | None = None,
    proactivity: bool = False,
    affective_dialog: bool = False,
    vad: Literal["server", "off"] = "server",
) -> RunConfig:
    """The settings of a call on `model`.

    Without `modality`, models that speak (native audio, 3.x, the embedded agent) answer in AUDIO with transcripts of
    both sides, the others in TEXT. Proactivity and affective dialog are only asked of native audio models. With `vad`
    off, the client says when the user begins and ends to speak.
    """
    speaks = answers_by_voice_only(model) or is_local(model)
    wanted = modality or (Modality.AUDIO if speaks else Modality.TEXT)
    if wanted is Modality.TEXT and answers_by_voice_only(model):
        logger.warning("%s answers by voice only: TEXT was asked for, AUDIO with transcripts is used", model)
        wanted = Modality.AUDIO
    voice = wanted is Modality.AUDIO
    native = "native-audio" in model
    if (proactivity or affective_dialog) and not native:
        logger.warning("%s has neither proactivity nor affective dialog: the options are left out", model)
    return RunConfig(
        streaming_mode=StreamingMode.BIDI,
        response_modalities=[wanted],
        input_audio_transcription=AudioTranscriptionConfig() if voice else None,
        output_audio_transcription=AudioTranscriptionConfig() if voice else None,
        realtime_input_config=_CLIENT_DETECTS.model_copy(deep=True) if vad == "off" else None,
        session_resumption=SessionResumptionConfig() if is_gemini(model) else None,
        proactivity=ProactivityConfig(proactive_audio=True) if proactivity and native else None,
        enable_affective_dialog=True if affective_dialog and native else None,
    )
