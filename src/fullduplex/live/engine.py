"""The engine that the runner hands to agents: it starts a conductor for each run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from fullduplex.agents.contexts import InvocationContext
from fullduplex.events import Event
from fullduplex.live.ambient import Ambient
from fullduplex.live.conductor import Conductor
from fullduplex.live.settings import LiveSettings
from fullduplex.models.base import LiveModel


class Engine:
    """Runs agents live. `resolve` turns a model's name into a backend."""

    def __init__(
        self,
        *,
        resolve: Callable[[str], LiveModel],
        ambient: Ambient | None = None,
        settings: LiveSettings | None = None,
    ) -> None:
        self._resolve = resolve
        self._ambient = ambient or Ambient()
        self._settings = settings or LiveSettings()

    @property
    def ambient(self) -> Ambient:
        """Where time, ids and chance come from."""
        return self._ambient

    @property
    def settings(self) -> LiveSettings:
        """The engine's deadlines and its policy of reconnecting."""
        return self._settings

    def run(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """The events of `ctx.agent`'s run. Raises what its instruction raises, before anything connects."""
        return Conductor(ctx=ctx, resolve=self._resolve, ambient=self._ambient, settings=self._settings).events()
