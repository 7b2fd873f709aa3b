"""Access tokens: from whom, how often they are fetched, and what is said when there is none."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from fullduplex.errors import InvalidConfig, ModelError
from fullduplex.google_login import Login


class FakeCredentials:
    """google-auth's credentials as far as they are used."""

    quota_project_id = "payer"

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.threads: list[int] = []
        self.failure: Exception | None = None

    @property
    def valid(self) -> bool:
        return self.token is not None

    def refresh(self, request: Any) -> None:
        self.threads.append(threading.get_ident())
        if self.failure is not None:
            raise self.failure
        self.token = f"fresh-{len(self.threads)}"


async def test_a_valid_token_is_used_as_it_is() -> None:
    credentials = FakeCredentials("old")
    token = await Login(credentials).access_token()
    assert (token.value, token.quota_project) == ("old", "payer")
    assert not credentials.threads


async def test_a_token_is_fetched_once_for_all_and_off_the_loop() -> None:
    pytest.importorskip("google.auth")
    credentials = FakeCredentials()
    login = Login(credentials)
    tokens = await asyncio.gather(*(login.access_token() for _ in range(5)))
    assert {token.value for token in tokens} == {"fresh-1"}
    assert len(credentials.threads) == 1
    assert credentials.threads[0] != threading.get_ident()
    credentials.token = None
    assert (await login.access_token()).value == "fresh-2"


async def test_a_refused_login() -> None:
    pytest.importorskip("google.auth")
    from google.auth.exceptions import RefreshError, TransportError

    credentials = FakeCredentials()
    credentials.failure = RefreshError("account disabled")
    with pytest.raises(ModelError, match="account disabled") as refused:
        await Login(credentials).access_token()
    assert (refused.value.code, refused.value.recoverable) == ("unauthorized", False)
    credentials.failure = TransportError("no route")
    with pytest.raises(ModelError, match="no route") as unreachable:
        await Login(credentials).access_token()
    assert (unreachable.value.code, unreachable.value.recoverable) == ("unreachable", True)


async def test_the_machines_own_login(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.auth")
    import google.auth

    credentials = FakeCredentials()
    monkeypatch.setattr(google.auth, "default", lambda scopes: (credentials, "home"))
    token = await Login().access_token()
    assert (token.value, token.project) == ("fresh-1", "home")


async def test_no_login_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.auth")
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    def none(scopes: list[str]) -> Any:
        raise DefaultCredentialsError("none")

    monkeypatch.setattr(google.auth, "default", none)
    with pytest.raises(InvalidConfig, match="gcloud auth application-default login") as caught:
        await Login().access_token()
    assert caught.value.code == "no_credentials"


async def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(InvalidConfig, match=r"fullduplex\[gemini\]") as caught:
        await Login().access_token()
    assert caught.value.code == "missing_extra"


async def test_a_login_that_hangs() -> None:
    pytest.importorskip("google.auth")
    credentials = FakeCredentials()
    release = threading.Event()
    credentials.refresh = lambda request: release.wait(10)  # type: ignore[method-assign,assignment]
    try:
        with pytest.raises(ModelError) as caught:
            await Login(credentials).access_token(timeout=0.01)
        assert (caught.value.code, caught.value.recoverable) == ("timeout", True)
    finally:
        release.set()
