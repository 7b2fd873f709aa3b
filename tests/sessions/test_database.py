"""Sessions in a database: no writer overwrites another, a lost connection heals, and plain URLs are enough."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fullduplex.errors import InvalidConfig, InvalidInput, SessionNotFoundError, StaleSessionError, StoreUnavailable
from fullduplex.events import Event, EventActions
from fullduplex.sessions import DatabaseSessionService, Session
from tests.databases import KINDS, behind_a_proxy, end_connections, fresh_database, url_of
from tests.needs import needs

Who = dict[str, str]
SERVERS = KINDS[1:]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of each kind."""
    return url_of(request.param, tmp_path)


@pytest.fixture
async def service(url: str) -> AsyncIterator[DatabaseSessionService]:
    async with DatabaseSessionService(url) as database:
        yield database


def change(**state: object) -> Event:
    return Event(author="user", actions=EventActions(state_delta=dict(state)))


async def stored(service: DatabaseSessionService, session: Session) -> Session:
    found = await service.get_session(app_name=session.app_name, user_id=session.user_id, session_id=session.id)
    assert found is not None
    return found


# -- writers --------------------------------------------------------------------------------------------------------


@pytest.mark.spec(119)
async def test_a_writer_who_is_behind_is_refused(service: DatabaseSessionService, who: Who) -> None:
    first = await service.create_session(**who, session_id="s")
    second = await stored(service, first)
    await service.append_event(first, change(k=1))
    with pytest.raises(StaleSessionError, match="changed by another writer") as caught:
        await service.append_event(second, change(k=2))
    assert isinstance(caught.value, ValueError)
    assert caught.value.code == "stale_session"
    assert (second.events, second.state) == ([], {})
    again = await stored(service, first)
    assert (len(again.events), again.state) == (1, {"k": 1})
    await service.append_event(again, change(k=2))
    with pytest.raises(StaleSessionError):
        await service.append_event(first, change(k=3))


@pytest.mark.spec(119)
async def test_a_writer_is_never_behind_itself(service: DatabaseSessionService, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    clocks = [5.0, 1.0, 5.0, 0.0]  # nor when its clock goes back
    for second in clocks:
        await service.append_event(session, Event(timestamp=second))
        assert (await stored(service, session)).last_update_time == session.last_update_time == second
    await asyncio.gather(*(service.append_event(session, change(**{"user:k": n})) for n in range(10)))
    assert len((await stored(service, session)).events) == len(clocks) + 10


@pytest.mark.spec(119)
async def test_a_session_from_json_is_judged_by_its_time(service: DatabaseSessionService, who: Who) -> None:
    made = await service.create_session(**who, session_id="s")
    await service.append_event(made, Event())
    fresh, old = (Session.model_validate_json(made.model_dump_json()) for _ in range(2))
    await service.append_event(fresh, Event())
    with pytest.raises(StaleSessionError):
        await service.append_event(old, Event())
    assert (await stored(service, fresh)).events == fresh.events


@pytest.mark.spec(119)
async def test_of_many_writers_none_overwrites_another(url: str, who: Who) -> None:
    services = [DatabaseSessionService(url) for _ in range(3)]
    session = await services[0].create_session(**who, session_id="s")
    refused = 0

    async def write(service: DatabaseSessionService, number: int) -> None:
        nonlocal refused
        for turn in range(5):
            while True:
                try:
                    await service.append_event(await stored(service, session), Event(id=f"{number}.{turn}"))
                    break
                except StaleSessionError:
                    refused += 1

    await asyncio.gather(*(write(service, number) for number, service in enumerate(services)))
    events = [event.id for event in (await stored(services[0], session)).events]
    assert sorted(events) == [f"{number}.{turn}" for number in range(3) for turn in range(5)]
    for number in range(3):
        own = [event for event in events if event.startswith(f"{number}.")]
        assert own == sorted(own)
    for service in services:
        await service.close()


async def test_an_append_that_is_cancelled_leaves_its_writer_able_to_write(
    service: DatabaseSessionService, who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is lost, and whether it was stored is not known: it was."""
    session = await service.create_session(**who, session_id="s")
    database, lost = service._tables._database, [True, True, False, True, False]
    run = database.run

    async def hear(work: Any, **options: Any) -> Any:
        result = await run(work, **options)
        if lost.pop(0):
            raise asyncio.CancelledError
        return result

    monkeypatch.setattr(database, "run", hear)
    for event in (Event(id="1"), Event(id="2")):
        with pytest.raises(asyncio.CancelledError):
            await service.append_event(session, event)
    lost[:] = [False] * 9
    await service.append_event(session, Event(id="3"))
    assert [event.id for event in (await stored(service, session)).events] == ["1", "3"]


async def test_a_deleted_session_takes_nothing(service: DatabaseSessionService, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    await service.append_event(session, change(k=1))
    await service.delete_session(**who, session_id="s")
    for event in (Event(), change(**{"user:k": 1})):
        with pytest.raises(SessionNotFoundError):
            await service.append_event(session, event)
    again = await service.create_session(**who, session_id="s")
    with pytest.raises(SessionNotFoundError):
        await service.append_event(session, Event())
    assert (await stored(service, again)).events == []
    assert await service.get_user_state(**who) == {}


async def test_what_json_cannot_hold_is_refused_whole(service: DatabaseSessionService, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    with pytest.raises(InvalidInput) as caught:
        await service.append_event(session, change(good=1, bad=object()))
    assert caught.value.code == "not_json"
    assert (await stored(service, session)).state == session.state == {}
    await service.append_event(session, change(good=1))


# -- the life of a database -----------------------------------------------------------------------------------------


@pytest.mark.spec(125)
async def test_a_later_service_finds_what_an_earlier_one_kept(url: str, who: Who) -> None:
    async with DatabaseSessionService(url) as earlier:
        session = await earlier.create_session(**who, session_id="s", state={"k": 1})
        await earlier.append_event(session, change(**{"app:k": 2}))
    async with DatabaseSessionService(url) as later:
        found = await stored(later, session)
        assert found == session
        await later.append_event(found, Event())


@pytest.mark.parametrize("kind", KINDS)
async def test_tables_are_made_once_by_many_who_begin_at_once(kind: str, tmp_path: Path, who: Who) -> None:
    async with fresh_database(kind, tmp_path) as url:
        services = [DatabaseSessionService(url) for _ in range(5)]
        await asyncio.gather(*(service.create_session(**who) for service in services))
        assert [len((await one.list_sessions(**who)).sessions) for one in services] == [5] * 5
        for service in services:
            await service.close()


async def test_a_database_without_a_file_is_kept_as_long_as_the_service(who: Who) -> None:
    needs("sqlalchemy")
    needs("aiosqlite")
    async with DatabaseSessionService("sqlite://") as service:
        sessions = await asyncio.gather(*(service.create_session(**who) for _ in range(5)))
        await asyncio.gather(*(service.append_event(one, change(k=1)) for one in sessions for _ in range(5)))
        assert [len((await stored(service, one)).events) for one in sessions] == [5] * 5


async def test_an_engine_that_is_given_stays_open(url: str, who: Who) -> None:
    from sqlalchemy import text

    from fullduplex.sessions.sql import open_engine

    engine = open_engine(url, {})
    async with DatabaseSessionService(db_engine=engine) as service:
        await service.create_session(**who)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1
    await engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_loops_come_and_go_and_nothing_stays_open(kind: str, tmp_path: Path, who: Who) -> None:
    """As in scripts: `asyncio.run` again and again, without a `close`; what stays open would be a warning, an error."""
    service = DatabaseSessionService(url_of(kind, tmp_path))
    session = asyncio.run(service.create_session(**who))

    async def append() -> None:
        await asyncio.gather(*(service.append_event(session, Event()) for _ in range(3)), stored(service, session))

    for _ in range(3):
        asyncio.run(append())
    assert len(asyncio.run(stored(service, session)).events) == 9
    assert not service._tables._database._homes, "what a loop opened is closed with it"
    gc.collect()


def test_a_database_in_memory_does_not_outlive_its_loop_in_silence(who: Who) -> None:
    needs("sqlalchemy")
    needs("aiosqlite")
    service = DatabaseSessionService("sqlite://")
    asyncio.run(service.create_session(**who))
    with pytest.raises(InvalidConfig, match="give it a file"):
        asyncio.run(service.create_session(**who))


# -- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SERVERS)
async def test_connections_that_broke_meanwhile_are_replaced(kind: str, tmp_path: Path, who: Who) -> None:
    async with fresh_database(kind, tmp_path) as url, DatabaseSessionService(url) as service:
        session = await service.create_session(**who, session_id="s")
        for number in range(3):
            assert await end_connections(kind, tmp_path, url)
            await service.append_event(session, change(k=number) if number % 2 else Event())
        assert (await stored(service, session)).events == session.events


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_connection_that_breaks_in_the_middle_leaves_no_half(
    kind: str, tmp_path: Path, who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended between the event and its state: both are stored, once."""
    from fullduplex.sessions import tables

    ended: list[int] = []
    write = tables.upsert

    async def end_first(connection: Any, table: Any, state: Any, **options: Any) -> None:
        if state and not ended:
            ended.append(await end_connections(kind, tmp_path, url))
        await write(connection, table, state, **options)

    async with fresh_database(kind, tmp_path) as url, DatabaseSessionService(url) as service:
        session = await service.create_session(**who, session_id="s")
        monkeypatch.setattr(tables, "upsert", end_first)
        await service.append_event(session, change(k=1))
        assert ended != [0]
        found = await stored(service, session)
        assert (len(found.events), found.state) == (1, {"k": 1})


@pytest.mark.parametrize("kind", SERVERS)
async def test_wherever_the_connection_breaks_an_event_is_stored_once(kind: str, tmp_path: Path, who: Who) -> None:
    """Cut after any byte, both ways, of an event alone and of one with state."""
    async with behind_a_proxy(url_of(kind, tmp_path)) as (proxy, through):
        async with DatabaseSessionService(through, pool_size=1) as service:
            session = await service.create_session(**who, session_id="s")
            broken = 0
            for number in range(120):
                connections = len(proxy.connected_at)
                proxy.cut_after(1 + number // 2 * 23)
                await service.append_event(session, change(k=number) if number % 2 else Event())
                broken += len(proxy.connected_at) > connections
            assert broken > 20
            found = await stored(service, session)
            assert (found.events, found.state) == (session.events, {"k": 119})


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_database_that_is_away_for_a_while(kind: str, tmp_path: Path, who: Who) -> None:
    async with behind_a_proxy(url_of(kind, tmp_path)) as (proxy, through):
        async with DatabaseSessionService(through) as service:
            session = await service.create_session(**who, session_id="s")
            proxy.refuse(True)
            proxy.cut()
            appending = asyncio.create_task(service.append_event(session, Event()))
            while len(proxy.refused_at) < 2:  # noqa: ASYNC110 (the proxy does not tell)
                await asyncio.sleep(0.01)
            proxy.refuse(False)
            await appending
            assert (await stored(service, session)).events == session.events


async def test_an_answer_that_is_lost_does_not_make_two_events(
    service: DatabaseSessionService, who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks when the event is stored already, so it is sent once more."""
    from sqlalchemy.exc import DBAPIError

    session = await service.create_session(**who, session_id="s")
    database = service._tables._database
    once, failures = database._once, [DBAPIError("", None, OSError("gone"), connection_invalidated=True)]

    async def lose(work: Any, single: bool) -> Any:
        result = await once(work, single)
        if failures:
            raise failures.pop()
        return result

    monkeypatch.setattr(database, "_once", lose)
    await service.append_event(session, Event(id="1"))
    await service.append_event(session, Event(id="2"))
    assert [event.id for event in (await stored(service, session)).events] == ["1", "2"]


@pytest.mark.parametrize(
    "address", ["sqlite:////no/such/folder/s.db", "postgresql://x@127.0.0.1:1/x", "mysql://127.0.0.1:1/x"]
)
async def test_a_database_that_is_not_there_is_told_at_once(address: str, who: Who) -> None:
    for module in ("sqlalchemy", "aiosqlite", "asyncpg", "asyncmy"):
        needs(module)
    async with DatabaseSessionService(address) as service:
        with pytest.raises(StoreUnavailable, match="The database failed: ") as caught:
            await service.create_session(**who)
    assert caught.value.code == "store_unavailable"
    for thread in threading.enumerate():  # of the connection that failed: it ends by itself, but wants the loop for it
        if "_connection_worker" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def test_a_database_that_goes_away_is_waited_for(
    tmp_path: Path, who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = url_of("sqlite", tmp_path)
    from fullduplex.sessions import sql

    monkeypatch.setattr(sql, "PAUSES_S", (0.0, 0.0, 0.0))
    async with DatabaseSessionService(url) as service:
        session = await service.create_session(**who, session_id="s")
        database, away = service._tables._database, 3
        once = database._once

        async def refuse(work: Any, single: bool) -> Any:
            nonlocal away
            away -= 1
            if away >= 0:
                raise ConnectionRefusedError("nobody listens")
            return await once(work, single)

        monkeypatch.setattr(database, "_once", refuse)
        await service.append_event(session, Event())
        away = 4
        with pytest.raises(StoreUnavailable, match="nobody listens"):
            await service.append_event(session, Event())
        await service.append_event(session, Event())
        assert len((await stored(service, session)).events) == 2


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_database_that_does_not_answer_is_given_up(
    kind: str, tmp_path: Path, who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another transaction holds what the append needs, and does not end."""
    url = url_of(kind, tmp_path)
    from sqlalchemy import text

    from fullduplex.sessions import sql

    async with DatabaseSessionService(url) as service, DatabaseSessionService(url) as other:
        session = await service.create_session(**who, session_id="s")
        await service.append_event(session, change(k=1))
        engine = (await other._tables._database._homes.here()).engine
        async with engine.begin() as held:
            await held.execute(text("DELETE FROM session_records WHERE session_id = 's'"))
            monkeypatch.setattr(sql, "TIMEOUT_S", 0.3)
            with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.3 s"):
                await service.append_event(session, change(k=2))
            await held.rollback()
        monkeypatch.undo()
        await service.append_event(session, change(k=3))
        assert (await stored(service, session)).state == {"k": 3}


# -- how it is opened -----------------------------------------------------------------------------------------------


@pytest.mark.spec(118)
@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///a.db", "sqlite+aiosqlite"),
        ("postgres://h/d", "postgresql+asyncpg"),
        ("postgresql://u:p@h:1/d", "postgresql+asyncpg"),
        ("mysql://h/d", "mysql+asyncmy"),
        ("mariadb://h/d", "mariadb+asyncmy"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite"),
    ],
)
@pytest.mark.parametrize("argument", ["db_url", "connection_string", None])
def test_a_plain_url_gets_its_asynchronous_driver(url: str, driver: str, argument: str | None) -> None:
    for module in ("sqlalchemy", "aiosqlite", "asyncpg", "asyncmy"):
        needs(module)
    service = DatabaseSessionService(url) if argument is None else DatabaseSessionService(**{argument: url})
    assert service._tables._database._open().url.drivername == driver


def test_a_driver_that_the_url_names_is_kept() -> None:
    needs("sqlalchemy")
    from fullduplex.sessions.sql import async_url

    assert async_url("postgresql+psycopg://h/d") == "postgresql+psycopg://h/d"


def test_options_go_to_the_engine() -> None:
    needs("sqlalchemy")
    needs("asyncpg")
    service = DatabaseSessionService("postgresql://h/d", pool_size=2, echo=False)
    assert service._tables._database._open().pool.size() == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"db_url": "sqlite://", "connection_string": "sqlite://"},
        {"db_url": "sqlite://", "db_engine": object()},
        {"db_engine": object()},
        {"db_engine": object(), "pool_size": 1},
        {"db_url": "no url"},
        {"db_url": "mongodb://h/d"},
        {"db_url": "sqlite://", "no_such_option": 1},
    ],
)
def test_what_cannot_be_opened_is_told_when_it_is_made(given: dict[str, Any]) -> None:
    needs("sqlalchemy")
    with pytest.raises(InvalidConfig):
        DatabaseSessionService(**given)


def test_without_the_extra_it_says_which_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sql", "tables"):
        monkeypatch.delitem(sys.modules, f"fullduplex.sessions.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(InvalidConfig, match=r"fullduplex\[db\]") as caught:
        DatabaseSessionService("sqlite://")
    assert caught.value.code == "missing_extra"
