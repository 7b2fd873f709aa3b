"""Artifacts in a folder of this machine's file system."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from fullduplex.artifacts.stored import StoredArtifactService


class FileArtifactService(StoredArtifactService):
    """Keeps artifacts below `root_dir`, which is made when it is first needed; `artifacts.paths` says where.

    Several processes may use one folder; its file system must know hard links.
    """

    def __init__(self, root_dir: str | os.PathLike[str]) -> None:
        super().__init__(Directory(Path(root_dir)))


class Directory:
    """A `Store` in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def write(self, path: str, data: bytes) -> None:
        """See `Store`."""
        target = self._root / path
        while True:
            # Somebody may delete the folder between any two steps, those within `makedirs` too.
            try:
                os.makedirs(target.parent, exist_ok=True)
                file = open(target, "xb")  # noqa: SIM115
                break
            except FileNotFoundError:
                continue
            except FileExistsError:
                if any(folder.is_file() for folder in target.parents):
                    raise
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def create(self, path: str, data: bytes) -> bool:
        """See `Store`."""
        # A link is made at once, to a file that is complete, and never in the place of another.
        while True:
            whole = f"{path}.{uuid.uuid4().hex}"
            self.write(whole, data)
            try:
                os.link(self._root / whole, self._root / path)
                return True
            except FileExistsError:
                return False
            except FileNotFoundError:
                continue  # somebody deletes the artifact
            finally:
                self.remove(whole)

    def read(self, path: str) -> bytes | None:
        """See `Store`."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None

    def find(self, folder: str) -> list[str]:
        """See `Store`."""
        top = self._root / folder
        return [
            (Path(parent) / file).relative_to(top).as_posix() for parent, _, files in os.walk(top) for file in files
        ]

    def remove(self, path: str) -> None:
        """See `Store`; a folder that is left empty goes too."""
        target = self._root / path
        target.unlink(missing_ok=True)
        try:
            target.parent.rmdir()
        except OSError:
            pass  # there is more in it
