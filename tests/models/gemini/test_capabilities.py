"""What a model can do, told from its name."""

from __future__ import annotations

import pytest

from fullduplex.models.gemini.capabilities import capabilities_of, is_live_only, short_name, takes_tools_with_schema


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gemini-2.5-flash-native-audio-preview-12-2025", "native-audio"),
        ("gemini-live-2.5-flash-native-audio", "native-audio"),
        ("gemini-live-2.5-flash-preview-native-audio-09-2025", "native-audio"),
        ("models/gemini-live-2.5-flash-native-audio", "native-audio"),
        ("gemini-2.0-flash-live-001", "half-cascade"),
        ("gemini-live-2.5-flash", "half-cascade"),
        ("gemini-live-2.5-flash-preview", "half-cascade"),
        ("gemini-3.1-flash-live-preview", "3.x"),
        ("gemini-3.5-live-translate-preview", "3.x"),
        ("gemini-live-10-flash", "3.x"),
        ("projects/p/locations/l/publishers/google/models/gemini-3.1-flash-live-preview", "3.x"),
        ("my-own-tuned-model", "half-cascade"),
    ],
)
def test_family(model: str, family: str) -> None:
    assert capabilities_of(model).family == family


def test_short_name() -> None:
    assert short_name("projects/p/locations/l/publishers/google/models/m") == "m"
    assert short_name("models/m") == "m"
    assert short_name("m") == "m"


@pytest.mark.parametrize(
    ("model", "spoken", "both"),
    [
        ("gemini-3.5-flash", False, True),
        ("models/gemini-2.5-pro", False, False),
        ("gemini-live-2.5-flash-native-audio", True, False),
        ("projects/p/locations/l/publishers/google/models/gemini-2.0-flash-live-001", True, False),
        ("gemini-3.1-flash-live-preview", True, True),
        ("gemini-2.5-flash-native-audio-preview-12-2025", True, False),
        ("gemini-olive", False, False),
        ("my-live-model", False, False),
    ],
)
def test_what_can_be_written_to_and_what_takes_tools_with_a_schema(model: str, spoken: bool, both: bool) -> None:
    assert is_live_only(model) is spoken
    assert takes_tools_with_schema(model) is both
