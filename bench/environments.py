"""The environments of the peers, one each because their pins conflict, made on first use under `bench/.envs/`."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ENVS = Path(__file__).parent / ".envs"

REQUIREMENTS: dict[str, list[str]] = {
    "google-genai": ["google-genai==3.4.*", "picows==2.3.*", "uvloop==0.23.*"],
    "google-adk": ["google-adk==2.13.*", "picows==2.3.*", "uvloop==0.23.*"],
}


class EnvironmentFailed(Exception):
    """Raised when a peer's environment cannot be made; the text says why."""


def python_of(name: str) -> Path:
    """The interpreter of the environment `name`, which is made if it is not there or its requirements have changed."""
    folder = ENVS / name
    python = folder / "bin" / "python"
    wanted = "\n".join(REQUIREMENTS[name])
    stamp = folder / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    _say(f"making the environment for {name} (once): {', '.join(REQUIREMENTS[name])}")
    try:
        venv.EnvBuilder(with_pip=True, clear=True).create(folder)
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS[name]])
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentFailed(f"environment for {name}: {error}") from error
    stamp.write_text(wanted)
    _say(f"environment for {name} is ready")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")][-1:]
        raise subprocess.SubprocessError("pip: " + "".join(last)[:200])


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
