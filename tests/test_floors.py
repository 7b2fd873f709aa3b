"""The house stands: an import only goes down the floors of docs/architecture.md, and the pure core stays pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "fullduplex"

# From the roof to the ground. Packages on one floor may know each other.
FLOORS = [
    {"cli", "__main__"},
    {"server"},
    {"demo"},
    {"runners"},
    {"live", "text"},
    {"apps"},
    {"agents", "plugins"},
    {"tools"},
    {"models"},
    {"sessions", "artifacts", "memory"},
    {"google_login", "per_loop"},
    {"requests"},
    {"turns"},
    {"events"},
    {"types"},
    {"errors", "native", "_native"},
]
HEIGHT = {package: -floor for floor, packages in enumerate(FLOORS) for package in packages}
# Beside the house: nothing in it leans on them, but for the command that starts Mock Live.
BESIDE = {"mock_live", "testing", "web"}
LEANING = {("cli", "mock_live")}

IMPURE = {"asyncio", "time", "logging", "random", "socket", "threading", "datetime", "uuid", "os", "secrets"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def package_of(path: Path) -> str:
    inside = path.relative_to(SOURCE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def typing_only(tree: ast.Module) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:` and never runs."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that `path` imports when it runs, inside functions too, with the line."""
    tree = ast.parse(path.read_text())
    skipped = typing_only(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ["fullduplex", *path.relative_to(SOURCE).parts][: -node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            if module == "fullduplex":
                yield from ((f"fullduplex.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield module, node.lineno


def test_every_package_has_its_floor() -> None:
    assert {package_of(path) for path in modules()} - {"__init__"} <= HEIGHT.keys() | BESIDE


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_an_import_only_goes_down(path: Path) -> None:
    here = package_of(path)
    if here in BESIDE or path == SOURCE / "__init__.py":
        return
    for module, line in imports(path):
        root, _, rest = module.partition(".")
        if root != "fullduplex" or not rest:
            continue
        there = rest.partition(".")[0]
        if there == here or there == "__version__" or (here, there) in LEANING:
            continue
        assert there not in BESIDE, f"{path.name}:{line} leans on {there}, which stands beside the house"
        assert HEIGHT[there] <= HEIGHT[here], f"{path.name}:{line} imports {there}, which is above {here}"


@pytest.mark.parametrize("path", sorted((SOURCE / "turns").glob("*.py")), ids=lambda path: path.stem)
def test_the_pure_core_has_no_clock_no_chance_no_loop(path: Path) -> None:
    for module, line in imports(path):
        root = module.partition(".")[0]
        assert root not in IMPURE, f"{path.name}:{line} imports {module}"
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, (ast.AsyncFunctionDef, ast.Await)), f"{path.name}:{node.lineno} waits"


def test_mock_live_is_not_built_of_what_it_tests() -> None:
    """Mock Live may use the shared words and the test tools, never the engine or the client it stands opposite to."""
    allowed = {"types", "errors", "testing", "mock_live", "__version__"}
    for path in sorted((SOURCE / "mock_live").rglob("*.py")):
        for module, line in imports(path):
            if module.startswith("fullduplex."):
                assert module.split(".")[1] in allowed, f"{path.name}:{line} imports {module}"
