"""The engine of text runs: question, tools, answer. Nothing here knows of audio or of connections that stay open."""

from fullduplex.text.engine import TextEngine

__all__ = ["TextEngine"]
