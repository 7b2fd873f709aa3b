"""The settings that people write by hand: both spellings, any case of a choice, no unknown field."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fullduplex.types import (
    AudioTranscriptionConfig,
    EndSensitivity,
    GenerateContentConfig,
    LiveConnectConfig,
    Modality,
    ProactivityConfig,
    SessionResumptionConfig,
    SpeechConfig,
)


def test_both_spellings() -> None:
    camel = SpeechConfig.model_validate({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}})
    snake = SpeechConfig.model_validate({"voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}}})
    assert camel == snake
    assert camel.model_dump(by_alias=True, exclude_none=True) == {
        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}
    }


@pytest.mark.parametrize("given", ["AUDIO", "audio", Modality.AUDIO])
def test_a_choice_in_any_case(given: str) -> None:
    assert LiveConnectConfig(response_modalities=[given]).response_modalities == [Modality.AUDIO]


def test_a_choice_that_is_none() -> None:
    with pytest.raises(ValidationError, match="TEXT"):
        LiveConnectConfig(response_modalities=["SMELL"])
    assert EndSensitivity("end_sensitivity_low") is EndSensitivity.END_SENSITIVITY_LOW


@pytest.mark.parametrize("settings", [ProactivityConfig, SessionResumptionConfig, AudioTranscriptionConfig])
def test_an_unknown_field_is_an_error_that_names_it(settings: type) -> None:
    with pytest.raises(ValidationError, match="misspelt"):
        settings(misspelt=1)


def test_generation_settings_keep_what_other_calls_use() -> None:
    config = GenerateContentConfig(temperature=0.5, candidate_count=2)
    assert config.model_dump(exclude_none=True) == {"temperature": 0.5, "candidate_count": 2}
