"""What a Gemini model can do, told from its name. It asks nobody."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

Family = Literal["native-audio", "half-cascade", "3.x"]

_GENERATION = re.compile(r"gemini-(?:live-)?(\d+)")
_SPOKEN = re.compile(r"gemini-.*\b(live|native-audio)\b")


@dataclass(frozen=True)
class Capabilities:
    """Where models differ in what they take and give.

    `text_out`: answers may be text. `emotional`: affective dialog and proactivity are known. `realtime_text`: typed
    text goes up as live input. `typed_media`: audio and video have fields of their own instead of media chunks.
    `asks_for_history`: a replayed history is answered only when it is asked for.
    """

    family: Family
    text_out: bool
    emotional: bool
    realtime_text: bool
    typed_media: bool
    asks_for_history: bool


_NATIVE_AUDIO = Capabilities(
    family="native-audio",
    text_out=False,
    emotional=True,
    realtime_text=False,
    typed_media=False,
    asks_for_history=False,
)
# Models that we have never heard of are treated as these: the backend knows better what they cannot do.
_HALF_CASCADE = Capabilities(
    family="half-cascade",
    text_out=True,
    emotional=True,
    realtime_text=False,
    typed_media=False,
    asks_for_history=False,
)
_THIRD_GENERATION = Capabilities(
    family="3.x",
    text_out=False,
    emotional=False,
    realtime_text=True,
    typed_media=True,
    asks_for_history=True,
)


def short_name(model: str) -> str:
    """`models/M` and `projects/P/…/models/M` → `M`."""
    return model.rsplit("/", 1)[-1]


@functools.lru_cache(maxsize=64)
def capabilities_of(model: str) -> Capabilities:
    """The capabilities of `model`, whichever way it is written."""
    name = short_name(model)
    generation = _GENERATION.match(name)
    if generation and int(generation[1]) >= 3:
        return _THIRD_GENERATION
    return _NATIVE_AUDIO if "native-audio" in name else _HALF_CASCADE


def is_live_only(model: str) -> bool:
    """Whether `model` can be talked with and not be written to."""
    return _SPOKEN.match(short_name(model)) is not None


def takes_tools_with_schema(model: str) -> bool:
    """Whether `model` calls tools where its answer must be JSON of a given form; the second generation refuses that."""
    generation = _GENERATION.match(short_name(model))
    return generation is not None and int(generation[1]) >= 3
