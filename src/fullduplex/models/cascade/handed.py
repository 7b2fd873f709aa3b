"""What the embedded agent makes of a conversation that it takes over: what is still to be answered. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from fullduplex.models.cascade.flow import COMPLETED, EXIT
from fullduplex.types.content import Content, FunctionResponse

_QUOTE_MARK = "<<<BEGIN_QUOTED"
_CALLED = re.compile(r"called tool `(\w+)`")


class Open(NamedTuple):
    """The user's `question` that nobody has answered, the tools' `results` that nobody has told, and whether another
    agent `handed` the conversation over."""

    question: str
    results: list[FunctionResponse]
    handed: bool


def still_open(contents: Sequence[Content]) -> Open:
    """What is open at the end of `contents`; what other agents said is no question."""
    question, quoted = "", ""
    for content in reversed(contents):
        if content.role == "model":
            break
        text = content.text.strip()
        if _QUOTE_MARK in text:
            quoted = quoted or text
        elif text and not question:
            question = text
    results = contents[-1].function_responses if contents else []
    called = _CALLED.findall(quoted)
    # Whoever has done a task has answered what was said to it: the next one begins.
    done = bool(called) and called[-1] in (COMPLETED, EXIT)
    return Open("" if done else question, results, bool(quoted))
