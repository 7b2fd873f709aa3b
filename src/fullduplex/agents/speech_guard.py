"""What an agent must not say aloud: a check of its words before they are heard, and what is said instead.

The engine holds the agent's voice back for it: see `live.guard`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Verdict = bool | str | None
Check = Callable[[str], Verdict | Awaitable[Verdict]]


class SpeechGuard(BaseModel):
    """Holds the agent's words and voice back until `check` has passed them.

        Agent(name="guide", speech_guard=SpeechGuard(check=banned_words(["bomb"]), fallback="Let us move on."))

    `check` is a function, sync or async, of all that the agent has said in its turn so far; it is called again as the
    text grows. True or None lets it pass. False stops the answer, and `fallback` is said in its place; so does a text,
    which is said instead. A check that raises, or takes longer than `deadline_ms`, stops the answer.

    `hold_ms` is how long the voice waits for its transcript, counted from the first sound of a word; 0 holds nothing
    back and stops only what follows. In `strict` mode it waits until its words are known, up to `deadline_ms`; what is
    let go then nobody has checked, and an event `speech_unchecked` says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: Check
    hold_ms: float = Field(default=400.0, ge=0.0, allow_inf_nan=False)
    fallback: str = ""
    strict: bool = False
    deadline_ms: float = Field(default=3000.0, gt=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.deadline_ms < self.hold_ms:
            raise ValueError("deadline_ms must not be below hold_ms")
        if self.strict and not self.hold_ms:
            raise ValueError("strict needs hold_ms: with 0 nothing is held back")
        return self


def banned_words(words: Iterable[str]) -> Callable[[str], bool]:
    """A check for `SpeechGuard` that stops an answer in which one of `words` stands, as a whole word, in any case.

    A word may be several, apart by whatever space; a single one may stand by itself. Raises ValueError for an
    empty one.
    """
    known = [word.split() for word in ([words] if isinstance(words, str) else words)]
    if not all(known):
        raise ValueError("a banned word must not be empty")
    choices = "|".join(r"\s+".join(map(re.escape, word)) for word in known)
    pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w)", re.IGNORECASE)
    return lambda text: not known or pattern.search(text) is None
