"""How one run is to behave. ADK's fields under ADK's names, then ours; an unknown field is an error."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fullduplex.sessions.base import GetSessionConfig
from fullduplex.types.config import (
    AudioTranscriptionConfig,
    AvatarConfig,
    ContextWindowCompressionConfig,
    HistoryConfig,
    Modality,
    ProactivityConfig,
    RealtimeInputConfig,
    SessionResumptionConfig,
    SpeechConfig,
    TranslationConfig,
)
from fullduplex.types.content import Content

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    Modalities = Sequence[Modality | str]
else:  # words are read as members
    Modalities = list[Modality]


class StreamingMode(Enum):
    """How `run_async` streams; `run_live` streams both ways whatever is set."""

    NONE = None
    SSE = "sse"
    BIDI = "bidi"


class ToolThreadPoolConfig(BaseModel):
    """How many synchronous tools of one run may work at once."""

    model_config = ConfigDict(extra="forbid")

    max_workers: int = Field(default=4, ge=1)


class ContextFallback(BaseModel):
    """Compresses the conversation on our side, for models whose backend does not (`context_window_compression`).

    When the conversation takes `trigger_tokens`, its earlier turns are replaced by a summary, so that all of it takes
    at most `target_tokens`; the last `keep_turns` turns stay word for word, or as many of them as fit. Without
    `summarize` the summary is an extract: the sentences that tell most, repeated, made without a model. `summarize` is
    given the earlier turns, an earlier summary first among them, and returns a text or an awaitable one; what is too
    long is cut off. Tokens are estimates, of the conversation without instruction and tools.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    trigger_tokens: int = Field(ge=1)
    target_tokens: int = Field(ge=1)
    keep_turns: int = Field(default=6, ge=1)
    summarize: Callable[[list[Content]], str | Awaitable[str]] | None = None

    @model_validator(mode="after")
    def _shrinks(self) -> Self:
        if self.target_tokens >= self.trigger_tokens:
            raise ValueError("target_tokens must be less than trigger_tokens")
        return self


class LiveBlobConfig(BaseModel):
    """What `save_live_blob` records of a live run, in how much detail, and for how long it stays.

    `audio` is both sides'; `video` is the frames that the user sent. Of all runs, the share `sample` is recorded (from
    0.0 to 1.0), each from its beginning to its end. A file holds one side's audio of a turn, and of a long turn at most
    `max_file_s` seconds. Whenever a recording is saved, older ones of the same session are deleted: those of more than
    `max_age_s` seconds, and those beyond the newest `keep_last` of their kind (the user's audio, the agent's, video).
    """

    model_config = ConfigDict(extra="forbid")

    audio: bool = True
    video: bool = True
    sample: float = Field(default=1.0, ge=0.0, le=1.0)
    max_file_s: float = Field(default=120.0, ge=1.0, le=600.0)
    keep_last: int | None = Field(default=None, ge=1)
    max_age_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)


def _max_llm_calls() -> int:
    return int(os.environ.get("ADK_MAX_LLM_CALLS") or 500)


class RunConfig(BaseModel):
    """Settings of one run; the caller's object is never changed.

    For `run_live`, `response_modalities` left at None means `["AUDIO"]`, both transcriptions are on unless set to
    None, and `streaming_mode`, `support_cfc`, `max_llm_calls` and the blob and artifact switches of text runs have no
    effect.

    The last fields are ours, and for `run_live` alone. `max_turns` (of the model), `max_duration_s` (seconds) and
    `max_total_tokens` (the sum of what the backend reports turn by turn) end a run; None is no limit. No answer is cut
    off by a limit, but by that of time after a grace of ten seconds. `context_fallback` keeps a long conversation
    within the model's context. With `output_key_from_speech` the state that an agent's `output_key` names receives what
    it says aloud, too: its finished transcripts, as far as they were heard. `live_blob` says how `save_live_blob`
    records, and is an error without it.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    speech_config: SpeechConfig | None = None
    response_modalities: Modalities | None = None
    save_input_blobs_as_artifacts: bool = False
    support_cfc: bool = False
    streaming_mode: StreamingMode = StreamingMode.NONE
    output_audio_transcription: AudioTranscriptionConfig | None = Field(default_factory=AudioTranscriptionConfig)
    input_audio_transcription: AudioTranscriptionConfig | None = Field(default_factory=AudioTranscriptionConfig)
    realtime_input_config: RealtimeInputConfig | None = None
    explicit_vad_signal: bool | None = None
    proactivity: ProactivityConfig | None = None
    enable_affective_dialog: bool | None = None
    session_resumption: SessionResumptionConfig | None = None
    context_window_compression: ContextWindowCompressionConfig | None = None
    history_config: HistoryConfig | None = None
    translation_config: TranslationConfig | None = None
    avatar_config: AvatarConfig | None = None
    save_live_blob: bool = False
    save_live_audio: bool = False
    max_llm_calls: int = Field(default_factory=_max_llm_calls, validate_default=True)
    custom_metadata: dict[str, Any] | None = None
    tool_thread_pool_config: ToolThreadPoolConfig | None = None
    get_session_config: GetSessionConfig | None = None
    model_input_context: list[Any] | None = None
    include_thoughts_from_other_agents: bool = False
    http_options: Any = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    telemetry: Any = None

    max_turns: int | None = Field(default=None, ge=1)
    max_duration_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_total_tokens: int | None = Field(default=None, ge=1)
    context_fallback: ContextFallback | None = None
    output_key_from_speech: bool = True
    live_blob: LiveBlobConfig | None = None

    @field_validator("max_llm_calls")
    @classmethod
    def _bounded(cls, value: int) -> int:
        if value >= sys.maxsize:
            raise ValueError(f"max_llm_calls must be less than {sys.maxsize}")
        if value <= 0:
            logger.warning("max_llm_calls is %d: the number of model calls in a run is not limited", value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("save_live_audio"):
            warnings.warn("save_live_audio is deprecated: use save_live_blob", DeprecationWarning, stacklevel=2)
            data = {**data, "save_live_blob": True}
        return data

    @model_validator(mode="after")
    def _recorded(self) -> Self:
        if self.live_blob is not None and not self.save_live_blob:
            raise ValueError("live_blob has no effect without save_live_blob=True")
        return self
