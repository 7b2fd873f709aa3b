"""`VertexAiSessionService` beyond the contract: whom it asks and as whom, the service's own rules, and its failures.

The other side is a stub that behaves as Google's documentation says (`agent_engine_stub`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from fullduplex.errors import (
    AlreadyExistsError,
    InvalidConfig,
    InvalidInput,
    ModelError,
    SessionNotFoundError,
    StoreUnavailable,
)
from fullduplex.events import Event, EventActions
from fullduplex.sessions import GetSessionConfig, Session, VertexAiSessionService
from fullduplex.types import Content, Part, Transcription
from tests.live.kit import TURN_COMPLETE, Call, audio, said, text, user
from tests.sessions.agent_engine_stub import AgentEngineStub
from tests.test_google_login import FakeCredentials

pytestmark = pytest.mark.spec(124)
Who = dict[str, str]
ENGINE = "projects/p/locations/europe-west1/reasoningEngines/77"


@pytest.fixture
async def service(stub: AgentEngineStub) -> AsyncIterator[VertexAiSessionService]:
    async with VertexAiSessionService(
        "p", "europe-west1", agent_engine_id="77", credentials=FakeCredentials("token")
    ) as vertex:
        yield vertex


@pytest.fixture
def who() -> Who:
    """The name of the app is free when the engine is given."""
    return {"app_name": "my app", "user_id": "ada"}


async def stored(service: VertexAiSessionService, session: Session, **config: Any) -> Session:
    found = await service.get_session(
        app_name=session.app_name, user_id=session.user_id, session_id=session.id, config=GetSessionConfig(**config)
    )
    assert found is not None
    return found


def paths(stub: AgentEngineStub) -> list[str]:
    return [f"{request.method} {request.url.path}" for request in stub.requests]


# -- where, and as whom ---------------------------------------------------------------------------------------------


async def test_the_requests_of_a_conversation(service: VertexAiSessionService, stub: AgentEngineStub, who: Who) -> None:
    session = await service.create_session(**who, session_id="s")
    await service.append_event(session, Event(author="user"))
    await service.delete_session(**who, session_id="s")
    sessions, operation = f"/v1beta1/{ENGINE}/sessions", f"/v1beta1/{ENGINE}/sessions/s/operations"
    assert [path for path in paths(stub) if operation not in path] == [
        f"POST {sessions}",
        f"GET {sessions}/s",
        f"GET {sessions}/s/events",
        f"POST {sessions}/s:appendEvent",
        f"GET {sessions}/s",
        f"DELETE {sessions}/s",
    ]
    assert {request.url.host for request in stub.requests} == {"europe-west1-aiplatform.googleapis.com"}
    assert {request.headers["authorization"] for request in stub.requests} == {"Bearer token"}
    assert {request.headers["x-goog-user-project"] for request in stub.requests} == {"payer"}


async def test_the_environment_says_where(stub: AgentEngineStub, who: Who, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-environment")
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", "http://127.0.0.1:8080/")
    service = VertexAiSessionService(agent_engine_id="5", credentials=FakeCredentials("token"))
    assert await service.get_session(**who, session_id="s") is None
    assert str(stub.requests[0].url) == (
        "http://127.0.0.1:8080/v1beta1/projects/from-environment/locations/us-central1/reasoningEngines/5/sessions/s"
    )


async def test_over_a_real_socket(who: Who, monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"error": {"code": 404, "message": "Session not found."}}'
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", f"http://127.0.0.1:{port}")
        async with VertexAiSessionService("p", agent_engine_id="5", credentials=FakeCredentials("token")) as service:
            assert await service.get_session(**who, session_id="s") is None
    path = b"/v1beta1/projects/p/locations/us-central1/reasoningEngines/5/sessions/s"
    assert heads[0].startswith(b"GET " + path + b" HTTP/1.1\r\n")
    assert b"authorization: Bearer token" in heads[0]


@pytest.mark.parametrize("from_environment", [False, True])
async def test_express_mode_needs_a_key_and_nothing_else(
    stub: AgentEngineStub, who: Who, from_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if from_environment:
        monkeypatch.setenv("GOOGLE_API_KEY", "express-key")
    service = VertexAiSessionService(
        agent_engine_id=ENGINE, express_mode_api_key=None if from_environment else "express-key"
    )
    session = await service.create_session(**who)
    await service.append_event(session, Event(author="user"))
    assert len((await stored(service, session)).events) == 1
    assert str(stub.requests[0].url) == "https://aiplatform.googleapis.com/v1beta1/reasoningEngines/77/sessions"
    with pytest.raises(InvalidConfig, match="express_mode_api_key, or"):
        VertexAiSessionService("p", express_mode_api_key="express-key")


@pytest.mark.parametrize(
    ("app", "engine"), [("123", "projects/p/locations/us-central1/reasoningEngines/123"), (ENGINE,) * 2]
)
async def test_an_app_may_be_named_after_its_engine(stub: AgentEngineStub, app: str, engine: str) -> None:
    service = VertexAiSessionService(project="p", credentials=FakeCredentials("token"))
    session = await service.create_session(app_name=app, user_id="ada")
    assert session.app_name == app
    assert stub.requests[0].url.path == f"/v1beta1/{engine}/sessions"
    location = engine.split("/")[3]
    assert stub.requests[0].url.host == f"{location}-aiplatform.googleapis.com"


async def test_what_is_no_engine_and_what_is_no_project(who: Who, stub: AgentEngineStub) -> None:
    with pytest.raises(InvalidConfig, match="'my app' is no Agent Engine"):
        await VertexAiSessionService("p", credentials=FakeCredentials("token")).create_session(**who)
    with pytest.raises(InvalidConfig, match="needs a project") as caught:
        await VertexAiSessionService(agent_engine_id="1", credentials=FakeCredentials("token")).create_session(**who)
    assert caught.value.code == "no_credentials"
    assert stub.requests == []


async def test_a_token_that_is_refused_and_one_that_is_not_given(
    service: VertexAiSessionService, who: Who, stub: AgentEngineStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.tokens.clear()
    with pytest.raises(StoreUnavailable, match=r"authentication credentials. \(HTTP 401\)") as caught:
        await service.create_session(**who)
    assert caught.value.code == "unauthorized"

    async def fail(timeout: float = 0) -> Any:
        raise ModelError("Google gave none", code="timeout")

    monkeypatch.setattr(service._api._login, "access_token", fail)
    with pytest.raises(StoreUnavailable, match="Google gave none") as caught:
        await service.create_session(**who)
    assert caught.value.code == "timeout"


# -- the service's own rules ----------------------------------------------------------------------------------------


async def test_ids_are_the_services(service: VertexAiSessionService, stub: AgentEngineStub, who: Who) -> None:
    made = await service.create_session(**who)
    assert made.id.isdecimal()
    assert (await service.create_session(**who, session_id=" a-1 ")).id == "a-1"
    before = len(stub.requests)
    for wrong in ("Tea", "a_b", "-a", "a-", "é", "a/b", "x" * 64):
        with pytest.raises(InvalidInput, match="takes no session id") as caught:
            await service.create_session(**who, session_id=wrong)
        assert caught.value.field == "session_id"
        assert await service.get_session(**who, session_id=wrong) is None
        await service.delete_session(**who, session_id=wrong)
    assert len(stub.requests) == before


async def test_a_session_is_its_users_alone(service: VertexAiSessionService, who: Who) -> None:
    await service.create_session(**who, session_id="s")
    other = {**who, "user_id": 'b" OR user_id="ada'}
    with pytest.raises(AlreadyExistsError, match=r"^Session with id s already exists\.$"):
        await service.create_session(**other, session_id="s")
    assert await service.get_session(**other, session_id="s") is None
    await service.delete_session(**other, session_id="s")
    with pytest.raises(SessionNotFoundError):
        await service.append_event(Session(id="s", **other), Event())
    assert (await service.list_sessions(**other)).sessions == []
    mine = await service.get_session(**who, session_id="s")
    assert mine is not None
    assert mine.events == []


async def test_lists_longer_than_a_page(service: VertexAiSessionService, who: Who) -> None:
    sessions = [await service.create_session(**who) for _ in range(8)]
    listed = await service.list_sessions(**who)
    assert [session.id for session in listed.sessions] == [session.id for session in sessions]
    for number in range(8):
        await service.append_event(sessions[0], Event(id=str(number)))
    assert [event.id for event in (await stored(service, sessions[0])).events] == [str(n) for n in range(8)]
    assert [event.id for event in (await stored(service, sessions[0], num_recent_events=5)).events] == list("34567")


async def test_events_keep_their_order_whatever_their_times(service: VertexAiSessionService, who: Who) -> None:
    session = await service.create_session(**who)
    times = [5.0, 5.0, 3.0, 9.0, 1.0]
    for time in times:
        await service.append_event(session, Event(timestamp=time))
    assert [event.timestamp for event in (await stored(service, session)).events] == times
    assert [event.timestamp for event in (await stored(service, session, after_timestamp=4.0)).events] == [5, 5, 9]
    recent = await stored(service, session, after_timestamp=4.0, num_recent_events=2)
    assert [event.timestamp for event in recent.events] == [5, 9]
    again = Session(id=session.id, **who)  # it has not come from the store, and knows nothing of those times
    await service.append_event(again, Event(timestamp=2.0))
    assert [event.timestamp for event in (await stored(service, session)).events] == [*times, 2.0]


async def test_other_readers_find_an_event_in_the_apis_own_fields(
    service: VertexAiSessionService, stub: AgentEngineStub, who: Who
) -> None:
    session = await service.create_session(**who)
    event = Event(
        author="guide",
        invocation_id="e-1",
        timestamp=1.5,
        content=Content(role="model", parts=[Part(text="hello")]),
        output_transcription=Transcription(text="hello", finished=True, language_code="en"),
        long_running_tool_ids={"b", "a"},
        interrupted=True,
        branch="root.guide",
        error_code="x",
        actions=EventActions(state_delta={"k": 1, "temp:t": 2}, transfer_to_agent="other", escalate=True),
    )
    await service.append_event(session, event)
    [wire] = stub._events[(ENGINE, session.id)]
    assert {key: value for key, value in wire.items() if key not in ("name", "rawEvent")} == {
        "author": "guide",
        "invocationId": "e-1",
        "timestamp": "1970-01-01T00:00:01.500000Z",
        "content": {"role": "model", "parts": [{"text": "hello"}]},
        "actions": {"stateDelta": {"k": 1.0}, "transferAgent": "other", "escalate": True},
        "errorCode": "x",
        "eventMetadata": {
            "interrupted": True,
            "branch": "root.guide",
            "longRunningToolIds": ["a", "b"],
            "outputTranscription": {"text": "hello", "finished": True},
        },
    }
    assert (await stored(service, session)).state == {"k": 1}


@pytest.mark.parametrize("raw", [None, {"content": "of another shape"}])
async def test_what_other_programs_wrote_is_read(
    service: VertexAiSessionService, stub: AgentEngineStub, who: Who, raw: Any
) -> None:
    session = await service.create_session(**who)
    wire = {
        "name": f"{ENGINE}/sessions/{session.id}/events/42",
        "author": "guide",
        "invocationId": "e-1",
        "timestamp": "2026-01-01T00:00:00.123456789Z",
        "content": {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"n": 3.0}}}]},
        "actions": {"stateDelta": {"k": 1.0}, "artifactDelta": {"a": 2}, "transferAgent": "other"},
        "eventMetadata": {"turnComplete": True, "longRunningToolIds": ["a"], "inputTranscription": {"text": "hi"}},
        **({"rawEvent": raw} if raw else {}),
    }
    stub._events[(ENGINE, session.id)].append(wire)
    [event] = (await stored(service, session)).events
    assert event == Event(
        id="42",
        author="guide",
        invocation_id="e-1",
        timestamp=1767225600.123456,
        content=Content(role="model", parts=[Part.from_function_call(name="f", args={"n": 3})]),
        turn_complete=True,
        long_running_tool_ids={"a"},
        input_transcription=Transcription(text="hi"),
        actions=EventActions(state_delta={"k": 1}, artifact_delta={"a": 2}, transfer_to_agent="other"),
    )


# -- failures -------------------------------------------------------------------------------------------------------


def raising(error: type[httpx.TransportError]) -> Callable[[], Any]:
    def fail() -> None:
        raise error("the network is gone")

    return fail


def answering(status: int) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, json={"error": {"message": "not now"}})


@pytest.mark.parametrize(
    "fault", [raising(httpx.ConnectError), raising(httpx.ReadError), answering(429), answering(503)]
)
async def test_an_event_that_was_not_taken_is_sent_again(
    service: VertexAiSessionService, stub: AgentEngineStub, who: Who, fault: Callable[[], Any]
) -> None:
    session = await service.create_session(**who)
    stub.before = [fault]
    await service.append_event(session, Event(id="1"))
    await service.append_event(session, Event(id="2"))
    assert [event.id for event in (await stored(service, session)).events] == ["1", "2"]


async def test_an_event_whose_answer_was_lost_is_not_sent_again(
    service: VertexAiSessionService, stub: AgentEngineStub, who: Who
) -> None:
    session = await service.create_session(**who)
    stub.after = [raising(httpx.ReadTimeout)]
    await service.append_event(session, Event(id="1"))
    assert [event.id for event in (await stored(service, session)).events] == ["1"]


async def test_a_question_is_asked_again(service: VertexAiSessionService, stub: AgentEngineStub, who: Who) -> None:
    session = await service.create_session(**who)
    stub.before = [answering(500), raising(httpx.ReadTimeout), answering(429)]
    assert await service.get_session(**who, session_id=session.id) == session


async def test_a_service_that_stays_away(service: VertexAiSessionService, stub: AgentEngineStub, who: Who) -> None:
    session = await service.create_session(**who)
    for fault, message in ((answering(429), "not now"), (raising(httpx.ConnectError), "cannot be reached")):
        stub.before = [fault] * 20
        with pytest.raises(StoreUnavailable, match=message):
            await service.append_event(session, Event())
        with pytest.raises(StoreUnavailable, match=message):
            await service.get_session(**who, session_id=session.id)
    stub.before = [answering(500)]
    with pytest.raises(StoreUnavailable, match=r"not now \(HTTP 500\)"):
        await service.create_session(**who)  # whether it was made is not known: it is not made twice
    assert session.events == []


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (
            {"name": "operations/1", "done": True, "error": {"code": 6, "message": "taken"}},
            AlreadyExistsError,
            "exists",
        ),
        ({"name": "operations/1", "done": True, "error": {"code": 8, "message": "full"}}, StoreUnavailable, "full"),
        ({"name": "projects/p/operations/1"}, StoreUnavailable, "does not come to an end"),
    ],
)
async def test_an_operation_that_fails_and_one_that_does_not_end(
    service: VertexAiSessionService,
    stub: AgentEngineStub,
    who: Who,
    operation: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    stub.before = [lambda: httpx.Response(200, json=operation)] * 20
    with pytest.raises(error, match=message):
        await service.create_session(**who, session_id="s")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"[{}]", b"\xff"])
async def test_an_answer_that_is_none(
    service: VertexAiSessionService, stub: AgentEngineStub, who: Who, answer: bytes
) -> None:
    stub.before = [lambda: httpx.Response(200, content=answer)] * 20
    with pytest.raises(StoreUnavailable):
        await service.get_session(**who, session_id="s")


# -- a live run over it ---------------------------------------------------------------------------------------------


async def test_a_run_and_the_next_one_that_knows_of_it(stub: AgentEngineStub) -> None:
    async with VertexAiSessionService("p", agent_engine_id="77", credentials=FakeCredentials("token")) as service:
        first = await Call.start(store=service)
        connection = await first.connection()
        first.queue.send_content(user("I am Ada"))
        await connection.wait_sent(1)
        for message in (audio(), said("Hello Ada.", True), text("Hello"), TURN_COMPLETE):
            connection.say(message)
        await first.until(lambda event: event.turn_complete)
        await first.end()
        second = await Call.start(store=service, session=await first.saved())
        told = (await second.connection()).request.history
        await second.end()
    assert (told[0].role, told[0].text) == ("user", "I am Ada")
    assert "Hello" in "".join(content.text or "" for content in told)
    assert not any("inlineData" in str(event) for events in stub._events.values() for event in events)
