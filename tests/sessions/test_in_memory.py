"""The in-memory store: keys, copies, the reach of state, and the errors of the contract."""

from __future__ import annotations

import uuid

import pytest

from fullduplex.errors import AlreadyExistsError, SessionNotFoundError
from fullduplex.events import Event, EventActions
from fullduplex.sessions import GetSessionConfig, InMemorySessionService, Session
from fullduplex.types import Content, Part

WHO = {"app_name": "app", "user_id": "u"}


@pytest.fixture
def service() -> InMemorySessionService:
    return InMemorySessionService()


def event(**state: object) -> Event:
    return Event(author="user", timestamp=5.0, actions=EventActions(state_delta=dict(state)))


async def loaded(service: InMemorySessionService, session_id: str, **who: str) -> Session:
    session = await service.get_session(**{**WHO, **who}, session_id=session_id)
    assert session is not None
    return session


@pytest.mark.spec(113)
async def test_create_get_list_delete(service: InMemorySessionService) -> None:
    made = await service.create_session(**WHO, session_id="s", state={"k": 1})
    assert (made.id, made.app_name, made.user_id, made.state, made.events) == ("s", "app", "u", {"k": 1}, [])
    assert made.last_update_time > 0
    assert await loaded(service, "s") == made
    await service.append_event(made, event())
    listed = (await service.list_sessions(**WHO)).sessions
    assert [(session.id, session.state, session.events) for session in listed] == [("s", {"k": 1}, [])]
    await service.delete_session(**WHO, session_id="s")
    await service.delete_session(**WHO, session_id="s")
    assert await service.get_session(**WHO, session_id="s") is None
    assert (await service.list_sessions(**WHO)).sessions == []


@pytest.mark.spec(113)
@pytest.mark.parametrize("given", [None, "", "  \t"])
async def test_without_an_id_one_is_made(service: InMemorySessionService, given: str | None) -> None:
    made = await service.create_session(**WHO, session_id=given)
    assert str(uuid.UUID(made.id)) == made.id


@pytest.mark.spec(113)
async def test_ids_are_stripped_and_otherwise_any_string(service: InMemorySessionService) -> None:
    made = await service.create_session(**WHO, session_id="  s/1 é ")
    assert made.id == "s/1 é"
    assert (await loaded(service, " s/1 é")).id == "s/1 é"
    await service.delete_session(**WHO, session_id="s/1 é ")
    assert await service.get_session(**WHO, session_id="s/1 é") is None


@pytest.mark.spec(113)
async def test_an_id_is_taken_once_for_each_user_of_each_app(service: InMemorySessionService) -> None:
    await service.create_session(**WHO, session_id="sid")
    with pytest.raises(AlreadyExistsError, match=r"^Session with id sid already exists\.$") as caught:
        await service.create_session(**WHO, session_id=" sid ")
    assert caught.value.code == "session_exists"
    await service.create_session(app_name="app", user_id="other", session_id="sid")
    await service.create_session(app_name="other", user_id="u", session_id="sid")
    assert len((await service.list_sessions(app_name="app")).sessions) == 2
    assert len((await service.list_sessions(app_name="app", user_id="u")).sessions) == 1
    assert (await service.list_sessions(app_name="none")).sessions == []


@pytest.mark.spec(113)
async def test_what_is_returned_is_a_copy(service: InMemorySessionService) -> None:
    given = {"k": [1]}
    made = await service.create_session(**WHO, session_id="s", state=given)
    await service.append_event(made, Event(content=Content(parts=[Part(text="a")])))
    given["k"].append(2)
    made.state["k"].append(3)
    read = await loaded(service, "s")
    assert read.state == {"k": [1]}
    assert read.events[0].content is not None
    read.events[0].content.parts = None
    read.events.clear()
    again = await loaded(service, "s")
    assert again.events[0].content == Content(parts=[Part(text="a")])


async def test_an_event_is_stored_and_applied_to_the_callers_session(service: InMemorySessionService) -> None:
    session = await service.create_session(**WHO, session_id="s")
    appended = event(k=1)
    assert await service.append_event(session, appended) is appended
    assert (session.state, session.events, session.last_update_time) == ({"k": 1}, [appended], 5.0)
    stored = await loaded(service, "s")
    assert (stored.state, stored.events, stored.last_update_time) == ({"k": 1}, [appended], 5.0)
    assert stored.events[0] is not appended


async def test_a_partial_event_is_returned_and_not_stored(service: InMemorySessionService) -> None:
    session = await service.create_session(**WHO, session_id="s")
    piece = Event(partial=True, actions=EventActions(state_delta={"k": 1}))
    assert await service.append_event(session, piece) is piece
    assert session.events == (await loaded(service, "s")).events == []
    assert session.state == {}


async def test_appending_to_a_session_that_is_not_here(service: InMemorySessionService) -> None:
    with pytest.raises(SessionNotFoundError, match=r"^Session zz not found\.$") as caught:
        await service.append_event(Session(id="zz", app_name="app", user_id="u"), event())
    assert isinstance(caught.value, ValueError)
    session = await service.create_session(**WHO, session_id="s")
    await service.delete_session(**WHO, session_id="s")
    with pytest.raises(SessionNotFoundError):
        await service.append_event(session, event())


async def test_prefixes_say_how_far_state_reaches(service: InMemorySessionService) -> None:
    first = await service.create_session(**WHO, session_id="1", state={"app:a": 1, "user:b": 2, "c": 3, "temp:d": 4})
    assert first.state == {"app:a": 1, "user:b": 2, "c": 3}
    await service.append_event(first, event(**{"app:a": 10, "user:b": 20, "c": 30, "temp:d": 40}))
    assert first.state == {"app:a": 10, "user:b": 20, "c": 30, "temp:d": 40}
    stored = await loaded(service, "1")
    assert stored.state == {"app:a": 10, "user:b": 20, "c": 30}
    assert stored.events[0].actions.state_delta == {"app:a": 10, "user:b": 20, "c": 30}
    assert (await service.create_session(**WHO, session_id="2")).state == {"app:a": 10, "user:b": 20}
    assert (await service.create_session(app_name="app", user_id="v")).state == {"app:a": 10}
    assert (await service.create_session(app_name="b", user_id="u")).state == {}
    assert await service.get_user_state(**WHO) == {"b": 20}
    assert await service.get_user_state(app_name="app", user_id="nobody") == {}


@pytest.mark.spec(120)
@pytest.mark.parametrize(
    ("config", "left"),
    [
        (None, [1, 2, 3, 4]),
        (GetSessionConfig(), [1, 2, 3, 4]),
        (GetSessionConfig(num_recent_events=2), [3, 4]),
        (GetSessionConfig(num_recent_events=0), []),
        (GetSessionConfig(num_recent_events=9), [1, 2, 3, 4]),
        (GetSessionConfig(after_timestamp=3.0), [3, 4]),
        (GetSessionConfig(after_timestamp=2.0, num_recent_events=1), [4]),
        (GetSessionConfig(after_timestamp=9.0), []),
    ],
)
async def test_some_of_the_events(
    service: InMemorySessionService, config: GetSessionConfig | None, left: list[int]
) -> None:
    session = await service.create_session(**WHO, session_id="s")
    for second in range(1, 5):
        await service.append_event(session, Event(timestamp=float(second)))
    found = await service.get_session(**WHO, session_id="s", config=config)
    assert found is not None
    assert [round(one.timestamp) for one in found.events] == left


async def test_a_session_as_json(service: InMemorySessionService) -> None:
    session = await service.create_session(**WHO, session_id="s")
    text = session.model_dump_json(by_alias=True, exclude_none=True)
    assert text.startswith('{"id":"s","appName":"app","userId":"u","state":{},"events":[],"lastUpdateTime":')
    assert Session.model_validate_json(text) == session
