"""From a name to a backend."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fullduplex import models
from fullduplex.errors import InvalidConfig
from fullduplex.models import Gemini, LiveModel, Registry, resolve
from fullduplex.models.google_llm import Gemini as GeminiByItsOldPath
from fullduplex.models.registry import built_in


class OwnModel(LiveModel):
    """A backend that a user brings."""

    def __init__(self, model: str) -> None:
        self.model = model

    def connect(self, request: Any) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    "name",
    [
        "gemini-live-2.5-flash",
        "models/gemini-live-2.5-flash",
        "models/some-tuned-model",
        "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash",
    ],
)
def test_gemini(name: str) -> None:
    model = resolve(name)
    assert isinstance(model, Gemini)
    assert model.model == name
    assert model.speech_config is None


def test_local() -> None:
    from fullduplex.models.cascade.live import Cascade

    model = resolve("local")
    assert isinstance(model, Cascade)
    assert model.model == "local"


@pytest.mark.parametrize("name", ["", "gpt-realtime", "locale", "gemini", " gemini-x\n", "local\n"])
def test_an_unknown_name_tells_what_is_known(name: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        resolve(name)
    assert caught.value.code == "unknown_model"
    assert repr(name) in str(caught.value)
    for known in ("local", "gemini-…", "models/…", "projects/…/models/…"):
        assert known in str(caught.value)


def test_own_patterns_stand_before_the_others() -> None:
    registry = built_in()
    registry.register(r"acme-.*", OwnModel)
    registry.register(r"gemini-acme-.*", OwnModel, shown="our own gemini")
    assert isinstance(registry.resolve("acme-large"), OwnModel)
    assert isinstance(registry.resolve("gemini-acme-1"), OwnModel)
    assert isinstance(registry.resolve("gemini-live-2.5-flash"), Gemini)
    assert registry.known()[:2] == ["our own gemini", "acme-.*"]
    with pytest.raises(InvalidConfig):
        registry.resolve("large-acme-")


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(InvalidConfig, match="pattern"):
        Registry().register("(", OwnModel)


def test_the_old_path_is_the_same_class() -> None:
    assert GeminiByItsOldPath is Gemini


def test_the_packages_names() -> None:
    assert set(models.__all__) <= set(dir(models))
    for name in models.__all__:
        assert getattr(models, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        models.Nothing  # noqa: B018


def test_resolving_a_gemini_model_loads_neither_socket_nor_login_nor_cascade() -> None:
    code = "import sys; from fullduplex.models import resolve; resolve('gemini-live-2.5-flash');print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "fullduplex.models.gemini.live" in loaded
    assert not {"picows", "google.auth", "requests", "fullduplex.models.cascade"} & set(loaded)
