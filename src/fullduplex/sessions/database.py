"""Sessions in a SQL database (SQLite, PostgreSQL, MySQL, MariaDB): they outlive processes, and processes share them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from fullduplex.errors import InvalidConfig
from fullduplex.events import Event
from fullduplex.sessions.base import (
    BaseSessionService,
    GetSessionConfig,
    ListSessionsResponse,
    Session,
    apply_to_live,
    clean_session_id,
    without_temp,
)
from fullduplex.sessions.db_extra import needs_db_extra, the_url

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from fullduplex.sessions.tables import SessionTables


class DatabaseSessionService(BaseSessionService):
    """Keeps sessions in the database at `db_url` (or `connection_string`, which means the same).

    Plain URLs are enough: `sqlite:///sessions.db`, `postgresql://…`, `mysql://…`, `mariadb://…`. Tables are made when
    they are missing. `engine_kwargs` go to SQLAlchemy's `create_async_engine`. Instead of a URL an engine of your own
    may be given (`db_engine`), which `close` leaves open. Takes the extra `fullduplex[db]`. `close` it in the
    event loop that used it, or use it in `async with`; `asyncio.run` closes what was left open in its loop.

    State and events must be expressible in JSON (`InvalidInput`, `not_json`). What the database refuses is raised as
    `StoreUnavailable`.
    """

    def __init__(
        self,
        db_url: str | None = None,
        *,
        connection_string: str | None = None,
        db_engine: AsyncEngine | None = None,
        **engine_kwargs: Any,
    ) -> None:
        if db_engine is not None and (db_url or connection_string or engine_kwargs):
            raise InvalidConfig("give db_engine alone: what a URL and options would say, it has already")
        url = the_url(db_url, connection_string) if db_engine is None else ""
        self._tables = _tables(url, db_engine, engine_kwargs)
        self._appending: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        """See `BaseSessionService`."""
        return await self._tables.create(app_name, user_id, clean_session_id(session_id), state or {})

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        """See `BaseSessionService`."""
        return await self._tables.load(app_name, user_id, session_id.strip(), config)

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """See `BaseSessionService`."""
        return ListSessionsResponse(sessions=await self._tables.sessions_of(app_name, user_id))

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """See `BaseSessionService`."""
        await self._tables.delete(app_name, user_id, session_id.strip())

    async def append_event(self, session: Session, event: Event) -> Event:
        """See `BaseSessionService`; appends to one session take their turns.

        Raises `StaleSessionError` when another writer has appended since `session` was read, and
        `SessionNotFoundError` when it is not (or no longer) there.
        """
        if event.partial:
            return event
        key = (session.app_name, session.user_id, session.id)
        async with self._appending.setdefault(key, asyncio.Lock()):
            await self._tables.append(session, without_temp(event))
            apply_to_live(session, event)
        return event

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """See `BaseSessionService`."""
        return await self._tables.user_state(app_name, user_id)

    async def close(self) -> None:
        """Closes the connections to the database; an engine that was given stays open."""
        await self._tables.close()


def _tables(url: str, engine: AsyncEngine | None, options: dict[str, Any]) -> SessionTables:
    with needs_db_extra():
        from sqlalchemy.ext.asyncio import AsyncEngine

        from fullduplex.sessions.sql import Database
        from fullduplex.sessions.tables import METADATA, SessionTables

        if engine is not None and not isinstance(engine, AsyncEngine):
            raise InvalidConfig("db_engine has to be an AsyncEngine of SQLAlchemy")
        return SessionTables(Database(METADATA, url=url, options=options, engine=engine))
