"""Who answers: one folder for each backend, one interface above them, and the registry that finds one by name.

Names are loaded when they are first used, so that importing this package costs nothing and pulls in no backend.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullduplex.models.base import ConnectRequest, LiveConnection, LiveModel
    from fullduplex.models.cascade.live import Cascade
    from fullduplex.models.gemini.live import Gemini
    from fullduplex.models.registry import Registry, known, register, resolve, resolve_text
    from fullduplex.models.text import LlmRequest, LlmResponse, TextModel

__all__ = [
    "Cascade",
    "ConnectRequest",
    "Gemini",
    "LiveConnection",
    "LiveModel",
    "LlmRequest",
    "LlmResponse",
    "Registry",
    "TextModel",
    "known",
    "register",
    "resolve",
    "resolve_text",
]

_HOMES = {
    "Cascade": "fullduplex.models.cascade.live",
    "ConnectRequest": "fullduplex.models.base",
    "Gemini": "fullduplex.models.gemini.live",
    "LiveConnection": "fullduplex.models.base",
    "LiveModel": "fullduplex.models.base",
    "LlmRequest": "fullduplex.models.text",
    "LlmResponse": "fullduplex.models.text",
    "Registry": "fullduplex.models.registry",
    "TextModel": "fullduplex.models.text",
    "known": "fullduplex.models.registry",
    "register": "fullduplex.models.registry",
    "resolve": "fullduplex.models.registry",
    "resolve_text": "fullduplex.models.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
