"""Compiles `src/fullduplex/_native.c` while the package is built, where that is possible; see `fullduplex/native.py`.

Where it is not (no compiler, no headers, another processor), the package is built without it and works the same.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the compiled module beside its source, for a wheel and for an editable install alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files are gathered."""
        if sys.implementation.name != "cpython" or platform.machine().lower() not in ("x86_64", "amd64"):
            return
        try:
            compiled = _compile(Path(self.root))
        except (Exception, SystemExit) as error:  # the boundary to compilers: whatever they say, Python does without
            self.app.display_warning(f"fullduplex is built without its compiled help: {error}")
            return
        build_data["artifacts"].append(compiled.relative_to(self.root).as_posix())
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def _compile(root: Path) -> Path:
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    source = root / "src" / "fullduplex" / "_native.c"
    extension = Extension("fullduplex._native", [str(source)])
    with tempfile.TemporaryDirectory() as elsewhere:
        command = build_ext(Distribution({"name": "fullduplex", "ext_modules": [extension]}))
        command.build_lib = command.build_temp = elsewhere
        command.ensure_finalized()
        made = Path(command.get_ext_fullpath(extension.name))
        place = source.with_name(made.name)
        place.unlink(missing_ok=True)  # of older code, which is not to stay when this fails
        command.run()
        shutil.copyfile(made, place)
    return place
