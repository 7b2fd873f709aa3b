"""What closes, refusals and error messages mean, and whether trying again can help."""

from __future__ import annotations

import socket
import ssl

import pytest

from fullduplex.models.gemini.failures import from_close, from_os_error, from_payload, from_status, from_timeout


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 1013, 1014])
def test_closes_that_may_be_tried_again(code: int) -> None:
    error = from_close(code, "")
    assert (error.code, error.recoverable, error.close_code) == ("connection_lost", True, code)


@pytest.mark.parametrize("code", [1002, 1003, 1005, 1007, 1008, 1009, 1010, 1015, 3000, 4000])
def test_closes_that_may_not(code: int) -> None:
    assert not from_close(code, "").recoverable


@pytest.mark.parametrize(
    ("code", "reason", "in_setup", "named", "recoverable"),
    [
        (
            1008,
            "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent.",
            True,
            "model_unavailable",
            False,
        ),
        (1008, "BidiGenerateContent session not found.", True, "resumption_failed", False),
        (1007, "API key not valid. Please pass a valid API key.", True, "unauthorized", False),
        (1007, "Requested voice api_name 'x' is not available for this model.", True, "invalid_setup", False),
        (1008, "something else", True, "invalid_setup", False),
        (1007, "Invalid JSON payload received.", False, "protocol_error", False),
        (1008, "policy", False, "connection_lost", False),
        (1011, "RESOURCE_EXHAUSTED: You exceeded your current quota.", False, "quota_exceeded", True),
        (1011, "Resource has been exhausted (e.g. check quota).", True, "quota_exceeded", True),
        (1011, "thread was cancelled", False, "connection_lost", True),
    ],
)
def test_reasons(code: int, reason: str, in_setup: bool, named: str, recoverable: bool) -> None:
    error = from_close(code, reason, in_setup=in_setup)
    assert (error.code, error.recoverable, error.reason) == (named, recoverable, reason)
    assert reason in str(error)
    assert str(code) in str(error)


@pytest.mark.parametrize(
    ("status", "named", "recoverable"),
    [
        (400, "unauthorized", False),
        (401, "unauthorized", False),
        (403, "unauthorized", False),
        (404, "model_unavailable", False),
        (429, "quota_exceeded", True),
        (500, "unavailable", True),
        (503, "unavailable", True),
        (302, "model_error", False),
    ],
)
def test_http(status: int, named: str, recoverable: bool) -> None:
    error = from_status(status, "<html><p>So\n it is</p>")
    assert (error.code, error.recoverable) == (named, recoverable)
    assert f"HTTP {status}: So it is" in str(error)


@pytest.mark.spec(148)
@pytest.mark.parametrize(
    ("payload", "named", "recoverable"),
    [
        ({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}, "quota_exceeded", True),
        ({"error": {"code": 8, "message": "Quota exceeded"}}, "quota_exceeded", True),
        ({"code": "RESOURCE_EXHAUSTED", "message": "m"}, "quota_exceeded", True),
        ({"code": 403, "message": "Quota exceeded for this project"}, "quota_exceeded", True),
        ({"error": {"code": 503, "message": "the quota service is away"}}, "unavailable", True),
        ({"error": {"status": "SAFETY", "message": "m"}}, "content_blocked", False),
        ({"error": {"code": 400, "status": "PROHIBITED_CONTENT", "message": "m"}}, "content_blocked", False),
        ({"code": "BLOCKLIST", "message": "a word that is about quota"}, "content_blocked", False),
        ({"code": "MAX_TOKENS", "message": "m"}, "max_output_tokens", False),
        ({"error": {"code": 499, "message": "m", "status": "CANCELLED"}}, "cancelled", False),
        ({"error": {"code": 1, "message": "m"}}, "cancelled", False),
        ({"error": {"code": 504, "message": "m", "status": "DEADLINE_EXCEEDED"}}, "unavailable", True),
        ({"error": {"code": 4, "message": "m"}}, "unavailable", True),
        ({"error": {"status": "UNKNOWN", "message": "m"}}, "unavailable", True),
        ({"error": {"code": 13, "message": "m"}}, "unavailable", True),
        ({"error": {"code": 16, "message": "m"}}, "unauthorized", False),
        ({"code": 403, "message": "m"}, "unauthorized", False),
        ({"error": {"status": "UNAVAILABLE", "message": "m"}}, "unavailable", True),
        ({"error": {"code": "500", "message": "m"}}, "unavailable", True),
        ({"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}, "model_error", False),
        ({"error": "m"}, "model_error", False),
        ({"error": {}}, "model_error", False),
    ],
)
def test_error_messages(payload: dict[str, object], named: str, recoverable: bool) -> None:
    error = from_payload(payload)
    assert (error.code, error.recoverable) == (named, recoverable)


def test_unreachable() -> None:
    refused = from_os_error(ConnectionRefusedError(111, "Connection refused"), "host:1")
    assert (refused.code, refused.recoverable) == ("unreachable", True)
    assert str(refused) == "host:1 cannot be reached: Connection refused."
    unknown = from_os_error(socket.gaierror(-2, "Name or service not known"), "host")
    assert (unknown.code, unknown.recoverable) == ("unreachable", True)
    late = from_timeout("host", 10.0)
    assert (late.code, late.recoverable) == ("timeout", True)


def test_an_untrusted_certificate_is_not_worth_another_try() -> None:
    error = from_os_error(ssl.SSLCertVerificationError(1, "self-signed"), "host")
    assert not error.recoverable
    assert "SSL_CERT_FILE" in str(error)
