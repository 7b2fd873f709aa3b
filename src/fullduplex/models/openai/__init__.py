"""Models behind the API of OpenAI: its own, and every server that speaks it (Ollama, llama.cpp, vLLM).

`messages` writes a conversation, `options` the settings of a request, `schema` the form that an answer must have,
`reading` reads answers, and `chat` puts them together over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullduplex.models.openai.chat import OpenAiText

__all__ = ["OpenAiText"]


def __getattr__(name: str) -> Any:
    if name == "OpenAiText":
        from fullduplex.models.openai.chat import OpenAiText

        return OpenAiText
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
