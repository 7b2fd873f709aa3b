"""`docs/errors.md` lists every code that the source can give, and none that it cannot."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fullduplex
from fullduplex.models.gemini.failures import RECOVERABLE_CLOSES, from_close
from tests.docs.blocks import codes_in, rows

SOURCE = Path(fullduplex.__file__).parent
CALLS_WITH_CODE_FIRST = {"_Rule", "answer"}


def _text(node: ast.AST | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _codes(node: ast.AST) -> Iterator[str]:
    """`code = "…"` in a class, `code="…"` in a call, the table of closes, and an answer written out as a dict."""
    if isinstance(node, ast.ClassDef):
        for statement in node.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "code":
                yield from _text(statement.value)
    elif isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg in ("code", "error_code"):
                yield from _text(keyword.value)
        if ast.unparse(node.func).rpartition(".")[2] in CALLS_WITH_CODE_FIRST and node.args:
            yield from _text(node.args[0])
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if list(_text(key)) == ["code"]:
                yield from _text(value)


def codes_of_the_source() -> dict[str, str]:
    """Each code with a file that gives it. Mock Live speaks Google's codes, not ours."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if "mock_live" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text())):
                found.update(dict.fromkeys(_codes(node), str(path.relative_to(SOURCE))))
    return found


def listed() -> list[str]:
    return [code for row in rows("errors.md", "code") for code in codes_in(row[0])]


def test_the_search_finds_the_ways_in_which_codes_are_written() -> None:
    known = codes_of_the_source()
    for code in ("session_busy", "invalid_json", "resumption_failed", "not_allowed", "client_too_slow"):
        assert code in known


def test_every_code_is_in_the_table_once() -> None:
    known, told = codes_of_the_source(), listed()
    assert len(told) == len(set(told))
    missing = {code: place for code, place in known.items() if code not in told}
    assert not missing, f"docs/errors.md says nothing of {missing}"
    assert not set(told) - set(known), "docs/errors.md tells of codes that nothing gives"


@pytest.mark.parametrize("row", rows("errors.md", "code"), ids=lambda row: row[0])
def test_a_row_says_where_and_whether_the_run_lives_on(row: list[str]) -> None:
    if codes_in(row[0]):
        assert len(row) == 4
        assert row[1]
        assert row[2]


def test_the_close_codes_that_heal() -> None:
    [again] = [row for row in rows("errors.md", "code") if row[0].startswith("1000 with a handle")]
    for code in RECOVERABLE_CLOSES:
        assert str(code) in again[0]
        assert from_close(code, "").recoverable
    for code in {1002, 1003, 1005, 1007, 1008, 1009, 1010, 1015, 4000}:
        assert str(code) not in again[0]
        assert not from_close(code, "").recoverable


def test_the_tree_in_the_page_of_gemini_is_of_known_codes() -> None:
    told = {code for row in rows("guides/use-gemini.md", "code") for code in codes_in(row[0])}
    assert told <= set(codes_of_the_source())
