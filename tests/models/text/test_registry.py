"""From a name to a text model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fullduplex.errors import InvalidConfig
from fullduplex.models import LlmRequest, LlmResponse, TextModel, resolve_text
from fullduplex.models.cascade.generate import LocalText
from fullduplex.models.gemini.generate import GeminiText
from fullduplex.models.openai import OpenAiText
from fullduplex.models.registry import built_in


class Parrot(TextModel):
    """A backend that a user brings."""

    def __init__(self, model: str) -> None:
        self.model = model

    async def generate(self, request: LlmRequest, *, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        yield LlmResponse(content=request.contents[-1])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gemini-2.5-flash", GeminiText),
        ("models/tuned", GeminiText),
        ("projects/p/locations/l/publishers/google/models/gemini-2.5-flash", GeminiText),
        ("openai/gpt-5-mini", OpenAiText),
        ("openai/meta-llama/Llama-3", OpenAiText),
        ("local", LocalText),
    ],
)
def test_built_in(name: str, kind: type[Any]) -> None:
    model = resolve_text(name)
    assert type(model) is kind
    assert model.model == name


def test_an_unknown_name_tells_what_is_known_for_its_purpose() -> None:
    registry = built_in()
    registry.register("parrot", text=Parrot)
    registry.register("ear", lambda name: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(InvalidConfig, match=r"'gpt'.*text turns.*parrot, local.*openai/…") as caught:
        registry.resolve_text("gpt")
    assert caught.value.code == "unknown_model"
    assert "ear" not in str(caught.value).split("Another")[0]
    with pytest.raises(InvalidConfig, match="live conversations") as caught:
        registry.resolve("openai/gpt-5-mini")
    assert "openai/…" not in str(caught.value)


async def test_a_model_of_ones_own() -> None:
    registry = built_in()
    registry.register("gemini-parrot", text=Parrot)
    model = registry.resolve_text("gemini-parrot")
    assert isinstance(model, Parrot)
    await model.close()
    assert type(registry.resolve("gemini-parrot")).__name__ == "Gemini"  # talking with it is another backend's
    registry.register("gemini-.*", lambda name: None)  # type: ignore[arg-type, return-value]
    assert isinstance(registry.resolve_text("gemini-parrot"), Parrot)  # and writing to it stays this one's
