"""What a live connection says: the messages from a model's backend, in the one vocabulary that the engine reads.

They are the messages of Gemini's BidiGenerateContent, a union by presence: several
fields may be set in one message. Other backends translate to them.
"""

from __future__ import annotations

from typing import Any

from fullduplex.types.content import Blob, Content, FunctionCall, Part
from fullduplex.types.struct import Message


class Transcription(Message):
    """What was said, as text: `text` is new words, or the whole when `finished` is true."""

    text: str | None = None
    finished: bool | None = None
    language_code: str | None = None
    speaker_label: str | None = None
    words: list[dict[str, Any]] | None = None
    start_offset: str | None = None
    end_offset: str | None = None


class ActivityStart(Message):
    """The user begins to speak, by the client's own judgement (automatic detection is off)."""


class ActivityEnd(Message):
    """The user has ended, by the client's own judgement."""


class AudioStreamEnd(Message):
    """The microphone was closed: what was said so far is complete."""


Signal = ActivityStart | ActivityEnd | AudioStreamEnd


class ModalityTokenCount(Message):
    """Tokens of one modality."""

    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(Message):
    """Tokens that a turn took, as the backend counts them; Vertex's and the Gemini API's names both read."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    response_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityTokenCount] | None = None
    cache_tokens_details: list[ModalityTokenCount] | None = None
    candidates_tokens_details: list[ModalityTokenCount] | None = None
    response_tokens_details: list[ModalityTokenCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityTokenCount] | None = None
    traffic_type: str | None = None


class LiveServerContent(Message):
    """The model's turn: content, transcripts of both sides, and the flags that mark where a turn stands."""

    model_turn: Content | None = None
    turn_complete: bool | None = None
    interrupted: bool | None = None
    generation_complete: bool | None = None
    input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    interim_input_transcription: Transcription | None = None
    grounding_metadata: dict[str, Any] | None = None
    url_context_metadata: dict[str, Any] | None = None
    turn_complete_reason: str | None = None
    interaction_status: str | None = None
    waiting_for_input: bool | None = None


class LiveServerToolCall(Message):
    """Tools that the model wants run."""

    function_calls: list[FunctionCall] | None = None


class LiveServerToolCallCancellation(Message):
    """Calls whose answers the model no longer wants."""

    ids: list[str] | None = None


class LiveServerGoAway(Message):
    """The backend will close this connection in `time_left` (a duration such as `10s`)."""

    time_left: str | None = None


class LiveServerSessionResumptionUpdate(Message):
    """A handle from which a later connection can go on; the index counts client messages that it covers."""

    new_handle: str | None = None
    resumable: bool | None = None
    last_consumed_client_message_index: int | str | None = None


class LiveServerSetupComplete(Message):
    """The backend accepted the setup."""

    session_id: str | None = None


class VoiceActivity(Message):
    """Start or end of the user's speech, as the backend's own detector heard it."""

    voice_activity_type: str | None = None
    audio_offset: str | None = None


class VoiceActivityDetectionSignal(Message):
    """An older form of `VoiceActivity`."""

    vad_signal_type: str | None = None


class LiveServerMessage(Message):
    """One message from the backend; a union by presence."""

    setup_complete: LiveServerSetupComplete | None = None
    server_content: LiveServerContent | None = None
    tool_call: LiveServerToolCall | None = None
    tool_call_cancellation: LiveServerToolCallCancellation | None = None
    usage_metadata: UsageMetadata | None = None
    go_away: LiveServerGoAway | None = None
    session_resumption_update: LiveServerSessionResumptionUpdate | None = None
    voice_activity: VoiceActivity | None = None
    voice_activity_detection_signal: VoiceActivityDetectionSignal | None = None


class LiveServerAudio(LiveServerMessage):
    """A message that holds one chunk of the model's audio and nothing else, made by `of`.

    A backend whose wire tells it so may say it by this class: then nobody need look for anything else in the message.
    """

    @classmethod
    def of(cls, chunk: Blob, role: str | None) -> LiveServerAudio:
        """The message of `chunk`."""
        turn = Content(parts=[Part(inline_data=chunk)], role=role)
        return cls(server_content=LiveServerContent(model_turn=turn))
