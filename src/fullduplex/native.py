"""The compiled help for what is done at every chunk of audio (`_native.c`), where it could be built.

Whoever uses it does the same in Python where it is missing (`AVAILABLE` is false): on other processors than x86-64,
where there was no C compiler when this package was installed, and with `FULLDUPLEX_PURE=1` in the environment.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from fullduplex._native import Base64, Hole, Mould, framed

_log = logging.getLogger(__name__)


class _Sample(msgspec.Struct):
    text: str
    number: Any
    more: list[Any]


def _fits() -> bool:
    """Whether Structs are what the compiled code takes them for: it was built for a msgspec of its own time."""
    try:
        made = Mould(_Sample("a", Hole(0), [{}])).make(1)
    except TypeError:
        return False
    return type(made) is _Sample and made == _Sample("a", 1, [{}])


AVAILABLE = False
if not os.environ.get("FULLDUPLEX_PURE"):
    try:
        from fullduplex._native import Base64, Hole, Mould, framed

        AVAILABLE = _fits()
        if not AVAILABLE:
            _log.warning("_native does not know this msgspec (%s): Python does its work", msgspec.__version__)
    except ImportError:
        pass

__all__ = ["AVAILABLE", "Base64", "Hole", "Mould", "framed", "with_texts"]


def with_texts(example: object, text: bytes, holes: Sequence[tuple[object, str, type, bytes]]) -> Mould:
    """A mould that writes: of `example`, whose JSON is `text`.

    A hole is an object in the example, its field, what stands there, and the mark by which that is found in the text;
    holes are named in the order of the text.
    """
    texts = []
    for number, (owner, field, kind, mark) in enumerate(holes):
        before, found, text = text.partition(mark)
        if not found:
            raise ValueError(f"{field}: its mark is not in the text")
        texts.append(before)
        setattr(owner, field, Hole(number, kind))
    return Mould(example, (*texts, text))
