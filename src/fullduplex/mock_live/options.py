"""What a user of Mock Live may set: the choices that the real server leaves open, and the strictness of its checks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

HALF_CASCADE_VOICES = frozenset({"Puck", "Charon", "Kore", "Fenrir", "Aoede", "Leda", "Orus", "Zephyr"})
"""Voices of the half-cascade models."""

TTS_VOICES = HALF_CASCADE_VOICES | {
    "Callirrhoe",
    "Autonoe",
    "Enceladus",
    "Iapetus",
    "Umbriel",
    "Algieba",
    "Despina",
    "Erinome",
    "Algenib",
    "Rasalgethi",
    "Laomedeia",
    "Achernar",
    "Alnilam",
    "Schedar",
    "Gacrux",
    "Pulcherrima",
    "Achird",
    "Zubenelgenubi",
    "Vindemiatrix",
    "Sadachbia",
    "Sadaltager",
    "Sulafat",
}
"""Voices of the native-audio and 3.x models: the eight and the rest of the text-to-speech list."""


def live_model_name(name: str) -> bool:
    """The default allow-list: any model whose name contains `live` or `native-audio`."""
    return "live" in name or "native-audio" in name


@dataclass(frozen=True)
class MockOptions:
    """Settings of a mock server; every default is what Google documents or, where that is silent, a guess.

    Times in ms or seconds as the name says. `hear` turns the PCM16 of a voice turn and its rate into the transcript.
    """

    # Time and media
    pace: float = 0.0
    """0: flat out. 1: audio and text chunks at real time. 4: four times faster."""
    chunk_ms: int = 40
    """Length of one audio message; a multiple of 20."""
    output_rate: int = 24_000
    tag_stride: int = 0
    """The tagged audio of connection number n (from 1) starts at `(n - 1) * tag_stride`."""
    frames: Literal["text", "binary", "alternate"] = "text"
    """Kind of WebSocket frame that carries the server's JSON."""
    hear: Callable[[bytes, int], str] | None = None

    # Checks
    strict: bool = True
    """Unknown fields and values of a wrong type close with 1007. Otherwise they are ignored."""
    models: Callable[[str], bool] | Collection[str] = live_model_name
    """Allowed model names (without `models/` and the like), or a test for one."""
    half_cascade_voices: Collection[str] = HALF_CASCADE_VOICES
    native_audio_voices: Collection[str] = TTS_VOICES
    valid_credentials: Collection[str] | None = None
    """Keys and tokens that are let in (None: any). A wrong one is closed with 1007 on the Gemini API, 401 on Vertex."""
    gemini_versions: Collection[str] = ("v1", "v1beta", "v1alpha")
    """Versions in the path of the Gemini API. google-genai took v1beta until 3.3 and takes v1 from 3.4 on."""
    compression: bool = False
    """Accept permessage-deflate when the client offers it."""

    # Voice activity
    default_silence_ms: int = 500
    default_prefix_ms: int = 20
    high_sensitivity_rms: float = 0.01
    """RMS of 10 ms of input, as a part of full scale, from which it is speech (START_SENSITIVITY_HIGH, the default)."""
    low_sensitivity_rms: float = 0.03

    # Sequences
    resumption_updates: Literal["turn", "setup_and_turn", "never"] = "turn"
    """When handles are issued, if the setup asked for them."""
    finished_transcripts: bool = True
    """The transcription of what `say` speaks ends with `finished: true` before generationComplete."""
    partial_content_interrupts: bool = False
    """clientContent without turnComplete interrupts an answer, too."""
    usage: bool = True
    """usageMetadata rides on each turnComplete."""
    setup_delay_s: float = 0.0
    max_connection_s: float | None = None
    """Every connection gets a goAway and is closed at this age."""
    go_away_lead_s: float = 10.0
    keep_log: bool = True
    """False: connections keep counters only, no messages and no audio (for soaks and benches)."""
    keepalive: bool = False
    """WebSocket pings every 20 s from the server."""

    def __post_init__(self) -> None:
        if self.chunk_ms <= 0 or self.chunk_ms % 20:
            raise ValueError("chunk_ms must be a positive multiple of 20: tagged audio has slices of 20 ms")
        if self.pace < 0:
            raise ValueError("pace must not be negative")

    def allows(self, model: str) -> bool:
        """Whether a model of this short name may be used."""
        return self.models(model) if callable(self.models) else model in self.models
