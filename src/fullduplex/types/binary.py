"""Bytes in JSON: base64, URL-safe and padded out, either alphabet with or without padding in (spec/live.md §1.7).

Every chunk of audio passes here, so speed counts: msgspec's own codec is three times as fast as `binascii`, and it is
strict, but it knows the standard alphabet alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fullduplex.errors import InvalidInput

if TYPE_CHECKING:
    Base64 = bytes
else:

    class Base64(bytes):
        """Bytes that travel as base64 in JSON; a class of its own, so that msgspec asks our hooks about them."""

        __slots__ = ()


_ENCODER = msgspec.json.Encoder()


def quoted_base64(data: bytes) -> bytes:
    """`data` as the JSON string that holds it, quotes included."""
    return _ENCODER.encode(memoryview(data)).replace(b"+", b"-").replace(b"/", b"_")


def encode_base64(data: bytes) -> str:
    """`data` as URL-safe base64 with padding, as the Gemini SDKs write it."""
    return quoted_base64(data)[1:-1].decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes of base64 in either alphabet, padded or not; raises `InvalidInput` on anything else."""
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    if len(text) % 4:
        text = text.rstrip("=")
        text += "=" * (-len(text) % 4)
    try:
        return Base64(msgspec.convert(text, bytes))
    except msgspec.ValidationError:
        raise InvalidInput("not base64", code="invalid_base64") from None
