"""What a user's type checker makes of the package, and that nothing in its API blocks (`docs/concepts.md`)."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from fullduplex import LiveRequestQueue, Runner
from fullduplex.artifacts import BaseArtifactService
from fullduplex.memory import BaseMemoryService
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import BaseSessionService
from fullduplex.tools import BaseToolset
from tests.docs.test_docs import ALL

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())

# mypy does not know which parameters `**who` stands for, and takes it for all of them.
UNKNOWABLE = '"**dict[str, str]"'

OPTIONS = ("--check-untyped-defs", "--no-strict-optional", "--explicit-package-bases")

FORGOTTEN = """\
from fullduplex import InMemoryRunner, Agent, types

runner = InMemoryRunner(Agent(name="guide", model="local"))

for event in runner.run_async(user_id="u", session_id="s", new_message=types.UserContent(parts="hi")):
    print(event)


async def main() -> None:
    session = runner.session_service.get_session(app_name="app", user_id="u", session_id="s")
    print(session.events)
"""


def complaints(*arguments: str, cwd: Path, cache: Path) -> list[str]:
    """What mypy says of programs, as their authors would call it."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--check-untyped-defs",
            "--no-strict-optional",
            "--cache-dir",
            str(cache),
            *arguments,
        ],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error:" in line and UNKNOWABLE not in line]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def test_the_package_says_that_it_is_typed() -> None:
    assert resources.files("fullduplex").joinpath("py.typed").is_file()


@pytest.mark.slow
@pytest.mark.spec(195)
@pytest.mark.timeout(200)
def test_the_documents_pass_a_type_checker_that_finds_a_forgotten_await(tmp_path: Path, cache: Path) -> None:
    for example in ALL:
        name = f"{example.page.stem.replace('-', '_').lower()}_{example.line}.py"
        (tmp_path / name).write_text("\n" * (example.line - 1) + example.code)
    (tmp_path / "forgotten.py").write_text(FORGOTTEN)
    not_iterable, not_awaited = complaints(".", cwd=tmp_path, cache=cache)
    assert "forgotten.py" in not_iterable
    assert "not iterable" in not_iterable
    assert "forgotten.py" in not_awaited
    assert "Coroutine" in not_awaited


@pytest.mark.slow
@pytest.mark.spec(195)
@pytest.mark.timeout(200)
@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_pass_a_type_checker(folder: Path, cache: Path) -> None:
    start = folder / "app" if (folder / "app").is_dir() else folder
    assert complaints(".", cwd=start, cache=cache) == []


@pytest.mark.spec(195)
def test_every_example_is_run_by_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for folder in EXAMPLES:
        assert f'"{folder.name}"' in tests, f"no test runs examples/{folder.name}"


@pytest.mark.spec(195)
@pytest.mark.parametrize(
    ("owner", "plain"),
    [
        (Runner, {"run"}),
        (BaseSessionService, set()),
        (BaseArtifactService, set()),
        (BaseMemoryService, set()),
        (BasePlugin, set()),
        (BaseToolset, set()),
    ],
)
def test_whatever_may_wait_is_asynchronous(owner: type, plain: set[str]) -> None:
    methods = {name: method for name, method in inspect.getmembers(owner, inspect.isfunction) if name[0] != "_"}
    blocking = {
        name
        for name, method in methods.items()
        if not inspect.iscoroutinefunction(method) and not inspect.isasyncgenfunction(method)
    }
    assert methods
    assert blocking == plain


def test_what_the_queue_is_sent_does_not_wait() -> None:
    sends = [name for name in dir(LiveRequestQueue) if name.startswith("send")]
    assert len(sends) > 5
    assert not any(inspect.iscoroutinefunction(getattr(LiveRequestQueue, name)) for name in [*sends, "close"])
