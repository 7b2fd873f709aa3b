"""The tables of `DatabaseSessionService`, and what is asked of them; imported with SQLAlchemy there.

The events of a session are numbered from 1 without a gap, and the number is part of their key: of two writers who
have read the same session only one can add the next event. State is a row for each key, so that sessions that change
different keys of their user or app do not undo each other's changes.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple, NoReturn

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fullduplex.errors import AlreadyExistsError, SessionNotFoundError, StaleSessionError
from fullduplex.events import Event
from fullduplex.sessions.base import GetSessionConfig, Session
from fullduplex.sessions.sql import TABLE_OPTIONS, TEXT, Database, digest, upsert
from fullduplex.sessions.state import split_by_reach, with_reach
from fullduplex.types.struct import encode_json, plain

METADATA = sa.MetaData()
_records = sa.Table(
    "session_records",
    METADATA,
    sa.Column("session", sa.String(32), primary_key=True),  # a later session of the same name has another
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("app_scope", sa.String(64), nullable=False, index=True),
    sa.Column("user_scope", sa.String(64), nullable=False, index=True),
    sa.Column("app_name", TEXT, nullable=False),
    sa.Column("user_id", TEXT, nullable=False),
    sa.Column("session_id", TEXT, nullable=False),
    sa.Column("created", sa.Double(), nullable=False),
    **TABLE_OPTIONS,
)
_events = sa.Table(
    "session_events",
    METADATA,
    sa.Column("session", sa.ForeignKey(_records.c.session, ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("timestamp", sa.Double(), nullable=False),
    sa.Column("event", TEXT, nullable=False),
    **TABLE_OPTIONS,
)
_state = sa.Table(
    "session_state",
    METADATA,
    sa.Column("scope", sa.String(64), primary_key=True),  # of an app, a user, or a session
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("value", TEXT, nullable=False),
    **TABLE_OPTIONS,
)

_last = sa.select(sa.func.max(_events.c.number)).where(_events.c.session == _records.c.session)
_last_time = (
    sa.select(_events.c.timestamp)
    .where(_events.c.session == _records.c.session)
    .order_by(_events.c.number.desc())
    .limit(1)
)
_heads = sa.select(
    _records,
    sa.func.coalesce(_last.scalar_subquery(), 0).label("number"),
    sa.func.coalesce(_last_time.scalar_subquery(), _records.c.created).label("updated"),
)
# Whether the session is still there is asked in the same breath: SQLite watches over foreign keys only when told to.
_append = _events.insert().from_select(
    list(_events.c.keys()),
    sa.select(
        _records.c.session,
        sa.bindparam("next_number", type_=sa.Integer()),
        sa.bindparam("its_time", type_=sa.Double()),
        sa.bindparam("its_json", type_=TEXT),
    ).where(_records.c.session == sa.bindparam("of_session")),
)

_MARK = "mark"
StateRows = list[dict[str, str]]


class Mark(NamedTuple):
    """How far a writer knows a session: which one it is, the number of its last event, and the events, as JSON, that
    the writer tried to add behind that and does not know to be there."""

    session: str
    number: int
    tried: tuple[str, ...] = ()


class Scopes(NamedTuple):
    """The keys of an app and of one of its users."""

    app: str
    user: str

    @classmethod
    def of(cls, app_name: str, user_id: str) -> Scopes:
        """Those of this user of this app."""
        return cls(digest(app_name), digest(app_name, user_id))


class SessionTables:
    """The three tables in one database: which sessions there are, their events, and state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, app_name: str, user_id: str, session_id: str, state: dict[str, Any]) -> Session:
        """Makes a session; raises `AlreadyExistsError`."""
        session, scopes = uuid.uuid4().hex, Scopes.of(app_name, user_id)
        name = digest(app_name, user_id, session_id)
        row = {
            "session": session,
            "name": name,
            "app_scope": scopes.app,
            "user_scope": scopes.user,
            "app_name": app_name,
            "user_id": user_id,
            "session_id": session_id,
            "created": time.time(),
        }
        try:
            await self._database.run(partial(_insert, row, _rows(scopes, session, state)))
        except IntegrityError:
            head = await self._database.run(partial(_head, name))
            if head is None or head.session != session:  # else a lost connection hid that it was made
                raise AlreadyExistsError(f"Session with id {session_id} already exists.") from None
        return await self.load(app_name, user_id, session_id, None) or _gone(session_id)

    async def load(
        self, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None
    ) -> Session | None:
        """The session with those of its events that `config` asks for."""
        return await self._database.run(
            partial(_load, digest(app_name, user_id, session_id), config or GetSessionConfig())
        )

    async def sessions_of(self, app_name: str, user_id: str | None) -> list[Session]:
        """The sessions of a user, or of all users, oldest first, without events."""
        return await self._database.run(partial(_list, app_name, user_id))

    async def delete(self, app_name: str, user_id: str, session_id: str) -> None:
        """Deletes the session, its events and its own state."""
        await self._database.run(partial(_delete, digest(app_name, user_id, session_id)))

    async def append(self, session: Session, event: Event) -> None:
        """Adds `event` and its changes of state behind what the writer of `session` knows.

        Raises `StaleSessionError` when something else is there, `SessionNotFoundError`, and `InvalidInput`.
        """
        text = _json(event)
        before = mark = session.__dict__.get(_MARK) or await self._mark(session)
        session.__dict__[_MARK] = mark._replace(tried=(*mark.tried, text))
        state = _rows(Scopes.of(session.app_name, session.user_id), mark.session, event.actions.state_delta)
        row = {"of_session": mark.session, "its_time": event.timestamp, "its_json": text}
        there: str | None = ""
        while there != text:  # else a lost connection hid that it was stored
            mark = mark._replace(number=mark.number + 1)
            try:
                added = partial(_add, {**row, "next_number": mark.number}, state)
                there = text if await self._database.run(added, single=not state) else None
            except IntegrityError:
                there = await self._database.run(partial(_event_at, mark))
            if there is None:
                _gone(session.id)
            # An append that was cancelled may have been stored all the same.
            if there != text and there not in mark.tried:
                session.__dict__[_MARK] = before
                _stale(session)
        session.__dict__[_MARK] = mark._replace(tried=())

    async def _mark(self, session: Session) -> Mark:
        """For a session that this store has not handed out: its time says whether it is older than the store."""
        head = await self._database.run(partial(_head, digest(session.app_name, session.user_id, session.id)))
        if head is None:
            _gone(session.id)
        if session.last_update_time < head.updated:
            _stale(session)
        return Mark(head.session, head.number)

    async def user_state(self, app_name: str, user_id: str) -> dict[str, Any]:
        """The user's state, without its prefix."""
        scope = Scopes.of(app_name, user_id).user
        return (await self._database.run(partial(_states, _state.c.scope == scope)))[scope]

    async def close(self) -> None:
        """Closes all connections."""
        await self._database.close()


async def _insert(row: dict[str, Any], state: StateRows, connection: AsyncConnection) -> None:
    await connection.execute(_records.insert(), row)
    await upsert(connection, _state, state, changes=["value"])


async def _add(row: dict[str, Any], state: StateRows, connection: AsyncConnection) -> bool:
    added = await connection.execute(_append, row)
    if added.rowcount:
        await upsert(connection, _state, state, changes=["value"])
    return bool(added.rowcount)


async def _head(name: str, connection: AsyncConnection) -> sa.Row[Any] | None:
    return (await connection.execute(_heads.where(_records.c.name == name))).one_or_none()


async def _load(name: str, config: GetSessionConfig, connection: AsyncConnection) -> Session | None:
    head = await _head(name, connection)
    if head is None:
        return None
    events = await _some_events(Mark(head.session, head.number), config, connection)
    states = await _states(_state.c.scope.in_([head.app_scope, head.user_scope, head.session]), connection)
    return _session(head, states, events)


async def _some_events(mark: Mark, config: GetSessionConfig, connection: AsyncConnection) -> list[Event]:
    """Up to the mark: another writer may have added more by now."""
    wanted = sa.select(_events.c.event).where(_events.c.session == mark.session, _events.c.number <= mark.number)
    if config.after_timestamp is not None:
        wanted = wanted.where(_events.c.timestamp >= config.after_timestamp)
    if config.num_recent_events is not None:
        wanted = wanted.limit(config.num_recent_events)
    found = (await connection.execute(wanted.order_by(_events.c.number.desc()))).scalars().all()
    return [Event.model_validate_json(text) for text in reversed(found)]


async def _list(app_name: str, user_id: str | None, connection: AsyncConnection) -> list[Session]:
    if user_id is None:
        those = _records.c.app_scope == digest(app_name)
    else:
        those = _records.c.user_scope == digest(app_name, user_id)
    heads = (await connection.execute(_heads.where(those).order_by(_records.c.created, _records.c.session))).all()
    scopes = sa.union(*(sa.select(column).where(those) for column in _records.c["session", "app_scope", "user_scope"]))
    states = await _states(_state.c.scope.in_(scopes), connection)
    return [_session(head, states, []) for head in heads]


async def _states(those: sa.ColumnElement[bool], connection: AsyncConnection) -> defaultdict[str, dict[str, Any]]:
    """State by its scope."""
    states: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for row in await connection.execute(sa.select(_state).where(those)):
        states[row.scope][row.name] = msgspec.json.decode(row.value)
    return states


async def _delete(name: str, connection: AsyncConnection) -> None:
    found = await connection.execute(sa.select(_records.c.session).where(_records.c.name == name))
    if (session := found.scalar_one_or_none()) is None:
        return
    await connection.execute(_events.delete().where(_events.c.session == session))
    await connection.execute(_state.delete().where(_state.c.scope == session))
    await connection.execute(_records.delete().where(_records.c.session == session))


async def _event_at(mark: Mark, connection: AsyncConnection) -> str | None:
    where = (_events.c.session == mark.session) & (_events.c.number == mark.number)
    return (await connection.execute(sa.select(_events.c.event).where(where))).scalar_one_or_none()


def _session(head: sa.Row[Any], states: defaultdict[str, dict[str, Any]], events: list[Event]) -> Session:
    session = Session(
        id=head.session_id,
        app_name=head.app_name,
        user_id=head.user_id,
        state=with_reach(states[head.app_scope], states[head.user_scope], states[head.session]),
        events=events,
        last_update_time=head.updated,
    )
    session.__dict__[_MARK] = Mark(head.session, head.number)
    return session


def _rows(scopes: Scopes, session: str, delta: dict[str, Any]) -> StateRows:
    pairs: Iterable[tuple[str, dict[str, Any]]] = zip((*scopes, session), split_by_reach(delta), strict=True)
    rows = [
        {"scope": scope, "key": digest(name), "name": name, "value": _json(value)}
        for scope, part in pairs
        for name, value in part.items()
    ]
    # In one order: two that change the same keys do not wait for each other.
    return sorted(rows, key=lambda row: (row["scope"], row["key"]))


def _json(value: Any) -> str:
    return encode_json(plain(value)).decode()


def _stale(session: Session) -> NoReturn:
    raise StaleSessionError(
        f"Session {session.id} was changed by another writer since it was read: get it anew, and append to that. "
        "Within a run, use the run's own session."
    )


def _gone(session_id: str) -> NoReturn:
    raise SessionNotFoundError(f"Session {session_id} not found.")
