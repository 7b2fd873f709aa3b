"""From a model's name to the backend that serves it. It makes model objects; it opens no connection."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fullduplex.errors import InvalidConfig
from fullduplex.models.base import LiveModel

Factory = Callable[[str], LiveModel]


@dataclass(frozen=True)
class _Entry:
    pattern: re.Pattern[str]
    factory: Factory
    shown: str


class Registry:
    """Patterns of model names and what makes a model of such a name. The newest pattern that fits wins.

    After `register(r"acme-.*", lambda name: AcmeLive(name))` an `Agent(model="acme-large")` works.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def register(self, pattern: str, factory: Factory, *, shown: str | None = None) -> None:
        """Names that match `pattern` (a regular expression, for the whole name) are made by `factory(name)`.

        `shown` is how the pattern is named to people. Raises `InvalidConfig` when the pattern cannot be read.
        """
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise InvalidConfig(f"{pattern!r} is not a pattern of model names: {error}") from None
        self._entries.insert(0, _Entry(compiled, factory, shown or pattern))

    def resolve(self, name: str) -> LiveModel:
        """A model of this name; raises `InvalidConfig`, with what is known, when no backend serves it."""
        for entry in self._entries:
            if entry.pattern.fullmatch(name):
                return entry.factory(name)
        raise InvalidConfig(
            f"No backend serves the model {name!r}. Known: {', '.join(self.known())}. "
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


def built_in() -> Registry:
    """A new registry with the backends that come with Fullduplex."""
    registry = Registry()
    registry.register(r"projects/.+/models/.+", _gemini, shown="projects/…/models/…")
    registry.register(r"models/.+", _gemini, shown="models/…")
    registry.register(r"gemini-.+", _gemini, shown="gemini-…")
    registry.register(r"local", _cascade)
    return registry


_default = built_in()
register = _default.register
resolve = _default.resolve
known = _default.known
