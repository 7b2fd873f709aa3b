"""Gemini Live, on the Gemini API and on Vertex AI: our own client of the BidiGenerateContent wire.

`setup` says what a connection is opened with, `wire` reads and writes messages, `endpoint` knows where and as whom to
connect, `socket` moves frames, `failures` names what goes wrong, and `live` puts them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullduplex.models.gemini.live import Gemini

__all__ = ["Gemini"]


def __getattr__(name: str) -> Any:
    if name == "Gemini":
        from fullduplex.models.gemini.live import Gemini

        return Gemini
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
