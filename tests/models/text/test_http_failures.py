"""From an HTTP refusal to an error of our tree."""

from __future__ import annotations

import pytest

from fullduplex.models.http_failures import from_payload, from_status

GEMINI_QUOTA = '{"error": {"code": 429, "message": "Too many.", "status": "RESOURCE_EXHAUSTED"}}'
OPENAI_CREDIT = '{"error": {"message": "No money.", "type": "insufficient_quota", "code": "insufficient_quota"}}'
OPENAI_RATE = '{"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}}'
BAD_KEY = '{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}'


@pytest.mark.parametrize(
    ("status", "body", "code", "recoverable"),
    [
        (429, GEMINI_QUOTA, "quota_exceeded", True),
        (429, OPENAI_RATE, "quota_exceeded", True),
        (429, OPENAI_CREDIT, "quota_exceeded", False),
        (400, BAD_KEY, "unauthorized", False),
        (401, "", "unauthorized", False),
        (403, "{}", "unauthorized", False),
        (404, '{"detail": "Not Found"}', "model_unavailable", False),
        (404, '{"error": "model \'x\' not found"}', "model_unavailable", False),
        (408, "", "unavailable", True),
        (500, "<html><b>Oops</b></html>", "unavailable", True),
        (503, "[" + GEMINI_QUOTA.replace("429", "503") + "]", "unavailable", True),
        (504, "[]", "unavailable", True),
        (
            400,
            '{"error": {"message": "contents is not specified", "status": "INVALID_ARGUMENT"}}',
            "model_error",
            False,
        ),
        (302, "", "model_error", False),
    ],
)
def test_statuses(status: int, body: str, code: str, recoverable: bool) -> None:
    error = from_status(status, body)
    assert (error.code, error.recoverable) == (code, recoverable)
    assert f"HTTP {status}" in str(error)


def test_the_message_is_told_without_secrets_and_markup_and_not_at_length() -> None:
    assert "Slow down." in str(from_status(429, OPENAI_RATE))
    assert str(from_status(500, "<b>Oops</b>  <i>there</i>")).count("<") == 0
    assert "s3cret" not in str(from_status(401, "the key s3cret is wrong", secrets=["s3cret", ""]))
    assert len(str(from_status(500, "x" * 10_000))) < 500


@pytest.mark.parametrize(
    ("payload", "code", "recoverable"),
    [
        ({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}, "unavailable", True),
        ({"error": {"message": "oh", "type": "server_error", "code": None}}, "unavailable", True),
        ({"error": {"message": "slow", "code": "rate_limit_exceeded"}}, "quota_exceeded", True),
        ({"error": "something else"}, "model_error", False),
        ("text", "model_error", False),
        ([], "model_error", False),
    ],
)
def test_errors_in_the_middle_of_a_stream(payload: object, code: str, recoverable: bool) -> None:
    error = from_payload(payload)
    assert (error.code, error.recoverable) == (code, recoverable)
