"""The handshake: which paths are served, and which credentials let in."""

from __future__ import annotations

import pytest

from fullduplex.mock_live import MockOptions
from fullduplex.mock_live.handshake import Endpoint, Refused, read_request

GEMINI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
CONSTRAINED = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
KEY = {"x-goog-api-key": "k"}
BEARER = {"authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("target", "headers", "backend", "version", "scheme", "credential"),
    [
        (GEMINI, KEY, "gemini", "v1beta", "key", "k"),
        (GEMINI + "?key=q", {}, "gemini", "v1beta", "key", "q"),
        (GEMINI.replace("v1beta", "v1alpha"), KEY, "gemini", "v1alpha", "key", "k"),
        (GEMINI, BEARER, "gemini", "v1beta", "bearer", "t"),
        (CONSTRAINED, {"authorization": "Token auth_tokens/1"}, "gemini", "v1alpha", "token", "auth_tokens/1"),
        (CONSTRAINED + "?access_token=auth_tokens/2", {}, "gemini", "v1alpha", "token", "auth_tokens/2"),
        ("/proxy" + VERTEX, BEARER, "vertex", "v1beta1", "bearer", "t"),
        (VERTEX, KEY, "vertex", "v1beta1", "key", "k"),
    ],
)
def test_accepted(
    target: str, headers: dict[str, str], backend: str, version: str, scheme: str, credential: str
) -> None:
    found = read_request(target, headers, MockOptions())
    assert isinstance(found, Endpoint)
    assert (found.backend, found.version, found.scheme, found.credential) == (backend, version, scheme, credential)
    assert found.constrained == ("Constrained" in target)


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (GEMINI, {}, 403),
        (VERTEX, {}, 401),
        (CONSTRAINED, KEY, 403),
        (VERTEX, {"authorization": "Token x"}, 401),
        ("/ws/somewhere.else", KEY, 404),
        (GEMINI.replace("v1beta", "v9"), KEY, 404),
    ],
)
def test_refused(target: str, headers: dict[str, str], status: int) -> None:
    found = read_request(target, headers, MockOptions())
    assert isinstance(found, Refused)
    assert found.status == status


def test_a_wrong_token_is_refused_on_vertex_when_tokens_are_checked() -> None:
    found = read_request(VERTEX, BEARER, MockOptions(valid_credentials=["other"]))
    assert isinstance(found, Refused)
    assert found.status == 401
