"""What to do when a connection is lost, and after how long: close codes, backoff and budget.

No clock and no randomness of its own: the time and a number in [0, 1) come in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

NORMAL_CLOSE = 1000
ABNORMAL_CLOSE = 1006  # no close frame came
REFUSED_CLOSE = 1008
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_LEAVE_EARLY_S = 1.0


class Verdict(Enum):
    """What follows a loss."""

    END = "end"  # the conversation is over, without an error
    FAIL = "fail"  # trying again cannot help
    AGAIN = "again"
    WITHOUT_HANDLE = "without_handle"  # at once, and with the history instead


@dataclass(frozen=True)
class Loss:
    """How a connection ended: the WebSocket's close code (None: no close), and where things stood.

    `recoverable` is the backend's judgement, `refused_handle` says that it did not accept a setup with a handle,
    `goes_on` that the backend means the conversation to go on (it gave a handle, or a goAway before it closed), and
    `closed` that the app has closed its queue.
    """

    close_code: int | None
    recoverable: bool
    refused_handle: bool
    goes_on: bool
    closed: bool


def verdict(loss: Loss) -> Verdict:
    """What to do after `loss`. Never a reconnect after `close()`."""
    if loss.refused_handle and loss.close_code == REFUSED_CLOSE:
        return Verdict.END if loss.closed else Verdict.WITHOUT_HANDLE
    if loss.close_code == NORMAL_CLOSE and not loss.goes_on:
        return Verdict.END
    if not loss.recoverable:
        return Verdict.FAIL
    return Verdict.END if loss.closed else Verdict.AGAIN


@dataclass(frozen=True)
class ReconnectPolicy:
    """Delays in seconds. At most `budget` attempts within `window_s`; after that the run ends with an error."""

    first_delay_s: float = 0.1
    factor: float = 2.0
    max_delay_s: float = 5.0
    jitter: float = 0.25
    budget: int = 12
    window_s: float = 60.0
    deadline_s: float = 60.0
    """How long the model may be away before the run ends, whatever is left of the budget."""


class Reconnects:
    """The history of one run's attempts."""

    def __init__(self, policy: ReconnectPolicy | None = None) -> None:
        self.policy = policy or ReconnectPolicy()
        self._attempts: list[float] = []
        self._away_since: float | None = None

    def next_delay(self, now: float, random: float) -> float | None:
        """Seconds to wait before the next attempt, or None when the budget is spent, or the deadline would be by then.

        Attempts are forgotten as they leave the window, not when one succeeds: a server that accepts and drops at
        once must not be hammered.
        """
        policy = self.policy
        if self._away_since is None:
            self._away_since = now
        self._attempts = [attempt for attempt in self._attempts if now - attempt <= policy.window_s]
        delay = min(policy.first_delay_s * policy.factor ** len(self._attempts), policy.max_delay_s)
        delay *= 1 + policy.jitter * (2 * random - 1)
        if len(self._attempts) >= policy.budget or now + delay - self._away_since > policy.deadline_s:
            return None
        self._attempts.append(now)
        return delay

    def time_left(self, now: float) -> float | None:
        """Seconds that an attempt may take before the deadline; None when the model was not away."""
        return None if self._away_since is None else max(0.0, self._away_since + self.policy.deadline_s - now)

    def connected(self) -> None:
        """The model is there again."""
        self._away_since = None


def leave_after(time_left: str | None) -> float:
    """Seconds after a goAway at which to leave at the latest: one before its `time_left` (a duration like `10s`)."""
    match = _SECONDS.fullmatch(time_left or "")
    return max(0.0, float(match.group(1)) - _LEAVE_EARLY_S) if match else 0.0
