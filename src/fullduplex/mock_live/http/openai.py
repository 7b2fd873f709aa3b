"""Chat completions as OpenAI and its kin serve them: requests read, answers written."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from fullduplex.mock_live.steps import FunctionCall

from .api import Api, Refused, Said
from .exchange import Exchange
from .openai_checks import check_body

PATH = "/chat/completions"
_CREATED = 1_750_000_000
_TYPES = {401: "invalid_request_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}
_CODES = {429: "rate_limit_exceeded", 404: "model_not_found", 401: "invalid_api_key"}
_REASONS = {"STOP": "stop", "MAX_TOKENS": "length"}


def _error(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    kind = _TYPES.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code or _CODES.get(status)}}


def is_for(path: str) -> bool:
    """Whether a path is one of this API's."""
    return path.endswith(PATH)


def read(
    path: str, query: dict[str, str], headers: dict[str, str], body: dict[str, Any], keys: Collection[str] | None
) -> Exchange:
    """The request, with its credentials checked; raises `Refused`. No keys at all: a server that asks for none."""
    key = headers.get("authorization", "").removeprefix("Bearer ").strip()
    if keys is not None and not key:
        raise Refused(401, _error(401, "You didn't provide an API key. You need to provide your API key in an "
                                       "Authorization header using Bearer auth."))  # fmt: skip
    if keys is not None and key not in keys:
        raise Refused(401, _error(401, f"Incorrect API key provided: {key[:2]}***."))
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refused(400, _error(400, "you must provide a model parameter"))
    return Exchange("openai", model, bool(body.get("stream")), path, headers, body, query)


def check(exchange: Exchange) -> None:
    """Raises `Refused` for what OpenAI would not take."""
    for complaint in check_body(exchange.body):
        raise Refused(400, _error(400, complaint.message, complaint.code, complaint.param))


class OpenAiApi(Api):
    """Answers in OpenAI's words. Thoughts are `reasoning_content`, as vLLM, llama.cpp and DeepSeek have them."""

    def error(self, status: int, message: str) -> dict[str, Any]:
        """See `Api`."""
        return _error(status, message)

    def begin(self) -> Iterable[dict[str, Any]]:
        """See `Api`."""
        return [self._chunk({"role": "assistant", "content": "", "refusal": None})]

    def text(self, text: str, *, thought: bool) -> dict[str, Any]:
        """See `Api`."""
        return self._chunk({"reasoning_content": text} if thought else {"content": text})

    def calls(self, calls: list[FunctionCall], *, first: int) -> Iterable[dict[str, Any]]:
        """See `Api`: the head of each call, then its arguments in pieces."""
        for index, call in enumerate(calls, start=first):
            head = {**_call(call, index), "index": index}
            arguments = head["function"]["arguments"]
            head["function"] = {"name": call.name, "arguments": ""}
            yield self._chunk({"tool_calls": [head]})
            for at in range(0, len(arguments), 5):
                piece = {"index": index, "function": {"arguments": arguments[at : at + 5]}}
                yield self._chunk({"tool_calls": [piece]})

    def end(self, said: Said) -> Iterable[dict[str, Any]]:
        """See `Api`: the reason, then the usage where it was asked for."""
        yield self._chunk({}, _reason(said))
        if (self.exchange.body.get("stream_options") or {}).get("include_usage"):
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(said)}

    def last(self) -> bytes:
        """See `Api`."""
        return self.event("[DONE]")

    def whole(self, said: Said) -> dict[str, Any]:
        """See `Api`."""
        message: dict[str, Any] = {"role": "assistant", "content": said.joined("text") or None, "refusal": None}
        if thought := said.joined("thought"):
            message["reasoning_content"] = thought
        if said.calls:
            message["tool_calls"] = [_call(call, index) for index, call in enumerate(said.calls)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(said)}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage(said)}

    def blocked(self, reason: str) -> dict[str, Any]:
        """See `Api`."""
        raise Refused(400, _error(400, f"Invalid prompt: it was flagged ({reason}).", "invalid_prompt"))

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.exchange.number}",
            "object": kind,
            "created": _CREATED,
            "model": self.exchange.model,
            "system_fingerprint": None,
        }

    def _usage(self, said: Said) -> dict[str, Any]:
        counts = said.counts(self.exchange)
        completion = counts.response + (counts.thoughts or 0)
        return {
            "prompt_tokens": counts.prompt,
            "completion_tokens": completion,
            "total_tokens": counts.prompt + completion,
            "prompt_tokens_details": {"cached_tokens": counts.cached or 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": counts.thoughts or 0, "audio_tokens": 0},
        }


def _reason(said: Said) -> str:
    if said.reason == "STOP" and said.calls:
        return "tool_calls"
    return _REASONS.get(said.reason, "content_filter")


def _call(call: FunctionCall, index: int) -> dict[str, Any]:
    arguments = msgspec.json.encode(call.args).decode()
    return {
        "id": call.id or f"call_{call.name}_{index}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }
