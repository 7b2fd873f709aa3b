"""The limits of one run: turns, time and tokens. They say when a run has had enough; they end nothing themselves.

The end is polite: no limit cuts an answer that is being given, but for the time, which waits for it no longer than a
grace. Turns are those of the model, interrupted ones too; one that calls tools is over when it has said what came of
them. Tokens are the sum of what the backend reports for each turn, and as it counts the whole conversation again with
every turn, so does this sum.
"""

from __future__ import annotations

from typing import NamedTuple

from fullduplex.errors import LlmCallsLimitExceededError
from fullduplex.types.live import LiveServerMessage, UsageMetadata

GRACE_S = 10.0


class Exceeded(NamedTuple):
    """Which limit of a run is exceeded: a stable code, and a sentence for people."""

    code: str
    message: str


class RunLimits:
    """The limits of one run that began at `started_at`; None is no limit.

    Times are in seconds, all of one clock. An answer that is being given when `max_duration_s` is over has `grace_s`
    more. Every message of the model goes through `feed`; `check` is to be called at `wake_at` too, and after `settled`.
    """

    def __init__(
        self,
        *,
        started_at: float,
        max_turns: int | None = None,
        max_duration_s: float | None = None,
        max_total_tokens: int | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._ends_at = None if max_duration_s is None else started_at + max_duration_s
        self._max_turns = max_turns
        self._max_duration_s = max_duration_s
        self._max_total_tokens = max_total_tokens
        self._grace_s = grace_s
        self._answering = False
        self._asked = False
        self._goes_on = False  # after a `turn_complete` that was not the end
        self.turns = 0
        self.total_tokens = 0

    def asked(self) -> None:
        """The user has typed a turn: tokens that are reported before its answer are judged after it."""
        self._asked = True

    def settled(self) -> None:
        """The model will not go on after all: the turn that was to be continued counts as it is."""
        if self._goes_on:
            self._turn_over()

    def feed(self, message: LiveServerMessage, now: float, *, goes_on: bool = False) -> Exceeded | None:
        """Takes a message of the model; says which limit is exceeded now, if any.

        `goes_on`: a `turn_complete` is not the end, because the model is to say what came of the tools that it called.
        """
        if message.usage_metadata is not None:
            self.total_tokens += _total(message.usage_metadata)
        content = message.server_content
        if message.tool_call is not None or (content is not None and content.model_turn is not None):
            self._answering = True
            self._goes_on = False
        if content is not None and content.input_transcription is not None:
            self._asked = True
        if content is not None and content.turn_complete:
            if goes_on:
                self._goes_on = True
            else:
                self._turn_over()
        return self.check(now)

    def _turn_over(self) -> None:
        self._answering = self._asked = self._goes_on = False
        self.turns += 1

    def check(self, now: float) -> Exceeded | None:
        """The limit that is exceeded at `now`, if any; the same answer again until the run ends."""
        waits = self._answering
        if self._ends_at is not None and now >= self._ends_at + (self._grace_s if waits else 0.0):
            return Exceeded(code="max_duration", message=f"the limit of {self._max_duration_s:g} s is reached")
        if waits:
            return None
        if self._max_turns is not None and self.turns >= self._max_turns:
            return Exceeded(code="max_turns", message=f"the limit of {self._max_turns} turns is reached")
        if self._max_total_tokens is not None and self.total_tokens >= self._max_total_tokens and not self._asked:
            reached = f"the limit of {self._max_total_tokens:,} tokens is reached: {self.total_tokens:,} were used"
            return Exceeded(code="max_tokens", message=reached)
        return None

    def wake_at(self, now: float) -> float | None:
        """When `check` is to be called if no message comes before: the end of the time, then the end of the grace."""
        if self._ends_at is None or now < self._ends_at:
            return self._ends_at
        return self._ends_at + self._grace_s


class CallLimit:
    """Counts how often the models of one text run are asked; a limit of 0 or less is none."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.calls = 0

    def count(self) -> None:
        """One more; raises `LlmCallsLimitExceededError` when that is one too many."""
        if 0 < self._limit <= self.calls:
            raise LlmCallsLimitExceededError(f"Max number of llm calls limit of `{self._limit}` exceeded")
        self.calls += 1


def _total(usage: UsageMetadata) -> int:
    """The tokens of a report; put together from its parts where it holds no total."""
    if usage.total_token_count is not None:
        return usage.total_token_count
    answer = usage.response_token_count if usage.candidates_token_count is None else usage.candidates_token_count
    parts = (usage.prompt_token_count, answer, usage.tool_use_prompt_token_count, usage.thoughts_token_count)
    return sum(part or 0 for part in parts)
