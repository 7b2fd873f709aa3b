"""Memories in a SQL database: SQLite, PostgreSQL, MySQL or MariaDB.

The index of words is a table of our own rather than the database's full-text search: a search reads one user's rows and
no others, finds the same in every database, and knows the words of every language that puts spaces between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fullduplex.memory.base import MOST_FOUND, BaseMemoryService, SearchMemoryResponse, asked_words, said_in
from fullduplex.sessions import Session
from fullduplex.sessions.db_extra import needs_db_extra, the_url

if TYPE_CHECKING:
    from fullduplex.memory.tables import MemoryTables


class DatabaseMemoryService(BaseMemoryService):
    """Keeps what was said in the database at `db_url` (or `connection_string`, which means the same).

    Plain URLs are enough: `sqlite:///memory.db`, `postgresql://…`, `mysql://…`, `mariadb://…`. Tables are made when
    they are missing. `engine_options` go to SQLAlchemy's `create_async_engine`. Takes the extra `fullduplex[db]`.
    `close` it in the event loop that used it; `asyncio.run` closes what was left open in its loop.
    """

    def __init__(
        self, db_url: str | None = None, *, connection_string: str | None = None, **engine_options: Any
    ) -> None:
        self._tables = _tables(the_url(db_url, connection_string), engine_options)

    async def add_session_to_memory(self, session: Session) -> None:
        """See `BaseMemoryService`."""
        if said := said_in(session):
            await self._tables.add(session, said)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        """See `BaseMemoryService`."""
        if not (words := asked_words(query)):
            return SearchMemoryResponse()
        return SearchMemoryResponse(memories=await self._tables.best(app_name, user_id, words, MOST_FOUND))

    async def close(self) -> None:
        """Closes the connections to the database."""
        await self._tables.close()


def _tables(url: str, engine_options: dict[str, Any]) -> MemoryTables:
    with needs_db_extra():
        from fullduplex.memory.tables import METADATA, MemoryTables
        from fullduplex.sessions.sql import Database

        return MemoryTables(Database(METADATA, url=url, options=engine_options))
