"""What the tests of the reference pages read off them: blocks by their label, and tables by their heading."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"

_ROW = re.compile(r"(?<!\\)\|")


def labelled(page: str, label: str) -> list[str]:
    """The lines of the block that begins with ```json and this label."""
    found = re.search(rf"^```json {label}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no block ```json {label}"
    return found[1].splitlines()


def rows(page: str, first: str) -> list[list[str]]:
    """The rows of all tables of a page whose first heading is `first`, cell by cell."""
    result: list[list[str]] = []
    inside = False
    for line in (DOCS / page).read_text().splitlines():
        cells = [cell.strip() for cell in _ROW.split(line.strip())[1:-1]]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first:
            inside = True
        elif inside and not re.fullmatch(r"-+", cells[0]):
            result.append(cells)
    assert result, f"{page} has no table that begins with {first!r}"
    return result


def codes_in(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)
