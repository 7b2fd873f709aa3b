"""What all tests share: the record of proved rows, a second try in real time, and settings alike on every machine."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.spec_plugin", "tests.second_try"]

# Examples are drawn anew in each run on a developer's machine; in CI they are fixed, so that a failure can be repeated.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

_OURS = ("GOOGLE_", "OPENAI_", "ADK_", "FULLDUPLEX_", "DEMO_AGENT_MODEL")
_FOREIGN = [name for name in os.environ if name.startswith(_OURS) and name != "FULLDUPLEX_TESTS_REQUIRE"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or setting of the developer's own environment reaches a test: nothing talks with a real service."""
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
