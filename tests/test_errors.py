"""The tree of errors: what its module's first lines show is what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fullduplex import errors


def drawn() -> Iterator[tuple[str, str]]:
    """Each error of the drawing, and the one that it stands under."""
    above: list[str] = []
    for indent, name in re.findall(r"^    ([│├└─ ]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE):
        del above[len(indent) // 4 :]
        yield name, above[-1] if above else "Exception"
        above.append(name)


def test_the_drawing_of_the_tree_is_complete_and_true() -> None:
    there = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.FullduplexError)}
    assert dict(drawn()) == {one.__name__: one.__bases__[0].__name__ for one in there}
