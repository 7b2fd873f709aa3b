"""The path under which ADK's programs import `Gemini`."""

from fullduplex.models.gemini.live import Gemini

__all__ = ["Gemini"]
