"""What a user is asked before a tool runs, and what they said."""

from __future__ import annotations

from typing import Any

import msgspec

from fullduplex.types.struct import Message


def _nothing() -> str:
    return ""


def _no() -> bool:
    return False


class ToolConfirmation(Message):
    """`hint` is the question, `confirmed` the user's yes; `payload` is what is asked for and what they filled in."""

    hint: str = msgspec.field(default_factory=_nothing)
    confirmed: bool = msgspec.field(default_factory=_no)
    payload: Any = None
