"""Audio that knows which part of it you are looking at: every 20 ms slice carries its own number.

A test sends `encode(first=0, count=50, rate=24_000)` through whatever it tests and asks of the far end `decode(...)`:
the list of numbers that arrived shows at once what was lost, doubled, reordered or cut. It is PCM16 little endian,
mono, and loud enough (RMS about 0.18 of full scale) that a voice activity detector takes it for speech.

How: a slice is a short lead-in of at least six samples and then 48 square-wave symbols of equal length (9 samples at
24 kHz, 6 at 16 kHz): 8 of sync, 32 of the number, 8 of a CRC-8. A symbol is read by the sign of its sum, so gain,
clipping, mild noise and a DC offset below the signal do no harm.
Slices survive any slicing on 20 ms boundaries and any concatenation. They do not survive resampling or a cut at any
other place: such slices read as `UNREADABLE`.

`stamp` and `read_stamp` put a clock reading and a sequence number into the first 12 bytes, for latency benches. They
fit in the lead-in, so a stamped chunk still reads as its numbers.
This module is no codec and makes no speech: for voices see the other modules of `fullduplex.testing`.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

SLICE_MS = 20
"""Length of one numbered slice in milliseconds."""

UNREADABLE = -1
"""What `decode` gives for a slice that carries no valid number: silence, other sound, a cut slice."""

STAMP_BYTES = 12
"""Bytes that `stamp` overwrites; a multiple of three, so that in base64 they are 16 characters of their own."""

_AMPLITUDE = 6000
_SYNC = 0b1100_1010
_SYMBOLS = 48
_POLYNOMIAL = 0x07


def slice_bytes(rate: int) -> int:
    """Bytes of PCM16 in one 20 ms slice at `rate` Hz. Raises ValueError for a rate that 20 ms does not divide."""
    if rate < 2700 or rate % 50:
        raise ValueError(f"tagged audio needs a rate of at least 2700 Hz that is a multiple of 50, not {rate}")
    return rate // 50 * 2


def encode(first: int, count: int, rate: int) -> bytes:
    """PCM16 mono of `count` slices (20 ms each) numbered `first`, `first + 1`, … (modulo 2**32) at `rate` Hz."""
    if first < 0 or count < 0:
        raise ValueError("first and count must not be negative")
    return b"".join(_slice(number & 0xFFFF_FFFF, rate) for number in range(first, first + count))


def encode_ms(first: int, duration_ms: float, rate: int) -> bytes:
    """As `encode`, for as many slices as it takes to last at least `duration_ms`."""
    return encode(first, -(-int(duration_ms) // SLICE_MS), rate)


def decode(pcm: bytes | bytearray | memoryview, rate: int) -> list[int]:
    """The number of each 20 ms slice of `pcm`, in order; `UNREADABLE` (-1) for a slice that has none.

    `pcm` starts on a slice boundary. A remainder shorter than a slice at the end counts as one unreadable slice, so
    that a cut never goes unnoticed.
    """
    size = slice_bytes(rate)
    whole, rest = divmod(len(pcm), size)
    tail = [UNREADABLE] if rest else []
    if not whole:
        return tail
    lead, width = _layout(size // 2)
    samples = np.frombuffer(pcm, dtype="<i2", count=whole * size // 2).reshape(whole, size // 2)
    sums = samples[:, lead:].astype(np.int64).reshape(whole, _SYMBOLS, width).sum(axis=2)
    octets = np.packbits(sums > 0, axis=1)
    return [_read(bytes(row)) for row in octets] + tail


def stamp(pcm: bytes, clock_ns: int, sequence: int) -> bytes:
    """`pcm` with its first 12 bytes replaced by a clock reading (ns) and a 32-bit sequence number."""
    return struct.pack("<QI", clock_ns & 0xFFFF_FFFF_FFFF_FFFF, sequence & 0xFFFF_FFFF) + pcm[STAMP_BYTES:]


def read_stamp(pcm: bytes | bytearray | memoryview) -> tuple[int, int]:
    """(clock_ns, sequence) of a chunk made by `stamp`. Raises ValueError if it is shorter than 12 bytes."""
    if len(pcm) < STAMP_BYTES:
        raise ValueError("a stamped chunk has at least 12 bytes")
    clock_ns, sequence = struct.unpack_from("<QI", pcm)
    return int(clock_ns), int(sequence)


@functools.lru_cache(maxsize=4096)
def _slice(number: int, rate: int) -> bytes:
    size = slice_bytes(rate) // 2
    lead, width = _layout(size)
    bits = np.unpackbits(np.frombuffer(_octets(number), dtype=np.uint8))
    wave: npt.NDArray[Any] = np.full(size, -_AMPLITUDE, dtype="<i2")
    wave[lead:] = np.repeat(np.where(bits, _AMPLITUDE, -_AMPLITUDE), width)
    return bytes(wave.tobytes())


def _layout(samples: int) -> tuple[int, int]:
    """(samples of lead-in, samples of one symbol) in a slice of so many samples."""
    width = (samples - STAMP_BYTES // 2) // _SYMBOLS
    return samples - _SYMBOLS * width, width


def _octets(number: int) -> bytes:
    body = bytes([_SYNC]) + number.to_bytes(4, "big")
    return body + bytes([_crc8(body)])


def _read(octets: bytes) -> int:
    if octets[0] != _SYNC or _crc8(octets[:5]) != octets[5]:
        return UNREADABLE
    return int.from_bytes(octets[1:5], "big")


def _crc8(data: bytes) -> int:
    crc = 0
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = (crc << 1) ^ _POLYNOMIAL if crc & 0x80 else crc << 1
        crc &= 0xFF
    return crc
