"""Mock Live stands beside the house: its fidelity may not lean on the types and code that it is there to test."""

from __future__ import annotations

import ast
from pathlib import Path

import fullduplex.mock_live as mock_live

FOLDER = Path(mock_live.__file__).parent


def test_it_imports_nothing_of_the_framework_but_tagged_audio() -> None:
    found = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level > 1:
                found.add(f"{file.name}: relative import out of the package")
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fullduplex"):
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names if alias.name.startswith("fullduplex"))
    assert found == {"fullduplex.testing.tagged_audio"}


def test_exports_are_sorted_and_exist() -> None:
    assert mock_live.__all__ == sorted(mock_live.__all__)
    assert all(hasattr(mock_live, name) for name in mock_live.__all__)
