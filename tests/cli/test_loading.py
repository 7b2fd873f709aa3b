from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fullduplex.apps import App
from fullduplex.cli.errors import UsageError
from fullduplex.cli.loading import load_agent, root_of
from fullduplex.runners import Runner

AGENT = "from fullduplex import Agent\nroot_agent = Agent(name='found', model='local')\n"

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def name() -> str:
    """A module name that no other test has used."""
    return f"loaded_{next(_numbers)}"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file(tmp_path: Path, name: str):
    write(tmp_path / f"{name}.py", AGENT)
    assert load_agent(f"{name}.py").name == "found"
    assert load_agent(str(tmp_path / f"{name}.py")).name == "found"


def test_a_folder_with_agent_py_as_adk_has_it(tmp_path: Path, name: str):
    write(tmp_path / name / "__init__.py", "from . import agent\n")
    write(tmp_path / name / "tools.py", "ANSWER = 42\n")
    write(tmp_path / name / "agent.py", f"from .tools import ANSWER\n{AGENT}")
    assert load_agent(name).name == "found"
    assert load_agent(f"{name}/agent.py").name == "found"


def test_a_module(tmp_path: Path, name: str):
    write(tmp_path / name / "inner.py", AGENT)
    assert load_agent(f"{name}.inner").name == "found"


def test_a_name_in_it(tmp_path: Path, name: str):
    write(tmp_path / f"{name}.py", AGENT + "other = Agent(name='other', model='local')\n")
    assert load_agent(f"{name}.py:other").name == "other"


def test_a_runner_and_an_app(tmp_path: Path, name: str):
    text = AGENT + (
        "from fullduplex.apps import App\nfrom fullduplex.runners import InMemoryRunner\n"
        "runner = InMemoryRunner(root_agent)\napp = App(name='x', root_agent=root_agent)\n"
    )
    write(tmp_path / f"{name}.py", text)
    assert isinstance(load_agent(f"{name}.py:runner"), Runner)
    assert isinstance(load_agent(f"{name}.py:app"), App)
    assert [root_of(load_agent(f"{name}.py{which}")).name for which in ("", ":runner", ":app")] == ["found"] * 3


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("missing.py", "there is no file missing.py"),
        ("missing_module", "there is no module missing_module"),
        ("folder", "has no agent.py"),
        ("what-is-this", "neither a file, a folder nor"),
        ("empty.py", "has none of root_agent"),
        ("empty.py:agent_x", "has no `agent_x`"),
        ("number.py:root_agent", "is a int, not an agent"),
    ],
)
def test_what_cannot_be_found_is_said_in_one_line(target: str, problem: str, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    write(tmp_path / "empty.py", "")
    write(tmp_path / "number.py", "root_agent = 3\n")
    with pytest.raises(UsageError) as error:
        load_agent(target)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mistake_inside_the_agents_module_is_shown_as_it_is(tmp_path: Path, name: str):
    write(tmp_path / f"{name}.py", "import a_package_that_is_not_there\n")
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        load_agent(f"{name}.py")
