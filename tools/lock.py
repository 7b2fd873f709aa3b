"""Writes `requirements.lock` (what `make run` installs) and `requirements-dev.lock` (what tests need) from .venv.

    .venv/bin/python tools/lock.py

Walks the requirements of pyproject.toml through what is installed, and pins each package at its installed version. A
package that is only wanted on some platforms keeps that marker. What is not installed here (Windows' own packages) is
not pinned; pip finds a version for it.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = {"requirements.lock": ("local",), "requirements-dev.lock": ("dev",)}
_EXTRA = re.compile(r"(?:\s+and\s+)?\(?extra == ['\"][^'\"]+['\"]\)?(?:\s+and\s+)?")


def environment_marker(requirement: Requirement) -> str:
    """The part of a requirement's marker that speaks of the machine and not of extras; '' when there is none."""
    text = str(requirement.marker or "")
    if " or " in text and "extra ==" in text:
        return ""
    return _EXTRA.sub("", text).strip().strip("()")


def wanted(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether the marker holds on this machine, with any of `extras` or none."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


class Closure:
    """The packages that a list of requirements brings, with the markers under which each is wanted."""

    def __init__(self) -> None:
        self.markers: dict[str, set[str]] = {}
        self._seen: set[tuple[str, frozenset[str], str]] = set()

    def add(self, requirement: Requirement, inherited: str = "") -> None:
        """Follows `requirement`; `inherited` is the marker of what asked for it."""
        name = canonicalize_name(requirement.name)
        marker = " and ".join(filter(None, dict.fromkeys([inherited, environment_marker(requirement)])))
        visit = (name, frozenset(requirement.extras), marker)
        if visit in self._seen:
            return
        self._seen.add(visit)
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            sys.exit(f"{requirement} is not installed in this environment")
        self.markers.setdefault(name, set()).add(marker)
        for text in needed:
            child = Requirement(text)
            if wanted(child, frozenset(requirement.extras)):
                self.add(child, marker)

    def lines(self) -> list[str]:
        """One pinned requirement a line, sorted by name."""
        return [f"{name}=={importlib.metadata.version(name)}{self._suffix(name)}" for name in sorted(self.markers)]

    def _suffix(self, name: str) -> str:
        clauses = {frozenset(filter(None, marker.split(" and "))) for marker in self.markers[name]}
        # What is wanted under a weaker marker is wanted under a stronger one too.
        weakest = [clause for clause in clauses if not any(other < clause for other in clauses)]
        if frozenset() in weakest:
            return ""
        return f" ; {Marker(' or '.join(sorted(' and '.join(sorted(clause)) for clause in weakest)))}"


def own_requirements(project: dict[str, object], extra: str) -> list[Requirement]:
    """The requirements of one of this project's extras; `fullduplex[a,b]` inside stands for those extras."""
    optional: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    found: list[Requirement] = []
    for requirement in map(Requirement, optional[extra]):
        if canonicalize_name(requirement.name) == project["name"]:
            for inner in sorted(requirement.extras):
                found += own_requirements(project, inner)
        else:
            found.append(requirement)
    return found


def main(root: Path) -> None:
    """Writes the locks."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for file, extras in LOCKS.items():
        closure = Closure()
        for requirement in map(Requirement, project["dependencies"]):
            closure.add(requirement)
        for extra in extras:
            for requirement in own_requirements(project, extra):
                closure.add(requirement)
        head = f"# Written by `make lock`: fullduplex[{','.join(extras)}] and all it brings, at the versions tested."
        (root / file).write_text("\n".join([head, *closure.lines()]) + "\n")
        print(f"{file}: {len(closure.markers)} packages")


if __name__ == "__main__":
    main(Path(__file__).resolve().parent.parent)
