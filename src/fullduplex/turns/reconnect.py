"""When to connect again, and after how long: exponential backoff with jitter under a budget that slides in time.

No clock and no randomness of its own: the time and a number in [0, 1) come in.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReconnectPolicy:
    """Delays in seconds. At most `budget` attempts within `window_s`; after that the run ends with an error."""

    first_delay_s: float = 0.1
    factor: float = 2.0
    max_delay_s: float = 5.0
    jitter: float = 0.25
    budget: int = 8
    window_s: float = 60.0


class Reconnects:
    """The history of one run's attempts."""

    def __init__(self, policy: ReconnectPolicy | None = None) -> None:
        self.policy = policy or ReconnectPolicy()
        self._attempts: list[float] = []

    def next_delay(self, now: float, random: float) -> float | None:
        """Seconds to wait before the next attempt, or None when the budget is spent.

        Attempts are forgotten as they leave the window, not when one succeeds: a server that accepts and drops at
        once must not be hammered.
        """
        policy = self.policy
        self._attempts = [attempt for attempt in self._attempts if now - attempt <= policy.window_s]
        if len(self._attempts) >= policy.budget:
            return None
        delay = min(policy.first_delay_s * policy.factor ** len(self._attempts), policy.max_delay_s)
        self._attempts.append(now)
        return delay * (1 + policy.jitter * (2 * random - 1))
