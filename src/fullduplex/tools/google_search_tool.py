"""The path under which ADK's users find `google_search`."""

from fullduplex.tools.builtin import google_search

__all__ = ["google_search"]
