"""What can go wrong with a request over HTTP: statuses and error bodies of the Gemini and OpenAI APIs → our errors.

The codes are those of `gemini.failures`, which names what goes wrong with live connections.

| code | when | recoverable |
|---|---|---|
| `unauthorized` | HTTP 401, 403, or 400 that speaks of the API key | no |
| `quota_exceeded` | HTTP 429, RESOURCE_EXHAUSTED | yes, unless the account's credit is used up |
| `model_unavailable` | HTTP 404 | no |
| `unavailable` | HTTP 408, 5xx | yes |
| `model_error` | any other refusal | no |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from fullduplex.errors import ModelError

_DETAIL = 300
_KEY = re.compile(r"api.?key|unauthenticated|credential", re.IGNORECASE)
_NO_CREDIT = "insufficient_quota"
_NUMBERS = {
    "RESOURCE_EXHAUSTED": 429,
    "rate_limit_exceeded": 429,
    _NO_CREDIT: 429,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "invalid_api_key": 401,
    "NOT_FOUND": 404,
    "model_not_found": 404,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
    "server_error": 500,
    "DEADLINE_EXCEEDED": 504,
}


def from_status(status: int, body: str, *, secrets: Iterable[str] = ()) -> ModelError:
    """The error for an answer with a status that is no success; `secrets` are kept out of its text."""
    for secret in secrets:
        body = body.replace(secret, "…") if secret else body
    try:
        payload: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        payload = {"message": re.sub(r"<[^>]*>", " ", body)}
    return from_payload(payload, status=status)


def from_payload(payload: Any, *, status: int = 0) -> ModelError:
    """The error that a body or event tells of: `{"error": {…}}`, in a list or not; `status` is that of HTTP, or 0."""
    if isinstance(payload, list):
        payload = payload[0] if payload else {}
    inner = payload.get("error", payload) if isinstance(payload, dict) else payload
    error: dict[str, Any] = inner if isinstance(inner, dict) else {"message": inner}
    names = [str(error[key]) for key in ("status", "code", "type") if error.get(key)]
    message = " ".join(str(error.get("message") or error.get("detail") or "no details").split())[:_DETAIL]
    number = status or next((found for name in names if (found := _number(name))), 0)
    return _error(number, f"{message} ({', '.join([f'HTTP {status}'] if status else names) or 'error'})", names)


def _number(name: str) -> int:
    return int(name) if name.isdigit() else _NUMBERS.get(name, 0)


def _error(number: int, text: str, names: list[str]) -> ModelError:
    if number == 429:
        recoverable = _NO_CREDIT not in names
        return ModelError(f"The model's quota is used up: {text}", code="quota_exceeded", recoverable=recoverable)
    if number in (401, 403) or (number == 400 and _KEY.search(text)):
        return ModelError(f"The model refused the key or login: {text}", code="unauthorized")
    if number == 404:
        return ModelError(
            f"There is no such model at this address (wrong name, base URL or API version?): {text}",
            code="model_unavailable",
        )
    if number == 408 or number >= 500:
        return ModelError(f"The model's server is not available: {text}", code="unavailable", recoverable=True)
    return ModelError(f"The model refused the request: {text}")
