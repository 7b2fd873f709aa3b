"""What a session is, and the interface of the stores that keep sessions."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import Any

import msgspec

from fullduplex.events import Event
from fullduplex.sessions.state import State
from fullduplex.types.content import empty
from fullduplex.types.struct import Message


def _no_events() -> list[Event]:
    return []


class Session(Message, dict=True):
    """A conversation: what was said and done, and its state. `last_update_time` is in seconds since the epoch.

    A store may note on it what it needs to know again; that is no part of its JSON.
    """

    id: str
    app_name: str
    user_id: str
    state: dict[str, Any] = msgspec.field(default_factory=empty)
    events: list[Event] = msgspec.field(default_factory=_no_events)
    last_update_time: float = msgspec.field(default_factory=float)


class GetSessionConfig(Message):
    """Which events to load: the newest `num_recent_events`, or those since `after_timestamp` (seconds)."""

    num_recent_events: int | None = None
    after_timestamp: float | None = None


def _no_sessions() -> list[Session]:
    return []


class ListSessionsResponse(Message):
    """Sessions without their events."""

    sessions: list[Session] = msgspec.field(default_factory=_no_sessions)


def clean_session_id(session_id: str | None) -> str:
    """The id as stored: stripped, and a fresh UUID when nothing is left of it."""
    return (session_id or "").strip() or str(uuid.uuid4())


class BaseSessionService(ABC):
    """A store of sessions, keyed by app, user and session id."""

    @abstractmethod
    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        """Creates a session; raises `AlreadyExistsError` when the id is taken. `temp:` keys of `state` are dropped."""

    @abstractmethod
    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        """The session, or None when there is none."""

    @abstractmethod
    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """The sessions of a user, or of all users, without events."""

    @abstractmethod
    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Deletes the session if it exists."""

    @abstractmethod
    async def append_event(self, session: Session, event: Event) -> Event:
        """Stores `event` and applies it to `session`; a partial event is returned and not stored."""

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """The state that all sessions of the user share, without its prefix."""
        return {}

    async def flush(self) -> None:
        """Returns when everything appended so far is stored; at once, unless the store writes behind."""
        return


def apply_to_live(session: Session, event: Event) -> None:
    """Brings the caller's own session up to date with `event`, its `temp:` keys included."""
    session.state.update(event.actions.state_delta)
    session.events.append(event)
    session.last_update_time = event.timestamp


def without_temp(event: Event) -> Event:
    """`event` as stores keep it: `temp:` changes of state trimmed away."""
    delta = event.actions.state_delta
    if not any(key.startswith(State.TEMP_PREFIX) for key in delta):
        return event
    kept = {key: value for key, value in delta.items() if not key.startswith(State.TEMP_PREFIX)}
    return event.model_copy(update={"actions": event.actions.model_copy(update={"state_delta": kept})})
