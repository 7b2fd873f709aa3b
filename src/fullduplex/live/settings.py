"""Deadlines of a live run."""

from __future__ import annotations

from dataclasses import dataclass, field

from fullduplex.turns.reconnect import ReconnectPolicy


@dataclass(frozen=True)
class LiveSettings:
    """Deadlines in seconds: for an agent's instruction and toolsets before its part begins, for running tools and for
    unsent input after `close()`, and for the store at the end."""

    prepare_deadline_s: float = 15.0
    tool_deadline_s: float = 5.0
    send_deadline_s: float = 5.0
    store_deadline_s: float = 2.0
    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
