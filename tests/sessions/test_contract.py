"""What every session service does: keys, copies, the reach of state, and the errors of the contract."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from fullduplex.errors import AlreadyExistsError, SessionNotFoundError
from fullduplex.events import Event, EventActions
from fullduplex.sessions import BaseSessionService, GetSessionConfig, Session
from fullduplex.types import Content, Part, Transcription
from fullduplex.types.live import LiveServerSessionResumptionUpdate, UsageMetadata
from tests.sessions.conftest import OURS

Who = dict[str, str]
everywhere = pytest.mark.parametrize("service", [*OURS, "vertex"], indirect=True)
# Where names and times are ours, and not Google's.
in_ours = pytest.mark.parametrize("service", OURS, indirect=True)


def event(**state: object) -> Event:
    return Event(author="user", timestamp=5.0, actions=EventActions(state_delta=dict(state)))


async def loaded(service: BaseSessionService, who: Who, session_id: str) -> Session:
    session = await service.get_session(**who, session_id=session_id)
    assert session is not None
    return session


@everywhere
@pytest.mark.spec(113)
async def test_create_get_list_delete(service: BaseSessionService, who: Who) -> None:
    made = await service.create_session(**who, session_id="s", state={"k": 1})
    assert (made.id, made.app_name, made.user_id, made.state, made.events) == ("s", *who.values(), {"k": 1}, [])
    assert made.last_update_time > 0
    assert await loaded(service, who, "s") == made
    await service.append_event(made, event())
    listed = (await service.list_sessions(**who)).sessions
    assert [(session.id, session.state, session.events) for session in listed] == [("s", {"k": 1}, [])]
    await service.delete_session(**who, session_id="s")
    await service.delete_session(**who, session_id="s")
    assert await service.get_session(**who, session_id="s") is None
    assert (await service.list_sessions(**who)).sessions == []


@in_ours
@pytest.mark.spec(113)
@pytest.mark.parametrize("given", [None, "", "  \t"])
async def test_without_an_id_one_is_made(service: BaseSessionService, who: Who, given: str | None) -> None:
    made = await service.create_session(**who, session_id=given)
    assert str(uuid.UUID(made.id)) == made.id


@in_ours
@pytest.mark.spec(113)
async def test_ids_are_stripped_and_otherwise_any_string(service: BaseSessionService, who: Who) -> None:
    made = await service.create_session(**who, session_id="  s/1 é ")
    assert made.id == "s/1 é"
    assert (await loaded(service, who, " s/1 é")).id == "s/1 é"
    await service.delete_session(**who, session_id="s/1 é ")
    assert await service.get_session(**who, session_id="s/1 é") is None


@in_ours
@pytest.mark.spec(113)
async def test_an_id_is_taken_once_for_each_user_of_each_app(service: BaseSessionService, who: Who) -> None:
    app = who["app_name"]
    await service.create_session(**who, session_id="sid")
    with pytest.raises(AlreadyExistsError, match=r"^Session with id sid already exists\.$") as caught:
        await service.create_session(**who, session_id=" sid ")
    assert caught.value.code == "session_exists"
    await service.create_session(app_name=app, user_id="other", session_id="sid")
    await service.create_session(app_name=f"{app}1", user_id="u", session_id="sid")
    listed = (await service.list_sessions(app_name=app)).sessions
    assert [(session.user_id, session.id) for session in listed] == [("u", "sid"), ("other", "sid")]
    assert len((await service.list_sessions(**who)).sessions) == 1
    assert (await service.list_sessions(app_name=f"{app}2")).sessions == []


@everywhere
@pytest.mark.spec(113)
async def test_what_is_returned_is_a_copy(service: BaseSessionService, who: Who) -> None:
    given = {"k": [1]}
    made = await service.create_session(**who, session_id="s", state=given)
    await service.append_event(made, Event(content=Content(parts=[Part(text="a")])))
    given["k"].append(2)
    made.state["k"].append(3)
    read = await loaded(service, who, "s")
    assert read.state == {"k": [1]}
    assert read.events[0].content is not None
    read.events[0].content.parts = None
    read.events.clear()
    again = await loaded(service, who, "s")
    assert again.events[0].content == Content(parts=[Part(text="a")])


@everywhere
async def test_an_event_is_stored_and_applied_to_the_callers_session(service: BaseSessionService, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    appended = event(k=1)
    assert await service.append_event(session, appended) is appended
    assert (session.state, session.events, session.last_update_time) == ({"k": 1}, [appended], 5.0)
    stored = await loaded(service, who, "s")
    assert (stored.state, stored.events) == ({"k": 1}, [appended])
    assert stored.events[0] is not appended


@everywhere
async def test_a_partial_event_is_returned_and_not_stored(service: BaseSessionService, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    piece = Event(partial=True, actions=EventActions(state_delta={"k": 1}))
    assert await service.append_event(session, piece) is piece
    assert session.events == (await loaded(service, who, "s")).events == []
    assert session.state == {}


@everywhere
async def test_appending_to_a_session_that_is_not_here(service: BaseSessionService, who: Who) -> None:
    with pytest.raises(SessionNotFoundError, match=r"^Session zz not found\.$") as caught:
        await service.append_event(Session(id="zz", **who), event())
    assert isinstance(caught.value, ValueError)
    session = await service.create_session(**who, session_id="s")
    await service.delete_session(**who, session_id="s")
    with pytest.raises(SessionNotFoundError):
        await service.append_event(session, event())


@everywhere
@pytest.mark.spec(114)
async def test_prefixes_say_how_far_state_reaches(service: BaseSessionService, who: Who) -> None:
    app = who["app_name"]
    first = await service.create_session(**who, session_id="1", state={"app:a": 1, "user:b": 2, "c": 3, "temp:d": 4})
    assert first.state == {"app:a": 1, "user:b": 2, "c": 3}
    await service.append_event(first, event(**{"app:a": 10, "user:b": 20, "c": 30, "temp:d": 40}))
    assert first.state == {"app:a": 10, "user:b": 20, "c": 30, "temp:d": 40}
    stored = await loaded(service, who, "1")
    assert stored.state == {"app:a": 10, "user:b": 20, "c": 30}
    assert stored.events[0].actions.state_delta == {"app:a": 10, "user:b": 20, "c": 30}
    assert (await service.create_session(**who, session_id="2")).state == {"app:a": 10, "user:b": 20}
    assert (await service.create_session(app_name=app, user_id="v")).state == {"app:a": 10}
    assert (await service.create_session(app_name=f"{app}1", user_id="u")).state == {}
    assert await service.get_user_state(**who) == {"b": 20}
    assert await service.get_user_state(app_name=app, user_id="nobody") == {}


@everywhere
async def test_sessions_do_not_undo_each_others_changes_of_what_they_share(
    service: BaseSessionService, who: Who
) -> None:
    sessions = [await service.create_session(**who, session_id=f"{n}") for n in range(6)]
    await asyncio.gather(*(service.append_event(one, event(**{f"user:{one.id}": 1, "app:x": 1})) for one in sessions))
    assert await service.get_user_state(**who) == {f"{n}": 1 for n in range(6)}
    assert (await loaded(service, who, "3")).state["app:x"] == 1


@everywhere
async def test_a_session_that_takes_a_deleted_ones_id_is_another(service: BaseSessionService, who: Who) -> None:
    old = await service.create_session(**who, session_id="s", state={"k": 1, "user:k": 2})
    await service.append_event(old, event(l=3))
    await service.delete_session(**who, session_id="s")
    new = await service.create_session(**who, session_id="s")
    assert (new.state, new.events) == ({"user:k": 2}, [])
    assert await loaded(service, who, "s") == new


@everywhere
async def test_appends_to_one_session_keep_their_order(service: BaseSessionService, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    events = [Event(id=f"{n}") for n in range(20)]
    await asyncio.gather(*(service.append_event(session, one) for one in events))
    assert [one.id for one in session.events] == [one.id for one in events]
    assert (await loaded(service, who, "s")).events == events


@in_ours
@pytest.mark.spec(113)
@pytest.mark.parametrize(
    "names",
    [("Ärger's app", 'u"; DROP', "s%20\\"), ("APP", "U ", "S"), ("app", " u", "s"), ("a" * 500, "u" * 500, "🎙" * 500)],
)
async def test_names_are_any_strings(service: BaseSessionService, who: Who, names: tuple[str, str, str]) -> None:
    app, user, session_id = who["app_name"] + names[0], names[1], names[2]
    made = await service.create_session(app_name=app, user_id=user, session_id=session_id)
    await service.append_event(
        made, event(**{"a.key 'é'": ["é\0", {"n": None}, 1.5, 2**60, True], "user:Key": 1, "user:key": 2})
    )
    read = await service.get_session(app_name=app, user_id=user, session_id=session_id)
    assert read == made
    for other in (user.upper() + "x", user.strip() + "y", user.swapcase() + "z"):
        assert await service.get_session(app_name=app, user_id=other, session_id=session_id) is None
    assert (await service.list_sessions(app_name=app)).sessions[0].id == session_id


@everywhere
async def test_an_event_comes_back_as_it_was(service: BaseSessionService, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    rich = Event(
        author="guide",
        invocation_id="e-1",
        branch="root.guide",
        content=Content(
            role="model",
            parts=[
                Part(text="said 🎙", thought=True, thought_signature=b"\0\xff"),
                Part.from_function_call(name="f", args={"a": [1, None]}),
                Part.from_function_response(name="f", response={"r": {"x": "y"}}),
                Part.from_uri(file_uri="artifact://1", mime_type="audio/pcm"),
            ],
        ),
        input_transcription=Transcription(text="heard", finished=True),
        usage_metadata=UsageMetadata(total_token_count=3),
        live_session_resumption_update=LiveServerSessionResumptionUpdate(new_handle="h", resumable=True),
        long_running_tool_ids={"1", "2"},
        custom_metadata={"k": [1]},
        turn_complete=True,
        interrupted=True,
        error_code="x",
        error_message="y",
        output={"any": "thing"},
        actions=EventActions(state_delta={"k": {}}, artifact_delta={"a": 1}, transfer_to_agent="b", escalate=True),
    )
    await service.append_event(session, rich)
    assert (await loaded(service, who, "s")).events == [rich]


@everywhere
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
    service: BaseSessionService, who: Who, config: GetSessionConfig | None, left: list[int]
) -> None:
    session = await service.create_session(**who, session_id="s")
    for second in range(1, 5):
        await service.append_event(session, Event(timestamp=float(second)))
    found = await service.get_session(**who, session_id="s", config=config)
    assert found is not None
    assert [round(one.timestamp) for one in found.events] == left


@everywhere
async def test_a_session_as_json(service: BaseSessionService, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    text = session.model_dump_json(by_alias=True, exclude_none=True)
    assert text.startswith(
        f'{{"id":"s","appName":"{who["app_name"]}","userId":"u","state":{{}},"events":[],"lastUpdate'
    )
    assert Session.model_validate_json(text) == session
