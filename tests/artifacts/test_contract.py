"""What every artifact service does, in memory, in files and in object stores."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from fullduplex.artifacts import (
    BaseArtifactService,
    FileArtifactService,
    InMemoryArtifactService,
    ObjectStoreArtifactService,
)
from fullduplex.errors import InvalidInput
from fullduplex.types import Part
from tests.artifacts.stores import s3_service
from tests.needs import needs

WHO = {"app_name": "app", "user_id": "ada"}
HERE = {**WHO, "session_id": "s1"}

NASTY = [
    "../../etc/passwd",
    "..",
    ".",
    "/etc/passwd",
    "a/../../b",
    "C:\\windows\\system32",
    "nul\0inside",
    "long" * 2_000,
    "long" * 2_000 + "er",
    "Ünï 漢字 🎙.pcm",
    "%2e%2e%2f",
    "a~b",
    "*?[x]{y}",
    " spaces ",
    "0.json",
]


@pytest.fixture(params=["memory", "files", "fsspec memory", "fsspec local", "s3"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> BaseArtifactService:
    unused = f"unused-{uuid.uuid4().hex}"
    if request.param == "memory":
        return InMemoryArtifactService()
    if request.param == "files":
        return FileArtifactService(tmp_path)
    if request.param == "s3":
        return s3_service(request.getfixturevalue("s3"), bucket=unused)
    needs("fsspec")
    return ObjectStoreArtifactService(f"memory://{unused}" if request.param == "fsspec memory" else tmp_path.as_uri())


async def save(artifacts: BaseArtifactService, filename: str, text: str, **who: str) -> int:
    return await artifacts.save_artifact(**{**HERE, **who}, filename=filename, artifact=Part(text=text))


async def load(artifacts: BaseArtifactService, filename: str, version: int | None = None, **who: str) -> str | None:
    part = await artifacts.load_artifact(**{**HERE, **who}, filename=filename, version=version)
    return None if part is None else part.text


async def test_versions_count_from_zero_and_the_newest_is_loaded(artifacts: BaseArtifactService) -> None:
    assert [await save(artifacts, "note.txt", text) for text in ("a", "b", "c")] == [0, 1, 2]
    assert await artifacts.list_versions(**HERE, filename="note.txt") == [0, 1, 2]
    assert await load(artifacts, "note.txt") == "c"
    assert [await load(artifacts, "note.txt", version) for version in (0, 1, 2)] == ["a", "b", "c"]
    assert await load(artifacts, "note.txt", 3) is None
    assert await load(artifacts, "note.txt", -1) is None


async def test_nothing_there_is_no_error(artifacts: BaseArtifactService) -> None:
    assert await load(artifacts, "none") is None
    assert await artifacts.list_versions(**HERE, filename="none") == []
    assert await artifacts.list_artifact_keys(**HERE) == []
    await artifacts.delete_artifact(**HERE, filename="none")


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 50_000], ids=["empty", "100 kB"])
async def test_media_comes_back_byte_for_byte(artifacts: BaseArtifactService, data: bytes) -> None:
    part = Part.from_bytes(data=data, mime_type="audio/pcm;rate=16000")
    part.inline_data.display_name = "What was said"  # type: ignore[union-attr]
    await artifacts.save_artifact(**HERE, filename="said.pcm", artifact=part)
    loaded = await artifacts.load_artifact(**HERE, filename="said.pcm")
    assert loaded == part
    assert loaded.model_dump_json(by_alias=True, exclude_none=True) == part.model_dump_json(  # type: ignore[union-attr]
        by_alias=True, exclude_none=True
    )


async def test_a_reference_comes_back(artifacts: BaseArtifactService) -> None:
    part = Part.from_uri(file_uri="gs://bucket/film.mp4", mime_type="video/mp4")
    await artifacts.save_artifact(**HERE, filename="film", artifact=part)
    assert await artifacts.load_artifact(**HERE, filename="film") == part


async def test_what_was_saved_and_loaded_are_copies(artifacts: BaseArtifactService) -> None:
    part = Part(text="as it was")
    await artifacts.save_artifact(**HERE, filename="note", artifact=part)
    part.text = "changed by the one who saved"
    loaded = await artifacts.load_artifact(**HERE, filename="note")
    assert loaded is not None
    loaded.text = "changed by one who loaded"
    assert await load(artifacts, "note") == "as it was"


async def test_a_dict_of_a_part_is_taken_for_one(artifacts: BaseArtifactService) -> None:
    given = {"inlineData": {"data": "aGk=", "mimeType": "text/plain"}}
    await artifacts.save_artifact(**HERE, filename="hi", artifact=given)  # type: ignore[arg-type]
    assert await artifacts.load_artifact(**HERE, filename="hi") == Part.from_bytes(data=b"hi", mime_type="text/plain")


async def test_a_user_name_is_the_same_in_all_sessions_of_the_user_alone(artifacts: BaseArtifactService) -> None:
    assert await save(artifacts, "user:profile", "first") == 0
    assert await save(artifacts, "user:profile", "second", session_id="s2") == 1
    assert await load(artifacts, "user:profile", session_id="s3") == "second"
    assert await load(artifacts, "user:profile", user_id="bob") is None
    assert await load(artifacts, "user:profile", app_name="other") is None
    assert await artifacts.load_artifact(**WHO, filename="user:profile") is not None
    assert await load(artifacts, "profile") is None
    await artifacts.delete_artifact(**HERE, filename="user:profile")
    assert await load(artifacts, "user:profile", session_id="s2") is None


async def test_a_session_sees_its_own_names_and_its_user_s(artifacts: BaseArtifactService) -> None:
    for filename, who in (("b", {}), ("a", {}), ("user:c", {}), ("d", {"session_id": "s2"}), ("e", {"user_id": "bob"})):
        await save(artifacts, filename, "x", **who)
    assert await artifacts.list_artifact_keys(**HERE) == ["a", "b", "user:c"]
    assert await artifacts.list_artifact_keys(**WHO, session_id="s2") == ["d", "user:c"]
    assert await artifacts.list_artifact_keys(**WHO) == ["user:c"]


async def test_a_deleted_artifact_is_gone_and_begins_anew(artifacts: BaseArtifactService) -> None:
    media = Part.from_bytes(data=b"abc", mime_type="image/png")
    for _ in range(2):
        await artifacts.save_artifact(**HERE, filename="picture", artifact=media)
    await save(artifacts, "other", "stays")
    await artifacts.delete_artifact(**HERE, filename="picture")
    assert await artifacts.list_artifact_keys(**HERE) == ["other"]
    assert await artifacts.list_versions(**HERE, filename="picture") == []
    assert await save(artifacts, "picture", "again") == 0


async def test_any_name_is_kept_apart_from_any_other(artifacts: BaseArtifactService) -> None:
    for filename in NASTY:
        assert await save(artifacts, filename, f"<{filename}>") == 0, filename
        assert await save(artifacts, f"user:{filename}", f"user <{filename}>") == 0, filename
    for filename in NASTY:
        assert await load(artifacts, filename) == f"<{filename}>"
        assert await load(artifacts, f"user:{filename}") == f"user <{filename}>"
    assert await artifacts.list_artifact_keys(**HERE) == sorted(NASTY + [f"user:{filename}" for filename in NASTY])


@pytest.mark.parametrize("field", ["app_name", "user_id", "session_id"])
async def test_no_id_reaches_into_another_s_artifacts(artifacts: BaseArtifactService, field: str) -> None:
    ids = ["ada", "Ada", "../ada", "ada/", "ada/sessions", "..", "ädä", "ada" * 200, "ada" * 201]
    for value in ids:
        assert await save(artifacts, "note", value, **{field: value}) == 0, value
    for value in ids:
        assert await load(artifacts, "note", **{field: value}) == value


async def test_session_ids_are_stripped_as_sessions_strip_them(artifacts: BaseArtifactService) -> None:
    await save(artifacts, "note", "x", session_id=" s1 ")
    assert await load(artifacts, "note") == "x"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"filename": "user:"}, "filename"),
        ({"filename": "half\ud800"}, "filename"),
        ({"app_name": ""}, "app_name"),
        ({"user_id": ""}, "user_id"),
        ({"session_id": " "}, "session_id"),
        ({"session_id": None}, "session_id"),
        ({"artifact": Part()}, "artifact"),
        ({"artifact": Part(inline_data={"mimeType": "audio/pcm"})}, "artifact"),
    ],
)
async def test_what_cannot_be_kept_is_named(
    artifacts: BaseArtifactService, changed: dict[str, object], field: str
) -> None:
    given = {**HERE, "filename": "note", "artifact": Part(text="x"), **changed}
    with pytest.raises(InvalidInput) as caught:
        await artifacts.save_artifact(**given)  # type: ignore[arg-type]
    assert caught.value.field == field


async def test_saves_at_once_get_a_version_each(artifacts: BaseArtifactService) -> None:
    texts = [f"text {number}" for number in range(20)]
    versions = await asyncio.gather(*(save(artifacts, "shared", text) for text in texts))
    assert sorted(versions) == list(range(20))
    loaded = [await load(artifacts, "shared", version) for version in versions]
    assert loaded == texts


async def test_saving_while_somebody_deletes_leaves_nothing_broken(artifacts: BaseArtifactService) -> None:
    media = Part.from_bytes(data=b"abc", mime_type="image/png")

    async def keep_saving() -> None:
        for _ in range(10):
            await artifacts.save_artifact(**HERE, filename="picture", artifact=media)

    async def keep_deleting() -> None:
        for _ in range(10):
            await artifacts.delete_artifact(**HERE, filename="picture")

    await asyncio.gather(keep_saving(), keep_saving(), keep_deleting())
    for version in await artifacts.list_versions(**HERE, filename="picture"):
        assert await artifacts.load_artifact(**HERE, filename="picture", version=version) == media
