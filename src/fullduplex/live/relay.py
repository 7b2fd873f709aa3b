"""Where a run's events go: to the app, or first to an agent of the developer's own that runs other agents.

Such an agent is given the events of those that it runs, and decides what of them goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from fullduplex.events import Event
from fullduplex.live.outbox import Outbox


class Relay:
    """The boxes into which events are put: the app's, and one for each run within the run."""

    def __init__(self, app: Outbox) -> None:
        self._app = app
        self._inner: list[tuple[str | None, Outbox]] = []
        self.put: Callable[[Event], None] = app.put
        """Puts an event into the innermost box that its branch leads to; without such boxes there is no detour."""

    def _sort(self, event: Event) -> None:
        self.box(event.branch).put(event)

    def box(self, branch: str | None) -> Outbox:
        """The box for what is said on `branch` now."""
        where = f"{branch or ''}."
        for inner, box in reversed(self._inner):
            if inner is None or where.startswith(f"{inner}."):
                return box
        return self._app

    def open(self, branch: str | None) -> Outbox:
        """A box for what is said on `branch` from now on."""
        box = Outbox()
        self._inner.append((branch, box))
        self.put = self._sort
        return box

    def close(self, box: Outbox) -> None:
        """What comes goes where it went before; closing twice is harmless."""
        self._inner = [(branch, one) for branch, one in self._inner if one is not box]
        if not self._inner:
            self.put = self._app.put
