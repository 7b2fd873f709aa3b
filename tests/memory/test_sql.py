"""Memories in a database: they outlive the process, tables are made once, and URLs are taken as people write them."""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from fullduplex.errors import InvalidConfig
from fullduplex.events import Event
from fullduplex.memory import DatabaseMemoryService
from fullduplex.sessions import DatabaseSessionService, Session
from fullduplex.types import Content, Part
from tests.databases import KINDS, url_of
from tests.needs import needs


def session(app: str) -> Session:
    content = Content(role="user", parts=[Part(text="remember the lighthouse")])
    return Session(id="s", app_name=app, user_id="ada", events=[Event(author="user", content=content)])


async def count(service: DatabaseMemoryService, app: str) -> int:
    return len((await service.search_memory(app_name=app, user_id="ada", query="lighthouse")).memories)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_later_service_finds_what_an_earlier_one_kept(kind: str, tmp_path: Path) -> None:
    app = uuid.uuid4().hex
    for known in (0, 1):
        service = DatabaseMemoryService(url_of(kind, tmp_path))
        assert await count(service, app) == known
        await service.add_session_to_memory(session(app))
        await service.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_services_that_begin_at_once_share_the_tables(kind: str, tmp_path: Path) -> None:
    app, url = uuid.uuid4().hex, url_of(kind, tmp_path)
    services = [DatabaseMemoryService(url) for _ in range(4)]
    await asyncio.gather(*(service.add_session_to_memory(session(app)) for service in services))
    assert {await count(service, app) for service in services} == {4}
    for service in services:
        await service.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_others_may_be_faster_every_time(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this one does not find there is there when it adds it, however often it looks."""
    app, url = uuid.uuid4().hex, url_of(kind, tmp_path)
    slow, fast = DatabaseMemoryService(url), DatabaseMemoryService(url)
    events = [event for _ in range(12) for event in session(app).events]
    added = 0

    async def find_nothing_new(connection: Any, *statement: Any) -> Any:
        nonlocal added
        found = await execute(connection, *statement)
        if asyncio.current_task() is adding and statement[0].is_select and added < len(events) - 1:
            added += 1
            others = Session(id="s", app_name=app, user_id="ada", events=events[:added])
            await asyncio.create_task(fast.add_session_to_memory(others))
        return found

    from sqlalchemy.ext.asyncio import AsyncConnection

    execute = AsyncConnection.execute
    await slow.add_session_to_memory(session(f"{app}-other"))  # the tables are there
    monkeypatch.setattr(AsyncConnection, "execute", find_nothing_new)
    whole = Session(id="s", app_name=app, user_id="ada", events=events)
    adding = asyncio.create_task(slow.add_session_to_memory(whole))
    await adding
    assert added > 0
    assert await count(fast, app) == len(events)
    for service in (slow, fast):
        await service.close()


async def test_a_mariadb_that_watches_over_what_was_read_ends_nothing_for_good(tmp_path: Path) -> None:
    """As MariaDB does from 11.6 on, unless it is told otherwise; one before 10.11.8 cannot."""
    app, url = uuid.uuid4().hex, url_of("mariadb", tmp_path)
    strict = {"connect_args": {"init_command": "SET @old = 0 /*M!101108 , SESSION innodb_snapshot_isolation = ON */"}}
    service, sessions = DatabaseMemoryService(url, **strict), DatabaseSessionService(url, **strict)
    events = [event for _ in range(12) for event in session(app).events]
    parts = [Session(id="s", app_name=app, user_id="ada", events=events[: n + 1]) for n in range(len(events))]
    await asyncio.gather(*(service.add_session_to_memory(part) for part in parts))
    assert await count(service, app) == len(events)
    for _ in range(3):
        await sessions.create_session(app_name=app, user_id="ada", session_id="s")
        await asyncio.gather(*(sessions.delete_session(app_name=app, user_id="ada", session_id="s") for _ in range(8)))
    for store in (service, sessions):
        await store.close()


async def test_a_database_without_a_file_is_kept_as_long_as_the_service(tmp_path: Path) -> None:
    needs("sqlalchemy")
    needs("aiosqlite")
    service = DatabaseMemoryService(connection_string="sqlite://")
    await service.add_session_to_memory(session("app"))
    assert await count(service, "app") == 1
    await service.close()


@pytest.mark.parametrize("given", [{}, {"db_url": "sqlite://", "connection_string": "sqlite://"}])
def test_one_url_is_needed(given: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig, match="db_url or connection_string"):
        DatabaseMemoryService(**given)  # type: ignore[arg-type]


def test_without_the_extra_it_says_which_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fullduplex.memory.tables", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(InvalidConfig, match=r"fullduplex\[db\]") as caught:
        DatabaseMemoryService("sqlite://")
    assert caught.value.code == "missing_extra"
