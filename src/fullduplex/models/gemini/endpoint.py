"""Where to connect, and as whom: constructor arguments and environment → URL, headers and kind of backend.

The variables are those that users of ADK have already. It reads the mapping that it is given and opens
nothing. The key is in the headers alone, never in a URL, a message or a `repr`.
"""

from __future__ import annotations

import functools
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fullduplex.errors import InvalidConfig
from fullduplex.google_login import AccessToken
from fullduplex.models.base_url import read_base_url
from fullduplex.models.gemini.setup import Backend

_GEMINI_HOST = "https://generativelanguage.googleapis.com"
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_MULTI_REGIONS = ("us", "eu")
_PROJECT_PATH = re.compile(r"projects/(?P<project>[^/]+)(?:/locations/(?P<location>[^/]+))?/")


@dataclass(frozen=True)
class Options:
    """What the constructor of `Gemini` was given; None leaves it to the environment."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    api_version: str | None = None
    vertexai: bool | None = None
    project: str | None = None
    location: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """Where one connection goes. `auth` is how it says who it is: an API key, an ephemeral token, or Google's login."""

    backend: Backend
    base: str
    auth: Literal["key", "ephemeral", "login"]
    version: str | None = None
    project: str | None = None
    location: str | None = None
    secret: str = field(default="", repr=False)

    def url(self, *, alpha: bool = False) -> str:
        """The WebSocket's address; `alpha` asks for the version with settings on trial, if no version was chosen."""
        if self.backend == "vertex":
            version = self.version or "v1beta1"
            return f"{self.base}/ws/google.cloud.aiplatform.{version}.LlmBidiService/BidiGenerateContent"
        version = self.version or ("v1alpha" if alpha or self.auth == "ephemeral" else "v1beta")
        method = "BidiGenerateContentConstrained" if self.auth == "ephemeral" else "BidiGenerateContent"
        return f"{self.base}/ws/google.ai.generativelanguage.{version}.GenerativeService.{method}"

    def headers(self, token: AccessToken | None = None) -> list[tuple[str, str]]:
        """The headers of the handshake; `token` is needed where `auth` is `login`."""
        client = _client()
        headers = [("Content-Type", "application/json"), ("User-Agent", client), ("x-goog-api-client", client)]
        if self.auth == "key":
            headers.append(("x-goog-api-key", self.secret))
        elif self.auth == "ephemeral":
            headers.append(("Authorization", f"Token {self.secret}"))
        else:
            assert token is not None
            headers.append(("Authorization", f"Bearer {token.value}"))
            if token.quota_project:
                headers.append(("x-goog-user-project", token.quota_project))
        return headers

    def model_path(self, model: str, token: AccessToken | None = None) -> str:
        """The model's full name on this backend. Raises `InvalidConfig` when the project cannot be known."""
        if self.backend == "gemini":
            return model if "/" in model else f"models/{model}"
        if model.startswith("projects/"):
            return model
        path = model if model.startswith("publishers/") else f"publishers/google/models/{model.removeprefix('models/')}"
        if self.auth == "key":
            return path
        project = self.project or (token.project if token is not None else None)
        if not project:
            raise InvalidConfig(
                "Vertex AI needs a project: set GOOGLE_CLOUD_PROJECT, or give Gemini(project=…).", code="no_credentials"
            )
        return f"projects/{project}/locations/{self.location}/{path}"


def find_endpoint(options: Options, model: str, environment: Mapping[str, str]) -> Endpoint:
    """The endpoint that arguments, `model` and environment ask for; arguments win.

    Raises `InvalidConfig` when a key is missing or a base URL cannot be used.
    """
    if _wants_vertex(options, model, environment):
        return _vertex(options, model, environment)
    key = _secret(options.api_key or environment.get("GOOGLE_API_KEY"))
    if not key:
        raise InvalidConfig(
            "No key for the Gemini API: set GOOGLE_API_KEY, or give Gemini(api_key=…). For Vertex AI set "
            "GOOGLE_GENAI_USE_VERTEXAI=TRUE and GOOGLE_CLOUD_PROJECT.",
            code="no_credentials",
        )
    return Endpoint(
        backend="gemini",
        base=_base(options.base_url or environment.get("GOOGLE_GEMINI_BASE_URL") or _GEMINI_HOST),
        auth="ephemeral" if key.startswith("auth_tokens/") else "key",
        version=options.api_version,
        secret=key,
    )


def _wants_vertex(options: Options, model: str, environment: Mapping[str, str]) -> bool:
    if options.vertexai is not None:
        return options.vertexai
    for name in ("GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI"):
        if value := environment.get(name, "").strip().lower():
            return value in ("true", "1")
    # Nothing was chosen: a name with a project in it can only be Vertex AI's.
    return model.startswith("projects/")


def _vertex(options: Options, model: str, environment: Mapping[str, str]) -> Endpoint:
    named = _PROJECT_PATH.match(model)
    project = options.project or (named["project"] if named else None) or environment.get("GOOGLE_CLOUD_PROJECT")
    location = options.location or (named["location"] if named else None) or environment.get("GOOGLE_CLOUD_LOCATION")
    # A key that was given stands before a project that happens to be in the environment, and the other way round.
    key = _secret(options.api_key)
    if not key and not project:
        key = _secret(environment.get("GOOGLE_API_KEY"))
    login = not key or bool(options.project)
    location = location or "global"
    host = _vertex_host(location if login else "global")
    return Endpoint(
        backend="vertex",
        base=_base(options.base_url or environment.get("GOOGLE_VERTEX_BASE_URL") or host),
        auth="login" if login else "key",
        version=options.api_version,
        project=project or None,
        location=location,
        secret="" if login else key,
    )


def _vertex_host(location: str) -> str:
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _base(url: str) -> str:
    parts = read_base_url(url, schemes=_SCHEMES, variable="GOOGLE_GEMINI_BASE_URL")
    if "@" in parts.netloc:
        raise InvalidConfig(f"{parts.scheme}://{parts.hostname} cannot be a base URL with a name and a password in it.")
    return f"{_SCHEMES[parts.scheme.lower()]}://{parts.netloc}{parts.path.rstrip('/')}"


@functools.cache
def _client() -> str:
    from fullduplex import __version__  # here, because the package's own module stands above all floors

    return f"fullduplex/{__version__} gl-python/{platform.python_version()}"


def _secret(key: str | None) -> str:
    key = (key or "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidConfig("The API key has characters that a key cannot have.", code="no_credentials")
    return key
