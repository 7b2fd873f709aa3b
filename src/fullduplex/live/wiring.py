"""What every part of a live run needs: how models are found, time and ids, deadlines, and the group of its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fullduplex.live.ambient import Ambient
from fullduplex.live.relay import Relay
from fullduplex.live.settings import LiveSettings
from fullduplex.models.base import LiveModel


@dataclass(frozen=True)
class Wiring:
    """`resolve` turns a model's name into a backend; whatever fails in `group`, all ends. Events go by `relay`."""

    resolve: Callable[[str], LiveModel]
    ambient: Ambient
    settings: LiveSettings
    group: asyncio.TaskGroup
    relay: Relay
