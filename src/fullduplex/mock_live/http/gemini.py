"""generateContent and streamGenerateContent, of the Gemini API and of Vertex AI: requests read, answers written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from fullduplex.mock_live.steps import FunctionCall

from .api import Api, Refused, Said
from .exchange import ApiName, Exchange
from .gemini_checks import check_body

_PATH = re.compile(
    r"/(?P<version>v1beta1|v1beta|v1alpha|v1)/(?P<prefix>projects/[^/]+/locations/[^/]+/)?"
    r"(?P<publisher>publishers/[^/]+/)?(?P<kind>models|tunedModels)/(?P<model>[^/:]+)"
    r":(?P<method>generateContent|streamGenerateContent)"
)
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}}


def _refuse(message: str, status: int = 400) -> Refused:
    return Refused(status, _error(status, message))


def is_for(path: str) -> bool:
    """Whether a path is one of this API's."""
    return _PATH.fullmatch(path) is not None


def read(
    path: str, query: dict[str, str], headers: dict[str, str], body: dict[str, Any], keys: Collection[str] | None
) -> Exchange:
    """The request, with its credentials checked; raises `Refused`."""
    match = _PATH.fullmatch(path)
    assert match is not None
    api: ApiName = "vertex" if match["publisher"] else "gemini"
    key = headers.get("x-goog-api-key") or query.get("key") or ""
    token = headers.get("authorization", "").removeprefix("Bearer ")
    if not (key or token):
        if api == "vertex":
            raise _refuse("Request is missing required authentication credential.", 401)
        raise _refuse("Method doesn't allow unregistered callers (callers without established identity).", 403)
    if keys is not None and (key or token) not in keys:
        if token:
            raise _refuse("Request had invalid authentication credentials.", 401)
        raise _refuse("API key not valid. Please pass a valid API key.")
    stream = match["method"] == "streamGenerateContent"
    if stream and query.get("alt") != "sse":
        raise _refuse("This mock streams server-sent events only: alt=sse")
    return Exchange(api, match["model"], stream, path, headers, body, query)


def check(exchange: Exchange) -> None:
    """Raises `Refused` for what the service would not take."""
    for complaint in check_body(exchange.body, vertex=exchange.api == "vertex"):
        raise _refuse(complaint)


class GeminiApi(Api):
    """Answers in Gemini's words."""

    newline = b"\r\n"

    def error(self, status: int, message: str) -> dict[str, Any]:
        """See `Api`."""
        return _error(status, message)

    def begin(self) -> Iterable[dict[str, Any]]:
        """See `Api`."""
        return []

    def text(self, text: str, *, thought: bool) -> dict[str, Any]:
        """See `Api`."""
        return self._message([{"text": text, "thought": True} if thought else {"text": text}])

    def calls(self, calls: list[FunctionCall], *, first: int) -> Iterable[dict[str, Any]]:
        """See `Api`."""
        return [self._message([_call(call) for call in calls])]

    def end(self, said: Said) -> Iterable[dict[str, Any]]:
        """See `Api`."""
        last = self._message([{"text": ""}])
        return [self._closed(last, said)]

    def whole(self, said: Said) -> dict[str, Any]:
        """See `Api`."""
        parts: list[dict[str, Any]] = []
        for kind, value in said.pieces:
            if isinstance(value, FunctionCall):
                parts.append(_call(value))
            elif parts and "text" in parts[-1] and parts[-1].get("thought", False) == (kind == "thought"):
                parts[-1]["text"] += value
            else:
                parts.append({"text": value, "thought": True} if kind == "thought" else {"text": value})
        return self._closed(self._message(parts), said)

    def blocked(self, reason: str) -> dict[str, Any]:
        """See `Api`."""
        usage = {"promptTokenCount": 1, "totalTokenCount": 1}
        return {
            "promptFeedback": {"blockReason": reason},
            "usageMetadata": usage,
            "modelVersion": self.exchange.model,
            "responseId": self._id(),
        }

    def _message(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        content = {"parts": parts, "role": "model"} if parts else {"role": "model"}
        candidate: dict[str, Any] = {"content": content, "index": 0}
        return {"candidates": [candidate], "modelVersion": self.exchange.model, "responseId": self._id()}

    def _closed(self, message: dict[str, Any], said: Said) -> dict[str, Any]:
        candidate = message["candidates"][0]
        candidate["finishReason"] = said.reason
        if said.grounding is not None:
            candidate["groundingMetadata"] = said.grounding
        return {**message, "usageMetadata": self._usage(said)}

    def _usage(self, said: Said) -> dict[str, Any]:
        counts = said.counts(self.exchange)
        optional = {
            "thoughtsTokenCount": counts.thoughts,
            "cachedContentTokenCount": counts.cached,
            "toolUsePromptTokenCount": counts.tool_use,
        }
        return {
            "promptTokenCount": counts.prompt,
            "candidatesTokenCount": counts.response,
            "totalTokenCount": counts.prompt + counts.response + (counts.thoughts or 0),
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": counts.prompt}],
            **{name: count for name, count in optional.items() if count is not None},
        }

    def _id(self) -> str:
        return f"response-{self.exchange.number}"


def _call(call: FunctionCall) -> dict[str, Any]:
    # generateContent leaves out the id, unless the script says one.
    return {"functionCall": {"name": call.name, "args": call.args, **({"id": call.id} if call.id else {})}}
