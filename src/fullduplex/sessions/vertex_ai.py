"""Sessions kept by Google: the Sessions service of Vertex AI Agent Engine."""

from __future__ import annotations

import asyncio
import re
from typing import Any, NoReturn, Self
from weakref import WeakValueDictionary

from fullduplex.errors import AlreadyExistsError, InvalidInput, SessionNotFoundError, StoreUnavailable
from fullduplex.events import Event
from fullduplex.google_login import GoogleCredentials
from fullduplex.sessions.agent_engine import AgentEngineApi, Refused, Unsure
from fullduplex.sessions.agent_engine_wire import from_micros, from_wire, to_micros, to_wire, whole
from fullduplex.sessions.base import (
    BaseSessionService,
    GetSessionConfig,
    ListSessionsResponse,
    Session,
    apply_to_live,
    without_temp,
)
from fullduplex.sessions.state import State, split_by_reach
from fullduplex.types.struct import plain

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LAST = "last_micros"


class VertexAiSessionService(BaseSessionService):
    """Keeps sessions in Vertex AI Agent Engine, over its REST API.

    Give `project` and `location` (or GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION; us-central1 when neither says
    where) and a Google login is used (extra `fullduplex[gemini]`; `credentials`: another than the machine's own), or
    give `express_mode_api_key`. `agent_engine_id` is the engine's number or resource name; without it the name of an
    app has to be one.

    The service has rules of its own. The id of a session is its engine's, not its user's: up to 63 of `a-z`, `0-9` and
    `-`, or made by the service. Events are ordered by their times, so a time that does not grow is sent as one that
    does. Numbers are floating-point. It cannot be asked whether a session has changed since it was read, so no writer
    is refused for being behind.

    Written from Google's documentation and tested against a stub that behaves as it says; not run against Google's
    servers. That the service shares `user:` and `app:` state among sessions is what its users report.
    """

    def __init__(
        self,
        project: str | None = None,
        location: str | None = None,
        agent_engine_id: str | None = None,
        *,
        express_mode_api_key: str | None = None,
        credentials: GoogleCredentials | None = None,
    ) -> None:
        self._api = AgentEngineApi(project, location, express_mode_api_key, credentials)
        self._engine_id = agent_engine_id
        self._appending: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        """See `BaseSessionService`; raises `InvalidInput` for an id that the service does not take."""
        wanted = (session_id or "").strip()
        if wanted and not _ID.fullmatch(wanted):
            raise InvalidInput(
                f"Vertex AI takes no session id {wanted!r}: up to 63 of a-z, 0-9 and -, and no - at either end.",
                field="session_id",
            )
        kept = {key: plain(value) for key, value in (state or {}).items() if not key.startswith(State.TEMP_PREFIX)}
        sessions = f"{await self._api.engine(self._engine_id or app_name)}/sessions"
        try:
            operation = await self._api.post(
                sessions, {"userId": user_id, "sessionState": kept}, {"sessionId": wanted} if wanted else None
            )
            operation = await self._api.finish(operation)
        except Refused as error:
            if error.status == 409:
                raise AlreadyExistsError(f"Session with id {wanted} already exists.") from None
            raise
        made = wanted or re.split("/sessions/([^/]+)", operation.get("response", operation)["name"])[1]
        session = await self.get_session(app_name=app_name, user_id=user_id, session_id=made)
        if session is None:
            raise StoreUnavailable(f"Vertex AI made session {made} and does not find it.")
        return session

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        """See `BaseSessionService`."""
        path = await self._path(app_name, session_id)
        head = await self._head(path, user_id)
        if head is None:
            return None
        found = await self._events(path, config or GetSessionConfig())
        session = _session(head, app_name, [event for _, event in found])
        if found or config is None:
            session.__dict__[_LAST] = found[-1][0] if found else 0
        return session

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """See `BaseSessionService`."""
        sessions = f"{await self._api.engine(self._engine_id or app_name)}/sessions"
        heads = await self._api.pages(sessions, "sessions", {"orderBy": "create_time", **_of(user_id)})
        return ListSessionsResponse(sessions=[_session(head, app_name, []) for head in heads])

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """See `BaseSessionService`."""
        path = await self._path(app_name, session_id)
        if await self._head(path, user_id) is not None:
            try:
                await self._api.delete(path)
            except Refused as error:
                if error.status != 404:
                    raise

    async def append_event(self, session: Session, event: Event) -> Event:
        """See `BaseSessionService`; appends to one session take their turns.

        Raises `SessionNotFoundError`, and `InvalidInput` (`not_json`).
        """
        if event.partial:
            return event
        key = (session.app_name, session.user_id, session.id)
        async with self._appending.setdefault(key, asyncio.Lock()):
            path = await self._path(session.app_name, session.id)
            last = session.__dict__.get(_LAST)
            micros = max(round(event.timestamp * 1e6), (await self._last(path, session) if last is None else last) + 1)
            try:
                await self._append(path, to_wire(without_temp(event), micros), micros)
            except Refused as error:
                if error.status != 404:
                    raise
                _gone(session)
            session.__dict__[_LAST] = micros
            apply_to_live(session, event)
        return event

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """See `BaseSessionService`. It is read off one of the user's sessions: without any, there is none."""
        sessions = f"{await self._api.engine(self._engine_id or app_name)}/sessions"
        found = await self._api.pages(sessions, "sessions", {"orderBy": "update_time desc", **_of(user_id)}, 1)
        head = await self._head(f"{sessions}/{_id_of(found[0])}", user_id) if found else None
        return {} if head is None else split_by_reach(_state(head))[1]

    async def close(self) -> None:
        """Closes the connections."""
        await self._api.close()

    async def _path(self, app_name: str, session_id: str) -> str:
        return f"{await self._api.engine(self._engine_id or app_name)}/sessions/{session_id.strip()}"

    async def _head(self, path: str, user_id: str) -> dict[str, Any] | None:
        """The session at `path` without its events, if it is there and this user's."""
        if not _ID.fullmatch(path.partition("/sessions/")[2]):
            return None
        try:
            head = await self._api.get(path)
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return head if head.get("userId") == user_id else None

    async def _events(self, path: str, config: GetSessionConfig) -> list[tuple[int, Event]]:
        """The events that are asked for, each with the time by which the service orders it."""
        most, after = config.num_recent_events, config.after_timestamp
        if most == 0:
            return []
        params = {"orderBy": "timestamp desc"}
        if after is not None:
            params["filter"] = f'timestamp>="{from_micros(round(after * 1e6))}"'
        wires = await self._api.pages(f"{path}/events", "sessionEvents", params, most if after is None else None)
        found = [(to_micros(wire["timestamp"]), from_wire(wire)) for wire in reversed(wires)]
        found = [one for one in found if after is None or one[1].timestamp >= after]
        return found if most is None else found[-most:]

    async def _last(self, path: str, session: Session) -> int:
        """The time of the session's last event, for a session that this service has not handed out whole."""
        if await self._head(path, session.user_id) is None:
            _gone(session)
        found = await self._events(path, GetSessionConfig(num_recent_events=1))
        return found[-1][0] if found else 0

    async def _append(self, path: str, wire: dict[str, Any], micros: int) -> None:
        try:
            await self._api.post(f"{path}:appendEvent", wire)
        except Unsure:
            since = {"filter": f'timestamp>="{from_micros(micros)}"'}
            there = await self._api.pages(f"{path}/events", "sessionEvents", since)
            if not any((one.get("rawEvent") or {}).get("id") == wire["rawEvent"]["id"] for one in there):
                await self._api.post(f"{path}:appendEvent", wire)


def _of(user_id: str | None) -> dict[str, str]:
    """The filter for a user's sessions."""
    if user_id is None:
        return {}
    quoted = user_id.replace("\\", "\\\\").replace('"', '\\"')
    return {"filter": f'user_id="{quoted}"'}


def _id_of(head: dict[str, Any]) -> str:
    return str(head["name"]).rpartition("/")[2]


def _state(head: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = whole(head.get("sessionState") or {})
    return state


def _session(head: dict[str, Any], app_name: str, events: list[Event]) -> Session:
    return Session(
        id=_id_of(head),
        app_name=app_name,
        user_id=head["userId"],
        state=_state(head),
        events=events,
        last_update_time=to_micros(head.get("updateTime") or head["createTime"]) / 1e6,
    )


def _gone(session: Session) -> NoReturn:
    raise SessionNotFoundError(f"Session {session.id} not found.")
