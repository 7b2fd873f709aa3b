"""Time, ids and chance, passed in, so that a run can be driven by hand and replayed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from fullduplex.events import Event


@dataclass(frozen=True)
class Ambient:
    """`now` gives seconds since the epoch, `new_id` a fresh id, `chance` a number in [0, 1)."""

    now: Callable[[], float] = time.time
    new_id: Callable[[], str] = Event.new_id
    chance: Callable[[], float] = random.random
