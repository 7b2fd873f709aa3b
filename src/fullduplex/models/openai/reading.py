"""Answers of the chat completions API, whole or in chunks, read into `LlmResponse`. Pure.

Servers differ: thoughts come as `reasoning_content` or `reasoning`, tool calls in pieces by index or whole, with an
index or without.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fullduplex.errors import ModelError
from fullduplex.models import http_failures
from fullduplex.models.text import LlmResponse
from fullduplex.types.content import Content, FunctionCall, Part
from fullduplex.types.live import UsageMetadata

DONE = b"[DONE]"

_REASONS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "function_call": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
MALFORMED_CALL = "MALFORMED_FUNCTION_CALL"


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Words(msgspec.Struct):
    """A `message`, or the `delta` of one."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _Words | None = None
    delta: _Words | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    model: str | None = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Completion)


@dataclass
class _Growing:
    """A tool call whose arguments are still coming."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def take(self, piece: _ToolCall) -> None:
        function = piece.function or _Function()
        self.id = self.id or piece.id or ""
        self.name = self.name or function.name or ""
        if isinstance(function.arguments, dict):  # some servers have parsed them already
            self.arguments.append(msgspec.json.encode(function.arguments).decode())
        else:
            self.arguments.append(function.arguments or "")


class Reader:
    """Reads the messages of one answer; tool calls are kept until they are whole. One without an id gets `new_id()`."""

    def __init__(self, new_id: Callable[[], str] = lambda: f"call_{uuid.uuid4().hex}") -> None:
        self._new_id = new_id
        self._calls: list[_Growing] = []
        self._by_index: dict[int, _Growing] = {}

    def read(self, raw: bytes) -> LlmResponse:
        """The text and the ends in one message; raises `ModelError` for an error message or what nobody can read."""
        try:
            message = _DECODER.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelError(f"The model's answer cannot be read: {error}") from None
        if message.error is not None:
            raise http_failures.from_payload({"error": message.error})
        response = LlmResponse(usage_metadata=_usage(message.usage), model_version=message.model)
        for choice in (message.choices or [])[:1]:
            words = choice.delta or choice.message or _Words()
            if choice.finish_reason:
                response.finish_reason = _REASONS.get(choice.finish_reason, "OTHER")
            if words.refusal:
                response.finish_reason = "SAFETY"
            response.content = _content(words)
            for piece in words.tool_calls or []:
                self._growing(piece).take(piece)
        return response

    def calls(self) -> LlmResponse:
        """The tool calls of the whole answer, to be asked for when it has ended."""
        parts: list[Part] = []
        for call in self._calls:
            try:
                args = msgspec.json.decode("".join(call.arguments).strip() or "{}", type=dict[str, Any])
            except (msgspec.DecodeError, RecursionError) as error:
                text = f"The model called {call.name} with arguments that are no JSON object: {error}"
                return LlmResponse(finish_reason=MALFORMED_CALL, error_message=text)
            parts.append(Part(function_call=FunctionCall(id=call.id or self._new_id(), name=call.name, args=args)))
        return LlmResponse(content=Content(role="model", parts=parts) if parts else None)

    def _growing(self, piece: _ToolCall) -> _Growing:
        known = self._by_index.get(piece.index) if piece.index is not None else self._last_unless_new(piece)
        if known is None or (piece.id and known.id and piece.id != known.id):
            known = _Growing()
            self._calls.append(known)
            if piece.index is not None:
                self._by_index[piece.index] = known
        return known

    def _last_unless_new(self, piece: _ToolCall) -> _Growing | None:
        begins = piece.function is not None and bool(piece.function.name)
        return self._calls[-1] if self._calls and not begins else None


def _content(words: _Words) -> Content | None:
    thought = words.reasoning_content or words.reasoning
    parts = [Part(text=thought, thought=True)] if thought else []
    if said := words.content or words.refusal:
        parts.append(Part(text=said))
    return Content(role="model", parts=parts) if parts else None


def _usage(usage: _Usage | None) -> UsageMetadata | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details or _Details(), usage.completion_tokens_details or _Details()
    thoughts, answered = completion.reasoning_tokens or None, usage.completion_tokens
    # OpenAI counts thoughts among the completion's tokens, Gemini beside the candidates'.
    said = answered - thoughts if answered is not None and thoughts else answered
    return UsageMetadata(
        prompt_token_count=usage.prompt_tokens,
        candidates_token_count=said,
        total_token_count=usage.total_tokens,
        cached_content_token_count=prompt.cached_tokens or None,
        thoughts_token_count=thoughts,
    )
