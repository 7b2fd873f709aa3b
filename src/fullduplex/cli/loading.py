"""Finds the agent that a command was given: in a file, in a folder, or in a module."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fullduplex.cli.errors import UsageError

if TYPE_CHECKING:
    from fullduplex.agents import BaseAgent
    from fullduplex.apps import App
    from fullduplex.runners import Runner

NAMES = ("root_agent", "agent", "runner", "app")
"""Where an agent is looked for in a module that names none."""


def load_agent(target: str) -> BaseAgent | App | Runner:
    """The agent, app or runner at `PLACE[:name]`; `UsageError` when there is none. Errors of its code are raised."""
    place, _, name = target.partition(":") if not _is_drive(target) else (target, "", "")
    module = _load_module(place)
    if name:
        if not hasattr(module, name):
            raise UsageError(f"{place} has no `{name}`")
        return _checked(getattr(module, name), f"{place}:{name}")
    for known in NAMES:
        if hasattr(module, known):
            return _checked(getattr(module, known), f"{place}:{known}")
    raise UsageError(f"{place} has none of {', '.join(NAMES)}: name the agent, as in `{place}:my_agent`")


def root_of(found: BaseAgent | App | Runner) -> BaseAgent:
    """The agent that it begins with."""
    from fullduplex.apps import App
    from fullduplex.runners import Runner

    if isinstance(found, App):
        return found.root_agent
    return found.agent if isinstance(found, Runner) else found


def set_model(agent: BaseAgent, model: str | None) -> None:
    """Has `agent` run on `model`, if one is named; `UsageError` for an agent without a model."""
    from fullduplex.agents.llm_agent import LlmAgent

    if model:
        if not isinstance(agent, LlmAgent):
            raise UsageError(f"--model: the agent {agent.name} has no model of its own")
        agent.model = model


def _checked(found: object, where: str) -> BaseAgent | App | Runner:
    from fullduplex.agents import BaseAgent
    from fullduplex.apps import App
    from fullduplex.runners import Runner

    if isinstance(found, (BaseAgent, App, Runner)):
        return found
    raise UsageError(f"{where} is a {type(found).__name__}, not an agent")


def _load_module(place: str) -> ModuleType:
    path = Path(place)
    if path.is_dir():
        path = path / "agent.py"
        if not path.is_file():
            raise UsageError(f"the folder {place} has no agent.py")
    if path.suffix == ".py":
        if not path.is_file():
            raise UsageError(f"there is no file {place}")
        root, name = _import_root(path.resolve())
    else:
        root, name = Path.cwd(), place
        if not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"{place} is neither a file, a folder nor the name of a module")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"there is no module {place} (nor a file or folder of that name)") from None
        raise


def _import_root(file: Path) -> tuple[Path, str]:
    """The folder to import `file` from and its dotted name there, so that imports within its package work."""
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _is_drive(target: str) -> bool:
    return len(target) > 2 and target[1] == ":" and target[2] in "\\/"
