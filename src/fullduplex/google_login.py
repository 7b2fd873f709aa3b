"""Google's login for Vertex AI, for models and stores: access tokens by google-auth (extra `[gemini]`), fetched off the
event loop.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from fullduplex.errors import InvalidConfig, ModelError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_MISSING = "Vertex AI needs Google's login library: pip install 'fullduplex[gemini]'"


class GoogleCredentials(Protocol):
    """What is needed of google-auth's `Credentials`; tests bring their own."""

    @property
    def valid(self) -> bool:
        """Whether `token` can be used now."""

    @property
    def token(self) -> str | None:
        """The access token."""

    def refresh(self, request: Any) -> None:
        """Fetches a new token; blocks."""


@dataclass(frozen=True)
class AccessToken:
    """A bearer token, with the login's own project and the project that pays, where they are known."""

    value: str = field(repr=False)
    project: str | None = None
    quota_project: str | None = None


class Login:
    """Hands out access tokens of one login: of `credentials`, or of the machine's default login when None.

    google-auth blocks, so it runs in a thread; several callers at once share one fetch.
    """

    def __init__(self, credentials: GoogleCredentials | None = None) -> None:
        self._credentials = credentials
        self._project: str | None = None
        self._lock = threading.Lock()

    async def access_token(self, timeout: float = 30.0) -> AccessToken:
        """A token that is valid now.

        Raises `InvalidConfig` when google-auth or a login is missing, and `ModelError` (`unauthorized`, or `timeout`
        and `unreachable`, which are recoverable) when Google gives no token.
        """
        token = self._current()
        if token is not None:
            return token
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.to_thread(self._fetch)
        except TimeoutError:
            raise ModelError(
                f"Google's login gave no access token within {timeout:g} s.", code="timeout", recoverable=True
            ) from None

    def _current(self) -> AccessToken | None:
        credentials = self._credentials
        if credentials is None or not credentials.valid or not credentials.token:
            return None
        return AccessToken(credentials.token, self._project, getattr(credentials, "quota_project_id", None))

    def _fetch(self) -> AccessToken:
        try:
            import google.auth
            import google.auth.exceptions
            import google.auth.transport.requests
        except ImportError as error:
            raise InvalidConfig(f"{_MISSING} ({error})", code="missing_extra") from None
        with self._lock:
            try:
                if self._credentials is None:
                    self._credentials, self._project = google.auth.default(scopes=[_SCOPE])
                if (token := self._current()) is not None:
                    return token
                assert self._credentials is not None
                self._credentials.refresh(google.auth.transport.requests.Request())
            except google.auth.exceptions.DefaultCredentialsError:
                raise InvalidConfig(
                    "No Google login on this machine: run `gcloud auth application-default login`, or set "
                    "GOOGLE_APPLICATION_CREDENTIALS to a key file.",
                    code="no_credentials",
                ) from None
            except google.auth.exceptions.TransportError as error:
                raise ModelError(
                    f"Google's login service cannot be reached: {error}", code="unreachable", recoverable=True
                ) from None
            except google.auth.exceptions.GoogleAuthError as error:
                raise ModelError(f"Google's login was refused: {error}", code="unauthorized") from None
            if (token := self._current()) is None:
                raise ModelError("Google's login gave no access token.", code="unauthorized")
            return token


default_login = Login()
"""The machine's default login, shared by all of the process."""
