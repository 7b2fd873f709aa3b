"""The setup message: what is accepted, what is refused and how."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex.mock_live import MockOptions
from fullduplex.mock_live.setup import family_of

from .driver import HALF, NATIVE, THREE, Drive, kinds


def test_setup_complete_by_backend() -> None:
    assert Drive().setup() == [{"setupComplete": {}}]
    assert Drive(backend="vertex").setup() == [{"setupComplete": {"sessionId": "mock-session-1"}}]


def test_the_first_frame_must_be_setup() -> None:
    drive = Drive()
    assert drive.ask("hi") == []
    assert drive.closed is not None
    assert (drive.closed.code, "setup" in drive.closed.reason) == (1007, True)


def test_setup_may_come_once() -> None:
    drive = Drive()
    drive.setup()
    drive.setup()
    assert drive.closed is not None
    assert drive.closed.code == 1007


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gemini-2.5-flash-native-audio-preview-12-2025", "native-audio"),
        ("gemini-live-2.5-flash-native-audio", "native-audio"),
        ("gemini-live-2.5-flash", "half-cascade"),
        ("gemini-2.0-flash-live-001", "half-cascade"),
        ("gemini-3.1-flash-live-preview", "3.x"),
        ("gemini-3.5-live-translate-preview", "3.x"),
    ],
)
def test_families(model: str, family: str) -> None:
    assert family_of(model) == family


def voice(name: str) -> dict[str, Any]:
    config = {"voice_config": {"prebuilt_voice_config": {"voice_name": name}}}
    return {"generationConfig": {"responseModalities": ["AUDIO"], "speech_config": config}}


BAD: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("gemini", "gemini-1.5-flash", {}, 1008, "is not found for API version v1beta"),
    ("gemini", NATIVE, {"generationConfig": {"responseModalities": ["TEXT"]}}, 1007, "TEXT"),
    ("gemini", THREE, {"generationConfig": {"responseModalities": ["TEXT"]}}, 1007, "TEXT"),
    ("gemini", HALF, {"generationConfig": {"responseModalities": ["TEXT", "AUDIO"]}}, 1007, "Only one"),
    ("gemini", HALF, {"generationConfig": {"responseModalities": ["IMAGE"]}}, 1007, "IMAGE"),
    ("gemini", HALF, voice("Sulafat"), 1007, "Sulafat"),
    ("gemini", NATIVE, voice("Nobody"), 1007, "Nobody"),
    ("gemini", NATIVE, {"sessionResumption": {"handle": "h"}}, 1008, "not found"),
    ("gemini", NATIVE, {"sessionResumption": {"transparent": True}}, 1007, "transparent"),
    ("gemini", NATIVE, {"explicitVadSignal": True}, 1007, "explicitVadSignal"),
    ("gemini", NATIVE, {"colour": "blue"}, 1007, "colour"),
    ("gemini", THREE, {"proactivity": {"proactiveAudio": True}}, 1007, "proactivity"),
    ("vertex", "publishers/google/models/text-bison", {}, 1008, "text-bison"),
]


@pytest.mark.parametrize(("backend", "model", "fields", "code", "reason"), BAD)
def test_refused(backend: str, model: str, fields: dict[str, Any], code: int, reason: str) -> None:
    drive = Drive(backend=backend)
    assert drive.setup(model, **fields) == []
    assert drive.closed is not None
    assert (drive.closed.code, reason in drive.closed.reason) == (code, True), drive.closed
    assert len(drive.closed.reason.encode()) <= 123


GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("gemini", HALF, {"generationConfig": {"responseModalities": ["TEXT"]}}),
    ("gemini", HALF, voice("Puck")),
    ("gemini", NATIVE, voice("Sulafat")),
    ("vertex", NATIVE, {"sessionResumption": {"transparent": True}, "explicitVadSignal": True}),
    ("gemini", NATIVE, {"proactivity": {"proactiveAudio": True}, "systemInstruction": {"parts": [], "role": "system"}}),
    ("gemini", NATIVE, {"tools": [{"googleSearch": {}}, {"functionDeclarations": [{"name": "f", "behavior": "X"}]}]}),
]


@pytest.mark.parametrize(("backend", "model", "fields"), GOOD)
def test_accepted(backend: str, model: str, fields: dict[str, Any]) -> None:
    drive = Drive(backend=backend)
    assert kinds(drive.setup(model, **fields)) == ["setupComplete"], drive.closed


def test_the_allow_list_can_be_set() -> None:
    assert kinds(Drive(options=MockOptions(models=["my-model"])).setup("my-model")) == ["setupComplete"]
    drive = Drive(options=MockOptions(models=lambda name: name.startswith("x")))
    drive.setup(NATIVE)
    assert drive.closed is not None
    assert drive.closed.code == 1008


def test_a_wrong_key_is_closed_after_the_setup() -> None:
    drive = Drive(options=MockOptions(valid_credentials=["right"]))
    drive.setup()
    assert drive.closed is not None
    assert (drive.closed.code, "API key not valid" in drive.closed.reason) == (1007, True)


def test_options_check_themselves() -> None:
    with pytest.raises(ValueError, match="20"):
        MockOptions(chunk_ms=30)
    with pytest.raises(ValueError, match="pace"):
        MockOptions(pace=-1)


def test_setup_may_take_its_time() -> None:
    drive = Drive(options=MockOptions(setup_delay_s=2.0))
    assert drive.setup() == []
    assert kinds(drive.wait(2.0)) == ["setupComplete"]
