"""Reads the HTTP request of a WebSocket handshake: which service it names, and with which credentials.

No sockets: headers and a request target in, an `Endpoint` or a `Refused` out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from .options import MockOptions

Backend = Literal["gemini", "vertex"]

_GEMINI = re.compile(
    r"/ws/google\.ai\.generativelanguage\.(?P<version>v\d\w*)"
    r"\.GenerativeService[./]BidiGenerateContent(?P<constrained>Constrained)?/?$"
)
_VERTEX = re.compile(r"/ws/google\.cloud\.aiplatform\.(?P<version>v1beta1|v1)\.LlmBidiService/BidiGenerateContent/?$")


@dataclass(frozen=True)
class Endpoint:
    """What a client connected to. `credential` is the key or token, `scheme` how it came."""

    backend: Backend
    version: str
    constrained: bool
    credential: str
    scheme: Literal["key", "bearer", "token"]
    path: str
    query: Mapping[str, str]


@dataclass(frozen=True)
class Refused:
    """The handshake is answered with this HTTP status."""

    status: int
    body: str


def read_request(target: str, headers: Mapping[str, str], options: MockOptions) -> Endpoint | Refused:
    """Checks path and credentials. `headers` has lower-case names."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query))
    gemini = _GEMINI.search(parts.path)
    match = gemini or _VERTEX.search(parts.path)
    if match is None:
        return Refused(404, f"The requested URL {parts.path} was not found on this server.\n")
    backend: Backend = "gemini" if gemini else "vertex"
    if backend == "gemini" and match["version"] not in options.gemini_versions:
        return Refused(404, f"The API version {match['version']} is not served here.\n")
    found = _credential(headers, query)
    if found is None:
        if backend == "gemini":
            return Refused(403, "Method doesn't allow unregistered callers. Please use an API key.\n")
        return Refused(401, "Request is missing required authentication credential.\n")
    scheme, credential = found
    constrained = bool(gemini and gemini["constrained"])
    if constrained and scheme == "key":
        return Refused(403, "BidiGenerateContentConstrained takes an ephemeral token, not an API key.\n")
    if backend == "vertex" and scheme == "token":
        return Refused(401, "Request had invalid authentication credentials. Expected an OAuth 2 access token.\n")
    if backend == "vertex" and not accepted(credential, options):
        return Refused(401, "Request had invalid authentication credentials.\n")
    return Endpoint(backend, match["version"], constrained, credential, scheme, parts.path, query)


def accepted(credential: str, options: MockOptions) -> bool:
    """Whether this key or token is one of those that are let in."""
    return options.valid_credentials is None or credential in options.valid_credentials


def _credential(
    headers: Mapping[str, str], query: Mapping[str, str]
) -> tuple[Literal["key", "bearer", "token"], str] | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if value and scheme.lower() == "bearer":
        return "bearer", value.strip()
    if value and scheme.lower() == "token":
        return "token", value.strip()
    if query.get("access_token"):
        return "token", query["access_token"]
    key = headers.get("x-goog-api-key") or query.get("key")
    return ("key", key) if key else None
