"""Messages of the generateContent wire, written and read. No sockets, no environment.

Upward everything is camelCase. Downward each message, streamed or not, becomes one `LlmResponse`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from fullduplex.errors import InvalidConfig, InvalidInput, ModelError
from fullduplex.models import http_failures, schemas
from fullduplex.models.gemini.setup import Backend
from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.types.config import GenerateContentConfig
from fullduplex.types.content import Content, Part
from fullduplex.types.live import UsageMetadata
from fullduplex.types.struct import Message, decoder, encode_json

OWN_ID = "call-fd-"
"""How ids begin that we gave to calls without one; the backend never sees them."""

_TOP_LEVEL = frozenset({"safetySettings", "toolConfig", "cachedContent", "labels", "serviceTier", "store"})
_ELSEWHERE = frozenset(
    {"tools", "systemInstruction", "httpOptions", "automaticFunctionCalling", "shouldReturnHttpResponse"}
)
_FREE_FORM = frozenset({"labels", "responseJsonSchema", "responseSchema"})


def encode(request: LlmRequest, *, backend: Backend) -> bytes:
    """The body of a request.

    Raises `InvalidInput` for content that JSON cannot hold, `InvalidConfig` for settings that the backend lacks.
    """
    body: dict[str, Any] = {"contents": [_turn(content) for content in request.contents]}
    if request.system_instruction:
        body["systemInstruction"] = {"parts": [{"text": request.system_instruction}], "role": "user"}
    if request.tools:
        body["tools"] = request.tools
    generation: dict[str, Any] = {}
    for name, value in _settings(request.config).items():
        if name == "labels" and backend == "gemini":
            raise InvalidConfig("labels are only supported for Vertex AI backend.")
        (body if name in _TOP_LEVEL else generation)[name] = value
    if request.output_schema is not None:
        generation["responseMimeType"] = "application/json"
        generation["responseJsonSchema"] = schemas.output_schema(request.output_schema)
    if generation:
        body["generationConfig"] = generation
    try:
        return encode_json(body)
    except (NotImplementedError, TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"not expressible in JSON: {error}", code="not_json", field="contents") from None


def _turn(content: Content) -> dict[str, Any]:
    # The role is written out: a class whose default it is would leave it out of its JSON.
    return {"role": content.role or "user", "parts": [_without_own_id(part) for part in content.parts or []]}


def _without_own_id(part: Part) -> Part:
    call, response = part.function_call, part.function_response
    if call is not None and (call.id or "").startswith(OWN_ID):
        return part.model_copy(update={"function_call": call.model_copy(update={"id": None})})
    if response is not None and (response.id or "").startswith(OWN_ID):
        return part.model_copy(update={"function_response": response.model_copy(update={"id": None})})
    return part


def _settings(config: GenerateContentConfig) -> dict[str, Any]:
    settings = {}
    for name in (*type(config).model_fields, *(config.model_extra or {})):
        value, wire_name = getattr(config, name), to_camel(name)
        if value is None or wire_name in _ELSEWHERE:
            continue
        if wire_name == "responseSchema" and not isinstance(value, dict):
            wire_name, value = "responseJsonSchema", schemas.output_schema(value)
        settings[wire_name] = value if wire_name in _FREE_FORM else _camel(value)
    return settings


def _camel(value: Any) -> Any:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, dict):
        return {to_camel(key): _camel(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_camel(item) for item in value]
    return value.value if isinstance(value, Enum) else value


class Candidate(Message):
    """One of the answers; the API gives one unless it is asked for more."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: dict[str, Any] | None = None


class PromptFeedback(Message):
    """Why a prompt was not answered at all."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class GenerateContentResponse(Message):
    """A whole answer, or a piece of one."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None


_DECODER = decoder(GenerateContentResponse)


class Decoder:
    """Reads the messages of one answer. Calls that come without an id get one: here from `new_id`."""

    def __init__(self, new_id: Callable[[], str] = lambda: OWN_ID + uuid.uuid4().hex) -> None:
        self._new_id = new_id

    def read(self, raw: bytes) -> LlmResponse:
        """One message; raises `ModelError` for an error message and for what nobody can read."""
        try:
            message = _DECODER.decode(raw)
            if message == GenerateContentResponse() and _is_error(payload := msgspec.json.decode(raw)):
                raise http_failures.from_payload(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise ModelError(f"The model's answer cannot be read: {error}") from None
        response = LlmResponse(usage_metadata=message.usage_metadata, model_version=message.model_version)
        if message.candidates:
            self._take(message.candidates[0], response)
        elif (feedback := message.prompt_feedback) is not None and feedback.block_reason:
            response.error_code = response.finish_reason = feedback.block_reason
            response.error_message = feedback.block_reason_message
        return response

    def _take(self, candidate: Candidate, response: LlmResponse) -> None:
        response.finish_reason = candidate.finish_reason
        response.error_message = candidate.finish_message
        response.grounding_metadata = candidate.grounding_metadata
        response.content = candidate.content
        for part in (candidate.content.parts if candidate.content is not None else None) or []:
            if part.function_call is not None and not part.function_call.id:
                part.function_call.id = self._new_id()


def _is_error(payload: Any) -> bool:
    return isinstance(payload, dict) and "error" in payload
