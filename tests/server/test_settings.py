from __future__ import annotations

import pytest
from pydantic import ValidationError

from fullduplex.server import ServerSettings


def test_environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("HOST", "PORT", "FULLDUPLEX_HOST", "FULLDUPLEX_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert (ServerSettings().host, ServerSettings().port) == ("127.0.0.1", 8000)
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("FULLDUPLEX_ALLOWED_HOSTS", "a.example, b.example,")
    monkeypatch.setenv("FULLDUPLEX_SESSION_CONFLICT", "refuse")
    settings = ServerSettings()
    assert settings.port == 9000
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert settings.session_conflict == "refuse"
    monkeypatch.setenv("FULLDUPLEX_PORT", "9001")
    assert ServerSettings().port == 9001, "our own name is the stronger one"
    assert ServerSettings(port=9002).port == 9002


@pytest.mark.parametrize("bad", [{"port": 70_000}, {"session_conflict": "fight"}, {"downstream_audio_s": 0}])
def test_what_makes_no_sense_is_refused(bad: dict[str, object]):
    with pytest.raises(ValidationError):
        ServerSettings(**bad)
