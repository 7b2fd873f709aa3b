"""Artifacts in an object store: S3, Google Cloud Storage, or whatever else `fsspec` can reach."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from fullduplex.artifacts.file_system import Directory
from fullduplex.artifacts.stored import Store, StoredArtifactService
from fullduplex.errors import InvalidConfig


class ObjectStoreArtifactService(StoredArtifactService):
    """Keeps artifacts under `url`, such as `s3://bucket/folder`, `gs://bucket` or `memory://artifacts`.

    `storage_options` go to the file system that `fsspec` makes for the URL (keys, endpoint, project). It takes the
    extra of the store: `fullduplex[s3]`, `fullduplex[gcs]`. Several processes may share a store that can refuse to
    write an object that exists: S3 and Google Cloud Storage can. A local path is kept as `FileArtifactService` keeps
    it: `fsspec` itself would let two processes write one version.
    """

    def __init__(self, url: str, **storage_options: Any) -> None:
        super().__init__(_store_of(url, storage_options))


class GcsArtifactService(ObjectStoreArtifactService):
    """Keeps artifacts in a bucket of Google Cloud Storage."""

    def __init__(self, bucket_name: str, **storage_options: Any) -> None:
        super().__init__(f"gs://{bucket_name}", **storage_options)


def _store_of(url: str, options: dict[str, Any]) -> Store:
    try:
        from fsspec.core import url_to_fs

        # Another process may have written since a listing was kept.
        files, root = url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        raise InvalidConfig(
            f"{url.partition('://')[0]} needs an extra that is not installed: "
            f"pip install 'fullduplex[s3]' or 'fullduplex[gcs]' ({error})",
            code="missing_extra",
        ) from None
    if "file" in files.protocol:
        return Directory(Path(root))
    return _Bucket(files, root)


class _Bucket:
    """A `Store` on a file system of fsspec's whose objects appear whole."""

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root.rstrip("/")
        self._creating = threading.Lock()  # for stores that cannot refuse by themselves

    def write(self, path: str, data: bytes) -> None:
        """See `Store`."""
        self._files.pipe_file(self._full(path), data)

    def create(self, path: str, data: bytes) -> bool:
        """See `Store`."""
        try:
            with self._creating:
                self._files.pipe_file(self._full(path), data, mode="create")
        except FileExistsError:
            return False
        return True

    def read(self, path: str) -> bytes | None:
        """See `Store`."""
        try:
            return bytes(self._files.cat_file(self._full(path)))
        except FileNotFoundError:
            return None

    def find(self, folder: str) -> list[str]:
        """See `Store`."""
        top = self._full(folder)
        return [found[len(top) :].lstrip("/") for found in self._files.find(top)]

    def remove(self, path: str) -> None:
        """See `Store`."""
        try:
            self._files.rm_file(self._full(path))
        except FileNotFoundError:
            pass

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"
