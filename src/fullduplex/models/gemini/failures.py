"""What can go wrong with the backend, in one table: closes, HTTP refusals and error messages → our errors.

Codes are stable: users meet them in exceptions, in error events and on the page.

| code | when | recoverable |
|---|---|---|
| `unauthorized` | key or login refused (HTTP 400, 401, 403, or a close that says so) | no |
| `quota_exceeded` | HTTP 429, or RESOURCE_EXHAUSTED in a close or error message | yes |
| `content_blocked` | SAFETY, PROHIBITED_CONTENT or BLOCKLIST in an error message | no |
| `max_output_tokens` | MAX_TOKENS in an error message | no |
| `cancelled` | CANCELLED in an error message | no |
| `model_unavailable` | the model or the method is not there (HTTP 404, close 1008 "not found") | no |
| `resumption_failed` | the handle is not known any more | no |
| `invalid_setup` | the setup was refused (close 1007 or 1008 before it was accepted) | no |
| `protocol_error` | a later message was refused (close 1007, 1002, 1003) | no |
| `unavailable` | HTTP 5xx, or UNAVAILABLE, INTERNAL, DEADLINE_EXCEEDED or UNKNOWN in an error message | yes |
| `unreachable` | no address, no route, refused, TLS not trusted (that one not recoverable) | yes |
| `timeout` | no answer in time while connecting | yes |
| `connection_lost` | everything else that ends a connection | by close code |
| `model_error` | any other error message | no |
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Any

from fullduplex.errors import ConnectionLost, ModelError


class SocketClosed(Exception):
    """Raised by the socket when the connection has ended: `code` is the WebSocket's, 1006 without a close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class HandshakeRefused(Exception):
    """Raised by the socket when the server answers with an HTTP status instead of a WebSocket."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


RECOVERABLE_CLOSES = frozenset({1000, 1001, 1006, 1011, 1012, 1013, 1014})
_DETAIL = 300


@dataclass(frozen=True)
class _Rule:
    code: str
    recoverable: bool
    text: str
    closes: frozenset[int] | None = None
    words: re.Pattern[str] | None = None
    in_setup: bool | None = None

    def fits(self, close_code: int, reason: str, in_setup: bool) -> bool:
        return (
            (self.closes is None or close_code in self.closes)
            and (self.words is None or self.words.search(reason) is not None)
            and (self.in_setup is None or self.in_setup is in_setup)
        )


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_QUOTA = _words(r"resource.?exhausted|quota|rate.?limit")
_IDENTITY = _words(r"api.?key|credential|unauthenticated|permission|unauthori[sz]ed|auth(entication)? token")
_REFUSING = frozenset({1007, 1008})

_CLOSES = (
    _Rule("quota_exceeded", True, "The model's quota is used up", words=_QUOTA),
    _Rule("unauthorized", False, "The model refused the key or login", closes=_REFUSING, words=_IDENTITY),
    _Rule(
        "resumption_failed",
        False,
        "The session cannot be resumed from this handle",
        closes=frozenset({1008}),
        words=_words(r"session not found|resumption|handle"),
    ),
    _Rule(
        "model_unavailable",
        False,
        "The model is not available (wrong name, API version or region?)",
        closes=frozenset({1008}),
        words=_words(r"not found|not supported for|does not exist|not available"),
    ),
    _Rule("invalid_setup", False, "The model refused its setup", closes=_REFUSING, in_setup=True),
    _Rule("protocol_error", False, "The model refused a message", closes=frozenset({1002, 1003, 1007})),
)
_ENDINGS = {
    1000: "The model ended the connection",
    1001: "The model's server is going away",
    1005: "The model ended the connection and did not say why",
    1006: "The connection to the model broke off",
    1008: "The model's server refused to go on",
    1009: "A message was too big",
    1011: "The model's server had an internal error",
    1012: "The model's server restarts",
    1013: "The model's server asks to try again later",
    1014: "A gateway before the model failed",
}


def from_close(close_code: int, reason: str, *, in_setup: bool = False) -> ConnectionLost:
    """The error for a WebSocket that was closed; `in_setup`: before the setup was accepted."""
    rule = next((rule for rule in _CLOSES if rule.fits(close_code, reason, in_setup)), None)
    text = rule.text if rule is not None else _ENDINGS.get(close_code, "The connection to the model ended")
    return ConnectionLost(
        f"{text} (close code {close_code}{': ' + reason[:_DETAIL] if reason else ''}).",
        close_code=close_code,
        reason=reason,
        code=rule.code if rule is not None else None,
        recoverable=rule.recoverable if rule is not None else close_code in RECOVERABLE_CLOSES,
    )


def from_status(status: int, body: str) -> ModelError:
    """The error for a handshake that was answered with an HTTP status instead of a WebSocket."""
    detail = f"HTTP {status}{': ' + _squeeze(body) if body.strip() else ''}"
    if status == 429 or _QUOTA.search(body):
        return ModelError(f"The model's quota is used up ({detail}).", code="quota_exceeded", recoverable=True)
    if status in (400, 401, 403):
        return ModelError(f"The model refused the key or login ({detail}).", code="unauthorized")
    if status == 404:
        return ModelError(
            f"There is no live model at this address; base URL and API version may be wrong ({detail}).",
            code="model_unavailable",
        )
    if status >= 500:
        return ModelError(f"The model's server is not available ({detail}).", code="unavailable", recoverable=True)
    return ModelError(f"The model's server did not open a WebSocket ({detail}).")


def from_os_error(error: OSError, place: str) -> ConnectionLost:
    """The error for a server that cannot be reached at all; `place` is its host and port."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"The certificate of {place} is not trusted ({error.strerror or error}); SSL_CERT_FILE can name another."
        return ConnectionLost(text, close_code=1006, code="unreachable", recoverable=False)
    why = error.strerror or str(error) or type(error).__name__
    return ConnectionLost(f"{place} cannot be reached: {why}.", close_code=1006, code="unreachable", recoverable=True)


def from_timeout(place: str, seconds: float) -> ConnectionLost:
    """The error for a server that does not answer in time."""
    return ConnectionLost(
        f"{place} did not accept the connection within {seconds:g} s.",
        close_code=1006,
        code="timeout",
        recoverable=True,
    )


@dataclass(frozen=True)
class _Report:
    """What an error message means: by the name of its status, or by its number (HTTP's or gRPC's)."""

    code: str
    recoverable: bool
    text: str
    names: frozenset[str]
    numbers: frozenset[int] = frozenset()

    def fits(self, names: set[str], number: int) -> bool:
        return bool(self.names & names) or number in self.numbers


_REPORTS = (
    _Report(
        code="content_blocked",
        recoverable=False,
        text="The model's filters blocked the conversation",
        names=frozenset({"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST"}),
    ),
    _Report(
        code="max_output_tokens",
        recoverable=False,
        text="The answer reached the model's limit of output tokens",
        names=frozenset({"MAX_TOKENS"}),
    ),
    _Report(
        code="cancelled",
        recoverable=False,
        text="The conversation was cancelled on the model's side",
        names=frozenset({"CANCELLED"}),
        numbers=frozenset({1, 499}),
    ),
    _Report(
        code="quota_exceeded",
        recoverable=True,
        text="The model's quota is used up",
        names=frozenset({"RESOURCE_EXHAUSTED"}),
        numbers=frozenset({8, 429}),
    ),
    _Report(
        code="unauthorized",
        recoverable=False,
        text="The model refused the key or login",
        names=frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"}),
        numbers=frozenset({7, 16, 401, 403}),
    ),
    _Report(
        code="unavailable",
        recoverable=True,
        text="The model's server failed",
        names=frozenset({"UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "UNKNOWN"}),
        numbers=frozenset({2, 4, 13, 14, *range(500, 600)}),
    ),
)
_QUOTA_REPORT = next(report for report in _REPORTS if report.code == "quota_exceeded")


def from_payload(payload: dict[str, Any]) -> ModelError:
    """The error that a message of the server tells of: `{"error": {…}}`, or code and message at the top."""
    inner = payload.get("error")
    error = inner if isinstance(inner, dict) else payload if inner is None else {"message": inner}
    message = str(error.get("message") or "no details")[:_DETAIL]
    number, names = _number(error.get("code")), {str(error.get("status") or ""), str(error.get("code") or "")}
    shown = error.get("status") or error.get("code")
    text = f"{message} ({shown})" if shown else message
    report = next((report for report in _REPORTS if report.fits(names, number)), None)
    # Google's servers refuse for want of quota with 403 as well.
    if _QUOTA.search(message) and (report is None or report.code == "unauthorized"):
        report = _QUOTA_REPORT
    if report is None:
        return ModelError(f"The model reported an error: {text}")
    return ModelError(f"{report.text}: {text}", code=report.code, recoverable=report.recoverable)


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _squeeze(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())[:_DETAIL]
