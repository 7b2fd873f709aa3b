"""Artifacts as files: where they lie, what two services share, what a crash leaves, and what is missing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.artifacts import FileArtifactService, ObjectStoreArtifactService
from fullduplex.artifacts.file_system import Directory
from fullduplex.artifacts.paths import component, name_in
from fullduplex.artifacts.stored import StoredArtifactService
from fullduplex.errors import InvalidConfig
from fullduplex.types import Part
from tests.artifacts.stores import every_file, s3_service
from tests.needs import needs

HERE = {"app_name": "app", "user_id": "ada", "session_id": "s1"}
PICTURE = Part.from_bytes(data=b"abc", mime_type="image/png")

_KILLED = """
import asyncio, os, sys, time
from fullduplex.artifacts import FileArtifactService
from fullduplex.types import Part

real = getattr(os, sys.argv[2])
def stall(*args):
    print("in the middle", flush=True)
    time.sleep(60)
setattr(os, sys.argv[2], stall)
part = Part.from_bytes(data=b"abc" * 100_000, mime_type="image/png")
asyncio.run(FileArtifactService(sys.argv[1]).save_artifact(
    app_name="app", user_id="ada", session_id="s1", filename="picture", artifact=part))
"""


@given(st.text(min_size=1))
def test_a_component_is_harmless_and_can_be_read_back(name: str) -> None:
    made = component(name)
    assert made.isascii()
    assert made == made.lower()
    assert len(made) <= 180
    assert not made.startswith(".")
    assert not set(made) & set('/\\:*?"<>| \0')
    assert name_in(made) in (name, None)
    assert name_in(made) == name or len(name.encode()) > 60


@given(st.lists(st.text(min_size=1), unique=True, max_size=20))
def test_no_two_names_share_a_component(names: list[str]) -> None:
    assert len({component(name) for name in names}) == len(names)


@pytest.mark.parametrize("value", ["../../../../outside", "/outside", "..", "a/../../../b", "x" * 5_000])
async def test_nothing_is_written_outside_the_root(tmp_path: Path, value: str) -> None:
    root = tmp_path / "deep" / "root"
    service = FileArtifactService(root)
    for field in ("app_name", "user_id", "session_id", "filename"):
        await service.save_artifact(**{**HERE, "filename": "f", "artifact": PICTURE, field: value})  # type: ignore[arg-type]
    files = every_file(tmp_path)
    assert len(files) == 8
    assert all(file.resolve().is_relative_to(root.resolve()) for file in files)


async def test_media_lies_there_as_other_programs_open_it(tmp_path: Path) -> None:
    await FileArtifactService(tmp_path).save_artifact(**HERE, filename="picture", artifact=PICTURE)
    [picture] = (file for file in every_file(tmp_path) if file.suffix == ".png")
    assert picture.read_bytes() == b"abc"


async def test_deleting_leaves_no_file_behind(tmp_path: Path) -> None:
    service = FileArtifactService(tmp_path)
    for _ in range(3):
        await service.save_artifact(**HERE, filename="picture", artifact=PICTURE)
    await service.delete_artifact(**HERE, filename="picture")
    assert every_file(tmp_path) == []


async def test_two_services_on_one_folder_share_it(tmp_path: Path) -> None:
    services = [FileArtifactService(tmp_path), FileArtifactService(tmp_path), _local(tmp_path)]
    saves = [service.save_artifact(**HERE, filename="picture", artifact=PICTURE) for service in services * 8]
    assert sorted(await asyncio.gather(*saves)) == list(range(24))
    assert await services[0].list_versions(**HERE, filename="picture") == list(range(24))


def _local(folder: Path) -> FileArtifactService | ObjectStoreArtifactService:
    needs("fsspec")
    return ObjectStoreArtifactService(folder.as_uri())


async def test_two_services_on_one_bucket_share_it(s3: str) -> None:
    first, second = s3_service(s3, bucket="shared"), s3_service(s3, bucket="shared")
    assert await second.list_artifact_keys(**HERE) == []
    saves = [service.save_artifact(**HERE, filename="p", artifact=PICTURE) for service in (first, second) * 5]
    assert sorted(await asyncio.gather(*saves)) == list(range(10))
    assert await second.list_artifact_keys(**HERE) == ["p"]


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_process_that_dies_while_it_saves_leaves_no_half_artifact(tmp_path: Path, step: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path), step], stdout=subprocess.PIPE, text=True
    ) as saving:
        assert saving.stdout is not None
        assert saving.stdout.readline().strip() == "in the middle"
        os.kill(saving.pid, signal.SIGKILL)
    assert every_file(tmp_path), "it was in the middle of writing"
    asyncio.run(_is_as_before(FileArtifactService(tmp_path)))
    assert every_file(tmp_path) == []


async def _is_as_before(service: FileArtifactService) -> None:
    assert await service.list_artifact_keys(**HERE) == []
    assert await service.list_versions(**HERE, filename="picture") == []
    assert await service.load_artifact(**HERE, filename="picture") is None
    assert await service.save_artifact(**HERE, filename="picture", artifact=PICTURE) == 0
    assert await service.load_artifact(**HERE, filename="picture") == PICTURE
    await service.delete_artifact(**HERE, filename="picture")


async def test_a_full_disk_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    service = FileArtifactService(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        await service.save_artifact(**HERE, filename="picture", artifact=PICTURE)
    monkeypatch.undo()
    await _is_as_before(service)


def test_a_store_whose_extra_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(InvalidConfig, match=r"s3 needs an extra .*fullduplex\[s3\]") as caught:
        ObjectStoreArtifactService("s3://bucket")
    assert caught.value.code == "missing_extra"


class _Slow(Directory):
    """A folder in which a step waits for another's."""

    def __init__(self, root: Path, *, create_after: Event | None = None, found: Event | None = None) -> None:
        super().__init__(root)
        self.create_after, self.found = create_after, found
        self.written, self.go_on = Event(), Event()

    def write(self, path: str, data: bytes) -> None:
        super().write(path, data)
        self.written.set()

    def create(self, path: str, data: bytes) -> bool:
        assert self.create_after is None or self.create_after.wait(10)
        return super().create(path, data)

    def find(self, folder: str) -> list[str]:
        files = super().find(folder)
        if self.found is not None and files and not self.found.is_set():
            self.found.set()
            assert self.go_on.wait(10)
        return files


async def test_what_is_saved_while_a_deletion_looks_elsewhere_is_deleted_whole(tmp_path: Path) -> None:
    """The deletion sees the media, then the record is made, then the media is removed."""
    seen = Event()
    saving, deleting = _Slow(tmp_path, create_after=seen), _Slow(tmp_path, found=seen)
    saved = asyncio.create_task(
        StoredArtifactService(saving).save_artifact(**HERE, filename="picture", artifact=PICTURE)
    )
    assert await asyncio.to_thread(saving.written.wait, 10)
    deleted = asyncio.create_task(StoredArtifactService(deleting).delete_artifact(**HERE, filename="picture"))
    assert await saved == 0
    deleting.go_on.set()
    await deleted
    assert every_file(tmp_path) == []
