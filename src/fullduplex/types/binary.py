"""Bytes in JSON: base64, URL-safe and padded out, either alphabet with or without padding in.

Every chunk of audio passes here, so speed counts: `pybase64` is five times as fast as msgspec's own codec.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import pybase64

from fullduplex import native
from fullduplex.errors import InvalidInput

if TYPE_CHECKING:
    Base64 = bytes
elif native.AVAILABLE:
    Base64 = native.Base64
else:

    class Base64(bytes):
        """Bytes that travel as base64 in JSON; a class of its own, so that msgspec asks our hooks about them."""

        __slots__ = ()


UNTRACKED: type[bytes] = Base64 if native.AVAILABLE else bytes
"""A class of bytes of which many can be kept, because the garbage collector does not go through them."""

_URL_SAFE = b"-_"


urlsafe_base64: Callable[[bytes], bytes] = functools.partial(pybase64.b64encode, altchars=_URL_SAFE)
"""Bytes as URL-safe base64 with padding, in ASCII."""


def _framed(frame: bytearray, room: int, head: bytes, data: bytes, tail: bytes) -> bytearray:
    frame[:] = b"".join((bytes(room), head, urlsafe_base64(data), tail))
    return frame


framed_base64: Callable[[bytearray, int, bytes, bytes, bytes], bytearray] = (
    native.framed if native.AVAILABLE else _framed
)
"""Writes `frame` anew and gives it back: `room` bytes of any kind, `head`, `data` as URL-safe base64, `tail`."""


def encode_base64(data: bytes) -> str:
    """`data` as URL-safe base64 with padding, as the Gemini SDKs write it."""
    return pybase64.b64encode_as_string(data, _URL_SAFE)


def decode_base64(text: str) -> bytes:
    """The bytes of base64 in either alphabet, padded or not; raises `InvalidInput` on anything else."""
    try:
        return Base64(pybase64.b64decode(text, validate=True))
    except ValueError:  # another form than the wire's usual one
        text = text.replace("-", "+").replace("_", "/")
    if len(text) % 4:
        text = text.rstrip("=")
        text += "=" * (-len(text) % 4)
    try:
        return Base64(pybase64.b64decode(text, validate=True))
    except ValueError:
        raise InvalidInput("not base64", code="invalid_base64") from None
