"""The tables of `DatabaseMemoryService`, and what is asked of them; imported with SQLAlchemy there.

Rows are keyed by digests: ids may be of any length and spelling, and some databases compare text loosely.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fullduplex.memory.base import MemoryEntry, Said, entry_of
from fullduplex.sessions import Session
from fullduplex.sessions.sql import TABLE_OPTIONS, TEXT, Database, digest, upsert
from fullduplex.types.content import Content

METADATA = sa.MetaData()
_entries = sa.Table(
    "memory_entries",
    METADATA,
    sa.Column("entry", sa.String(64), primary_key=True),
    sa.Column("scope", sa.String(64), nullable=False, index=True),
    sa.Column("session", sa.String(64), nullable=False, index=True),
    sa.Column("app_name", TEXT, nullable=False),
    sa.Column("user_id", TEXT, nullable=False),
    sa.Column("session_id", TEXT, nullable=False),
    sa.Column("event_id", TEXT, nullable=False),
    sa.Column("author", TEXT, nullable=False),
    sa.Column("said_at", sa.Double(), nullable=False),
    sa.Column("content", TEXT, nullable=False),
    **TABLE_OPTIONS,
)
_words = sa.Table(
    "memory_words",
    METADATA,
    sa.Column("scope", sa.String(64), primary_key=True),
    sa.Column("word", sa.String(64), primary_key=True),
    sa.Column("entry", sa.String(64), primary_key=True),
    **TABLE_OPTIONS,
)


class MemoryTables:
    """The two tables in one database: what was said, and which words stand in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session, said: list[Said]) -> None:
        """Adds what is not there yet. Others may add the same at the same time."""
        scope = digest(session.app_name, session.user_id)
        key = digest(session.app_name, session.user_id, session.id)
        rows = {digest(key, one.event_id): one for one in said}
        there = await self._database.run(partial(_known, key))
        if new := {entry: rows[entry] for entry in sorted(rows.keys() - there)}:
            entries = [_row(session, scope, key, *item) for item in new.items()]
            await self._database.run(partial(_insert, entries, _index(scope, new)))

    async def best(self, app_name: str, user_id: str, words: list[str], limit: int) -> list[MemoryEntry]:
        """The entries of this user that fit `words` best."""
        rows = await self._database.run(partial(_find, _best(digest(app_name, user_id), words, limit)))
        return [
            entry_of(row.event_id, row.author, row.said_at, Content.model_validate_json(row.content)) for row in rows
        ]

    async def close(self) -> None:
        """Closes all connections."""
        await self._database.close()


async def _known(key: str, connection: AsyncConnection) -> set[str]:
    found = await connection.execute(sa.select(_entries.c.entry).where(_entries.c.session == key))
    return set(found.scalars())


async def _insert(entries: list[dict[str, Any]], words: list[dict[str, Any]], connection: AsyncConnection) -> None:
    # Others may have added some of them since it was asked what is known, and may be adding more of them now.
    await upsert(connection, _entries, entries)
    await upsert(connection, _words, words)


async def _find(wanted: sa.Select[Any], connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
    found: Sequence[sa.Row[Any]] = (await connection.execute(wanted)).all()
    return found


def _best(scope: str, words: list[str], limit: int) -> sa.Select[Any]:
    asked = (_words.c.scope == scope) & _words.c.word.in_(words)
    # MariaDB, which reckons with an empty group first, would log a division by zero.
    weights = (
        sa.select(_words.c.word, (1.0 / sa.func.nullif(sa.func.count(), 0)).label("weight"))
        .where(asked)
        .group_by(_words.c.word)
        .subquery()
    )
    scores = (
        sa.select(_words.c.entry, sa.func.sum(weights.c.weight).label("score"))
        .join(weights, weights.c.word == _words.c.word)
        .where(asked)
        .group_by(_words.c.entry)
        .subquery()
    )
    return (
        sa.select(_entries.c.event_id, _entries.c.author, _entries.c.said_at, _entries.c.content)
        .join(scores, scores.c.entry == _entries.c.entry)
        .order_by(scores.c.score.desc(), _entries.c.said_at.desc())
        .limit(limit)
    )


def _row(session: Session, scope: str, key: str, entry: str, said: Said) -> dict[str, Any]:
    return {
        "entry": entry,
        "scope": scope,
        "session": key,
        "app_name": session.app_name,
        "user_id": session.user_id,
        "session_id": session.id,
        "event_id": said.event_id,
        "author": said.author,
        "said_at": said.timestamp,
        "content": said.content.model_dump_json(by_alias=True, exclude_none=True),
    }


def _index(scope: str, said: dict[str, Said]) -> list[dict[str, Any]]:
    words = sorted((word, entry) for entry, one in said.items() for word in one.words)
    return [{"scope": scope, "word": word, "entry": entry} for word, entry in words]
