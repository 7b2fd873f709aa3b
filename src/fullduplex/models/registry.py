"""From a model's name to the backend that serves it. It makes model objects; it opens no connection."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fullduplex.errors import InvalidConfig
from fullduplex.models.base import LiveModel
from fullduplex.models.text import TextModel

Factory = Callable[[str], LiveModel]
TextFactory = Callable[[str], TextModel]


@dataclass(frozen=True)
class _Entry:
    pattern: re.Pattern[str]
    factory: Factory | None
    text: TextFactory | None
    shown: str


class Registry:
    """Patterns of model names and what makes a model of such a name. The newest pattern that fits wins.

    After `register(r"acme-.*", lambda name: AcmeLive(name))` an `Agent(model="acme-large")` works. A name may stand for
    a model that is talked with, for one that is written to (`text=`), or for both.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def register(
        self, pattern: str, factory: Factory | None = None, *, text: TextFactory | None = None, shown: str | None = None
    ) -> None:
        """Names that match `pattern` (a regular expression, for the whole name) are made by `factory(name)`.

        `text(name)` makes the model for text turns. `shown` is how the pattern is named to people. Raises
        `InvalidConfig` when the pattern cannot be read.
        """
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise InvalidConfig(f"{pattern!r} is not a pattern of model names: {error}") from None
        self._entries.insert(0, _Entry(compiled, factory, text, shown or pattern))

    def resolve(self, name: str) -> LiveModel:
        """A model of this name; raises `InvalidConfig`, with what is known, when no backend serves it."""
        for entry in self._fitting(name):
            if entry.factory is not None:
                return entry.factory(name)
        raise self._unknown(name, "live conversations", [entry for entry in self._entries if entry.factory])

    def resolve_text(self, name: str) -> TextModel:
        """The same for text turns."""
        for entry in self._fitting(name):
            if entry.text is not None:
                return entry.text(name)
        raise self._unknown(name, "text turns", [entry for entry in self._entries if entry.text])

    def _fitting(self, name: str) -> list[_Entry]:
        return [entry for entry in self._entries if entry.pattern.fullmatch(name)]

    def _unknown(self, name: str, purpose: str, known: list[_Entry]) -> InvalidConfig:
        return InvalidConfig(
            f"No backend serves the model {name!r} for {purpose}. Known: {', '.join(entry.shown for entry in known)}. "
            "Another backend can be added with fullduplex.models.register(pattern, factory).",
            code="unknown_model",
        )

    def known(self) -> list[str]:
        """The names and patterns that are served, the newest first."""
        return [entry.shown for entry in self._entries]


def _gemini(name: str) -> LiveModel:
    from fullduplex.models.gemini.live import Gemini

    return Gemini(name)


def _cascade(name: str) -> LiveModel:
    from fullduplex.models.cascade.live import Cascade

    return Cascade(name)


def _gemini_text(name: str) -> TextModel:
    from fullduplex.models.gemini.generate import GeminiText

    return GeminiText(name)


def _local_text(name: str) -> TextModel:
    from fullduplex.models.cascade.generate import LocalText

    return LocalText(name)


def _openai_text(name: str) -> TextModel:
    from fullduplex.models.openai.chat import OpenAiText

    return OpenAiText(name)


def built_in() -> Registry:
    """A new registry with the backends that come with Fullduplex."""
    registry = Registry()
    registry.register(r"openai/.+", text=_openai_text, shown="openai/…")
    registry.register(r"projects/.+/models/.+", _gemini, text=_gemini_text, shown="projects/…/models/…")
    registry.register(r"models/.+", _gemini, text=_gemini_text, shown="models/…")
    registry.register(r"gemini-.+", _gemini, text=_gemini_text, shown="gemini-…")
    registry.register(r"local", _cascade, text=_local_text)
    return registry


_default = built_in()
register = _default.register
resolve = _default.resolve
resolve_text = _default.resolve_text
known = _default.known
