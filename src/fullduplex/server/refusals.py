"""How the server says no: the one form of error answer on every wire, and the close codes of its sockets."""

from __future__ import annotations

from typing import Any

from fullduplex.errors import FullduplexError, InvalidInput
from fullduplex.types.struct import encode_json

CLOSE_NORMAL = 1000
CLOSE_UNSUPPORTED = 1003
CLOSE_INTERNAL = 1011
CLOSE_TOO_SLOW = 1013
CLOSE_SESSION_BUSY = 4409

_CLOSE_CODES = {"session_busy": CLOSE_SESSION_BUSY, "client_too_slow": CLOSE_TOO_SLOW}
_REASON_BYTES = 123


def answer(code: str, message: str, *, field: str | None = None, session_lives: bool) -> str:
    """The error answer as JSON text: what was wrong, which field, and whether the session goes on."""
    said: dict[str, Any] = {
        "type": "error",
        "code": code,
        "message": message,
        "field": field,
        "sessionLives": session_lives,
    }
    return encode_json(said).decode()


def answer_to(error: FullduplexError, *, session_lives: bool) -> str:
    """The error answer to what raised `error`."""
    field = error.field if isinstance(error, InvalidInput) else None
    return answer(error.code, str(error), field=field, session_lives=session_lives)


def close_code(error: FullduplexError) -> int:
    """The WebSocket close code of a run that ended with `error`."""
    return _CLOSE_CODES.get(error.code, CLOSE_INTERNAL)


def reason(text: str) -> str:
    """`text` cut to what fits in a close frame (123 bytes), never within a character."""
    return text.encode()[:_REASON_BYTES].decode(errors="ignore")
