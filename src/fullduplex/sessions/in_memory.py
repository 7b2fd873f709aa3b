"""Sessions in the memory of this process: for laptops and tests. They are gone when the process is."""

from __future__ import annotations

import copy
import time
from typing import Any

from fullduplex.errors import AlreadyExistsError, SessionNotFoundError
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
from fullduplex.sessions.state import split_by_reach, with_reach


class InMemorySessionService(BaseSessionService):
    """Keeps sessions in dicts. What it returns are copies: changing them changes nothing here."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], dict[str, Session]] = {}
        self._app_state: dict[str, dict[str, Any]] = {}
        self._user_state: dict[tuple[str, str], dict[str, Any]] = {}

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        """See `BaseSessionService`."""
        key = clean_session_id(session_id)
        sessions = self._sessions.setdefault((app_name, user_id), {})
        if key in sessions:
            raise AlreadyExistsError(f"Session with id {key} already exists.")
        own = self._share(app_name, user_id, state or {})
        session = Session(
            id=key, app_name=app_name, user_id=user_id, state=copy.deepcopy(own), last_update_time=time.time()
        )
        sessions[key] = session
        return self._copy(session)

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        """See `BaseSessionService`."""
        session = self._find(app_name, user_id, session_id)
        if session is None:
            return None
        events = session.events
        if config is not None and config.after_timestamp is not None:
            events = [event for event in events if event.timestamp >= config.after_timestamp]
        if config is not None and config.num_recent_events is not None:
            events = events[-config.num_recent_events :] if config.num_recent_events else []
        return self._copy(session, events)

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """See `BaseSessionService`."""
        found = [
            self._copy(session, [])
            for (app, user), sessions in self._sessions.items()
            if app == app_name and user_id in (None, user)
            for session in sessions.values()
        ]
        return ListSessionsResponse(sessions=found)

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """See `BaseSessionService`."""
        self._sessions.get((app_name, user_id), {}).pop(session_id.strip(), None)

    async def append_event(self, session: Session, event: Event) -> Event:
        """See `BaseSessionService`; raises `SessionNotFoundError` when the session is not (or no longer) here."""
        if event.partial:
            return event
        stored = self._find(session.app_name, session.user_id, session.id)
        if stored is None:
            raise SessionNotFoundError(f"Session {session.id} not found.")
        kept = without_temp(event)
        own = self._share(session.app_name, session.user_id, kept.actions.state_delta)
        stored.state.update(copy.deepcopy(own))
        stored.events.append(kept.model_copy(deep=True))
        stored.last_update_time = event.timestamp
        apply_to_live(session, event)
        return event

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """See `BaseSessionService`."""
        return copy.deepcopy(self._user_state.get((app_name, user_id), {}))

    def _find(self, app_name: str, user_id: str, session_id: str) -> Session | None:
        return self._sessions.get((app_name, user_id), {}).get(session_id.strip())

    def _share(self, app_name: str, user_id: str, delta: dict[str, Any]) -> dict[str, Any]:
        """Stores the app's and the user's part of `delta`, and returns the session's own."""
        app, user, own = split_by_reach(delta)
        self._app_state.setdefault(app_name, {}).update(copy.deepcopy(app))
        self._user_state.setdefault((app_name, user_id), {}).update(copy.deepcopy(user))
        return own

    def _copy(self, session: Session, events: list[Event] | None = None) -> Session:
        app = self._app_state.get(session.app_name, {})
        user = self._user_state.get((session.app_name, session.user_id), {})
        chosen = session.events if events is None else events
        return Session(
            id=session.id,
            app_name=session.app_name,
            user_id=session.user_id,
            state=copy.deepcopy(with_reach(app, user, session.state)),
            events=[event.model_copy(deep=True) for event in chosen],
            last_update_time=session.last_update_time,
        )
