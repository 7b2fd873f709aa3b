"""Artifacts as files: a record for each version, and beside it the media itself, so that other programs can open it.

The media is written first, under a name of its own; the version is there from the moment when its record is. What a
crash leaves behind is media that no record names: it is never seen, and goes when the artifact is deleted. Where the
files lie is the business of a `Store`, which may block: it is called in threads.
"""

from __future__ import annotations

import asyncio
import mimetypes
import uuid
from typing import Protocol

import msgspec

from fullduplex.artifacts.base import USER_PREFIX, BaseArtifactService, Scope, checked, scope_of, scopes_of
from fullduplex.artifacts.paths import folder_of, name_in, path_of, version_in
from fullduplex.types.content import Blob, Part
from fullduplex.types.struct import Message


class Store(Protocol):
    """Files under relative paths with `/`, in a place of the store's own."""

    def write(self, path: str, data: bytes) -> None:
        """Writes a file that nobody else writes."""

    def create(self, path: str, data: bytes) -> bool:
        """Makes a file, whole and at once; False when there is one already."""

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None."""

    def find(self, folder: str) -> list[str]:
        """The paths of all files in `folder` and below, relative to it; in no order."""

    def remove(self, path: str) -> None:
        """Removes a file, if it is there."""


class _Record(Message):
    """A version: its artifact without the media, and the file that holds the media."""

    filename: str
    artifact: Part
    media: str | None = None


class StoredArtifactService(BaseArtifactService):
    """Keeps artifacts in a `Store`. Several processes may share one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_artifact(
        self, *, app_name: str, user_id: str, filename: str, artifact: Part, session_id: str | None = None
    ) -> int:
        """See `BaseArtifactService`."""
        scope = scope_of(app_name=app_name, user_id=user_id, session_id=session_id, filename=filename)
        return await asyncio.to_thread(self._save, path_of(scope, filename), filename, checked(artifact))

    async def load_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
        version: int | None = None,
    ) -> Part | None:
        """See `BaseArtifactService`."""
        scope = scope_of(app_name=app_name, user_id=user_id, session_id=session_id, filename=filename)
        return await asyncio.to_thread(self._load, path_of(scope, filename), version)

    async def list_artifact_keys(self, *, app_name: str, user_id: str, session_id: str | None = None) -> list[str]:
        """See `BaseArtifactService`."""
        scopes = scopes_of(app_name=app_name, user_id=user_id, session_id=session_id)
        found = [await asyncio.to_thread(self._names, scope) for scope in scopes]
        return sorted(name for names in found for name in names)

    async def delete_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> None:
        """See `BaseArtifactService`."""
        scope = scope_of(app_name=app_name, user_id=user_id, session_id=session_id, filename=filename)
        await asyncio.to_thread(self._delete, path_of(scope, filename))

    async def list_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[int]:
        """See `BaseArtifactService`."""
        scope = scope_of(app_name=app_name, user_id=user_id, session_id=session_id, filename=filename)
        return await asyncio.to_thread(self._versions, path_of(scope, filename))

    def _save(self, path: str, filename: str, artifact: Part) -> int:
        while True:
            record = self._with_media(path, filename, artifact)
            data = record.model_dump_json(by_alias=True, exclude_none=True).encode()
            version = max(self._versions(path), default=-1) + 1
            while not self._store.create(f"{path}/{version}.json", data):
                version += 1
            # Somebody who deletes the artifact meanwhile may take the media and not yet see the record.
            if record.media is None or record.media in self._store.find(path):
                return version
            self._store.remove(f"{path}/{version}.json")

    def _with_media(self, path: str, filename: str, artifact: Part) -> _Record:
        """The record of a new version, whose media is written already."""
        blob = artifact.inline_data
        if blob is None:
            return _Record(filename=filename, artifact=artifact)
        media = f"{uuid.uuid4().hex}{_extension(blob.mime_type)}"
        self._store.write(f"{path}/{media}", bytes(blob.data or b""))
        described = Blob(mime_type=blob.mime_type, display_name=blob.display_name)
        return _Record(filename=filename, artifact=artifact.model_copy(update={"inline_data": described}), media=media)

    def _load(self, path: str, version: int | None) -> Part | None:
        if version is None and (version := max(self._versions(path), default=None)) is None:
            return None
        record = self._record(f"{path}/{version}.json")
        if record is None or record.media is None:
            return record.artifact if record else None
        data = self._store.read(f"{path}/{record.media}")
        if data is None:
            return None  # deleted since the record was read
        described = record.artifact.inline_data or Blob()
        blob = Blob(data=data, mime_type=described.mime_type, display_name=described.display_name)
        return record.artifact.model_copy(update={"inline_data": blob})

    def _names(self, scope: Scope) -> list[str]:
        prefix = USER_PREFIX if scope.session_id is None else ""
        folder = folder_of(scope)
        # One record for each artifact, to read a name that was too long to be a path.
        records: dict[str, str] = {}
        for path in self._store.find(folder):
            component, _, file = path.partition("/")
            if version_in(file) is not None:
                records[component] = path
        names = []
        for component, path in records.items():
            if (name := name_in(component)) is not None:
                names.append(prefix + name)
            elif (record := self._record(f"{folder}/{path}")) is not None:
                names.append(record.filename)
        return names

    def _versions(self, path: str) -> list[int]:
        return sorted(version for file in self._store.find(path) if (version := version_in(file)) is not None)

    def _delete(self, path: str) -> None:
        while files := self._store.find(path):
            # Records first: nobody finds one whose media is gone.
            for file in sorted(files, key=lambda file: version_in(file) is None):
                self._store.remove(f"{path}/{file}")

    def _record(self, path: str) -> _Record | None:
        data = self._store.read(path)
        return None if data is None else _Record.model_validate(msgspec.json.decode(data))


def _extension(mime_type: str | None) -> str:
    return mimetypes.guess_extension((mime_type or "").partition(";")[0].strip()) or ".bin"
