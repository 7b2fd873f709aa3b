"""What `fullduplex --version` prints."""

from __future__ import annotations

import platform
from importlib import metadata


def version_line() -> str:
    """Versions of Fullduplex and of Python."""
    return f"fullduplex {metadata.version('fullduplex')} (Python {platform.python_version()})"
