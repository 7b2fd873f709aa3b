"""The documents tell the truth: their Python runs, prints what they say it prints, and their links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")


class Example(NamedTuple):
    """A block of Python and what it is said to print, if anything."""

    page: Path
    line: int
    code: str
    output: str | None


def examples(page: Path) -> list[Example]:
    """The ```python blocks of a page; an ```output block belongs to the block of Python before it.

    A ```python continued block stands behind the latest one that is not.
    """
    text = page.read_text()
    found: list[Example] = []
    base = Example(page, 1, "", None)
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        if match[1] == "python" and match[2].strip() == "continued":
            gap = "\n" * (line - base.line - base.code.count("\n"))
            found.append(Example(page, base.line, base.code + gap + match[3], None))
        elif match[1] == "python":
            found.append(base := Example(page, line, match[3], None))
        elif match[1] == "output":
            assert found, f"{page.name}:{line} is the output of nothing"
            found[-1] = found[-1]._replace(output=match[3])
    return found


ALL = [example for page in PAGES for example in examples(page)]


def name(example: Example) -> str:
    return f"{example.page.name}:{example.line}-{example.line + example.code.count(chr(10))}"


@pytest.mark.parametrize("example", ALL, ids=name)
def test_the_code_runs_and_prints_what_the_page_says(example: Example, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    # Blank lines first, so that a traceback shows the page's own line numbers.
    script.write_text("\n" * (example.line - 1) + example.code)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GOOGLE_", "OPENAI_"))}
    # A block that holds tests is a test file; pytest-asyncio would warn of settings that a single file does not have.
    runner = (
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"] if "\ndef test_" in example.code else []
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", *runner, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=45,
        check=False,
    )
    assert run.returncode == 0, f"{name(example)}\n{run.stderr}{run.stdout if runner else ''}"
    if example.output is not None:
        assert run.stdout == example.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        if re.match(r"https?:|#|mailto:", target):
            continue
        assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_pages_name_no_machine() -> None:
    for page in PAGES:
        assert not re.search(r"(^|[\s`(])/(home|root|work|tmp)/", page.read_text()), page


def test_every_dependency_is_explained() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    wanted = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    for line in wanted:
        package = re.match(r"[\w.-]+", line)
        assert package is not None
        assert package[0] == project["name"] or f"`{package[0]}`" in explained, package[0]


def test_every_floor_is_described() -> None:
    from tests.test_floors import FLOORS

    page = (ROOT / "docs" / "architecture.md").read_text()
    there = {path.stem for path in (ROOT / "src" / "fullduplex").iterdir() if not path.name.startswith("_")}
    for package in set().union(*FLOORS) & there - {"demo", "apps"}:
        assert f"`{package}`" in page, package
