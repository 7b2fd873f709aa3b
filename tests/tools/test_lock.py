"""The lock files: complete, exact, and free of this machine's paths."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import Closure, environment_marker, own_requirements

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked(name: str) -> dict[str, Requirement]:
    lines = (ROOT / name).read_text().splitlines()
    requirements = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


@pytest.mark.parametrize(("name", "extra"), [("requirements.lock", "local"), ("requirements-dev.lock", "dev")])
def test_every_direct_dependency_is_locked_within_its_range(name: str, extra: str) -> None:
    lock = locked(name)
    for wanted in [*map(Requirement, PROJECT["dependencies"]), *own_requirements(PROJECT, extra)]:
        pinned = lock[canonicalize_name(wanted.name)]
        (pin,) = pinned.specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version, prereleases=True), wanted


def test_the_locks_agree() -> None:
    run, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: str(requirement.specifier) for name, requirement in run.items()}.items() <= {
        name: str(requirement.specifier) for name, requirement in dev.items()
    }.items()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_no_machine(name: str) -> None:
    assert not re.search(r"[@/\\]|--|file:", "\n".join((ROOT / name).read_text().splitlines()[1:]))


def test_markers_of_the_platform_stay_and_those_of_extras_go() -> None:
    assert environment_marker(Requirement("a; extra == 'b'")) == ""
    assert environment_marker(Requirement("a; sys_platform == 'win32' and extra == 'b'")) == 'sys_platform == "win32"'
    assert environment_marker(Requirement("a; sys_platform == 'win32'")) == 'sys_platform == "win32"'


def test_what_is_wanted_everywhere_has_no_marker() -> None:
    closure = Closure()
    closure.add(Requirement("idna; sys_platform != 'emscripten'"))
    assert closure.lines()[0].endswith('; sys_platform != "emscripten"')
    closure.add(Requirement("idna"))
    assert ";" not in closure.lines()[0]
