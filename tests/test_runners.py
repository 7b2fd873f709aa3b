"""The runner's arguments, errors and promises; how its runs end is tested in `tests/live`."""

from __future__ import annotations

import asyncio
import re
import uuid
import zlib
from typing import Any

import pytest

from fullduplex import Agent, Event, InMemoryRunner, LiveRequestQueue, RunConfig, Runner, types
from fullduplex.agents import BaseAgent
from fullduplex.apps import App
from fullduplex.artifacts import InMemoryArtifactService
from fullduplex.errors import SessionNotFoundError
from fullduplex.memory import InMemoryMemoryService
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService, Session
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.testing.scripted_text_model import ScriptedTextModel
from fullduplex.tools import BaseToolset
from fullduplex.types.config import Modality, SessionResumptionConfig
from tests.live.kit import TURN_COMPLETE, Call, calls, clocked, handle, text, user, virtual


def agent(model: Any = None) -> Agent:
    return Agent(name="guide", model=model or ScriptedModel())


async def first_error(runner: Runner, **arguments: Any) -> BaseException:
    """What a run raises before its first event."""
    with pytest.raises(Exception) as raised:  # noqa: PT011  (the caller looks at it)
        await anext(runner.run_live(**arguments))
    return raised.value


def closed() -> LiveRequestQueue:
    queue = LiveRequestQueue()
    queue.close()
    return queue


@pytest.mark.spec(18)
def test_exactly_one_of_app_agent_and_node() -> None:
    store = InMemorySessionService()
    app = App(name="demo", root_agent=agent())
    both = {"app": app, "agent": agent()}, {"agent": agent(), "node": agent()}, {"app": app, "node": agent()}
    for given in ({}, *both):
        with pytest.raises(ValueError, match="exactly one of app, agent and node"):
            Runner(app_name="x", session_service=store, **given)
    with pytest.raises(ValueError, match="app_name is required"):
        Runner(agent=agent(), session_service=store)
    assert Runner(app=app, session_service=store).app_name == "demo"
    mine = agent()
    assert Runner(app_name="x", node=mine, session_service=store).agent is mine


@pytest.mark.spec(19)
async def test_its_end_closes_toolsets_plugins_and_models_once() -> None:
    closed: list[str] = []

    class Box(BaseToolset):
        async def get_tools(self, readonly_context: Any = None) -> list[Any]:
            return []

        async def close(self) -> None:
            closed.append("toolset")

    class Watch(BasePlugin):
        async def close(self) -> None:
            closed.append("plugin")

    class Model(ScriptedTextModel):
        async def close(self) -> None:
            closed.append("model")

    below = Agent(name="below", tools=[Box()])
    root = Agent(name="root", model=Model("Hello."), tools=[Box()], sub_agents=[below])
    async with InMemoryRunner(root, plugins=[Watch("watch")]) as runner:
        runner.auto_create_session = True
        async for _ in runner.run_async(user_id="u", session_id="s", new_message=user("hi")):
            assert closed == []
    assert sorted(closed) == ["model", "plugin", "toolset", "toolset"]


@pytest.mark.spec(20)
def test_in_memory_runner_names_its_app_and_has_its_services() -> None:
    runner = InMemoryRunner(agent())
    assert runner.app_name == "InMemoryRunner"
    assert isinstance(runner.session_service, InMemorySessionService)
    assert isinstance(runner.artifact_service, InMemoryArtifactService)
    assert isinstance(runner.memory_service, InMemoryMemoryService)
    assert InMemoryRunner(app=App(name="demo", root_agent=agent())).app_name == "demo"


@pytest.mark.spec(22)
async def test_a_run_needs_a_queue_and_a_session() -> None:
    runner = InMemoryRunner(agent())
    error = await first_error(runner, user_id="u", session_id="s", live_request_queue=None)
    assert (type(error), str(error)) == (ValueError, "live_request_queue is required for run_live.")
    for given in ({}, {"user_id": "u"}, {"session_id": "s"}):
        error = await first_error(runner, live_request_queue=LiveRequestQueue(), **given)
        assert type(error) is ValueError
        assert str(error) == "Either session or user_id and session_id must be provided."
    error = await first_error(runner, user_id="u", session_id="nowhere", live_request_queue=LiveRequestQueue())
    assert isinstance(error, SessionNotFoundError)
    assert isinstance(error, ValueError)
    assert str(error).startswith("Session not found: nowhere")


@pytest.mark.spec(22)
def test_arguments_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        InMemoryRunner(agent()).run_live("u", "s", LiveRequestQueue())  # type: ignore[misc]


@pytest.mark.spec(23)
@virtual
async def test_a_session_object_may_be_given_with_a_warning() -> None:
    model = ScriptedModel()
    runner = InMemoryRunner(agent(model), app_name="app", engine=clocked())
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    queue = LiveRequestQueue()
    run = runner.run_live(session=session, live_request_queue=queue)
    with pytest.warns(DeprecationWarning, match="session"):
        await anext(run)
    model.connections[0].say(text("Hi"))
    model.connections[0].say(TURN_COMPLETE)
    events = []
    async for event in run:
        events.append(event)
        if event.turn_complete:
            queue.close()
    assert [event.content.text for event in events if event.content] == ["Hi", "Hi"]
    stored = await runner.session_service.get_session(app_name="app", user_id="u", session_id=session.id)
    assert stored is not None
    assert len(stored.events) == 2


@pytest.mark.spec(24)
async def test_a_missing_session_is_created_by_setting() -> None:
    store = InMemorySessionService()
    runner = Runner(app_name="app", agent=agent(), session_service=store, auto_create_session=True)
    async for _ in runner.run_live(user_id="u", session_id="fresh", live_request_queue=closed()):
        pass
    assert await store.get_session(app_name="app", user_id="u", session_id="fresh") is not None


async def test_a_missing_session_that_another_run_creates_at_the_same_moment() -> None:
    class Racing(InMemorySessionService):
        async def create_session(self, **asked: Any) -> Session:
            await super().create_session(**asked)
            return await super().create_session(**asked)

    runner = Runner(app_name="app", agent=agent(), session_service=Racing(), auto_create_session=True)
    async for _ in runner.run_live(user_id="u", session_id="fresh", live_request_queue=closed()):
        pass


@virtual
async def test_a_loop_that_was_left_by_break_does_not_hold_the_session() -> None:
    runner = InMemoryRunner(Agent(name="a", model=ScriptedModel()), app_name="app")
    await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
    for _ in range(3):
        async for event in runner.run_live(user_id="u", session_id="s", live_request_queue=LiveRequestQueue()):
            assert event.setup_complete is not None
            break
    await asyncio.sleep(1)  # the last run, too, is closed by the collector


async def test_settings_may_be_a_mapping() -> None:
    runner = InMemoryRunner(agent(), app_name="app")
    await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
    run = runner.run_live(user_id="u", session_id="s", live_request_queue=closed(), run_config={"max_llm_calls": 7})
    assert [event async for event in run] == []


async def test_a_session_that_was_not_found_can_be_created_and_run_then() -> None:
    runner = InMemoryRunner(agent(), app_name="app")
    assert isinstance(
        await first_error(runner, user_id="u", session_id="s", live_request_queue=closed()), SessionNotFoundError
    )
    await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
    assert [e async for e in runner.run_live(user_id="u", session_id=" s ", live_request_queue=closed())] == []


@pytest.mark.spec(25)
@virtual
async def test_the_callers_settings_are_not_touched() -> None:
    config = RunConfig(session_resumption=SessionResumptionConfig(), custom_metadata={"a": 1})
    before = config.model_dump(), config.model_copy(deep=True)
    call = await Call.start(run_config=config)
    first = await call.play(handle("h"), text("x"), TURN_COMPLETE)
    first.lose()
    second = await call.connection(2)
    await call.end()
    assert second.request.config.session_resumption.handle == "h"
    assert second.request.config.response_modalities == [Modality.AUDIO]
    assert (config.model_dump(), config) == before
    call.events[1].custom_metadata["b"] = 2
    assert config.custom_metadata == {"a": 1}


@pytest.mark.spec(26)
@virtual
async def test_all_events_of_a_run_share_an_invocation_id_and_have_ids_of_their_own() -> None:
    async def look() -> int:
        return 1

    ids = set()
    for _ in range(2):
        call = await Call.start(tools=[look])
        call.queue.send_content(user("hi"))
        await call.play(text("x"), calls(("c1", "look")), text("y"), TURN_COMPLETE)
        await call.end()
        events = [*call.events, *[event for event in (await call.saved()).events if event.author == "user"]]
        (invocation,) = {event.invocation_id for event in events}
        assert re.fullmatch(r"e-[0-9a-f-]{36}", invocation)
        assert str(uuid.UUID(invocation[2:])) == invocation[2:]
        assert len({event.id for event in events}) == len(events)
        ids.add(invocation)
    assert len(ids) == 2


def test_event_ids_are_uuids() -> None:
    ids = [Event.new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in ids)


async def test_an_agent_without_a_live_run_says_so() -> None:
    runner = InMemoryRunner(BaseAgent(name="plain"), app_name="app")
    await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
    error = await first_error(runner, user_id="u", session_id="s", live_request_queue=LiveRequestQueue())
    assert isinstance(error, NotImplementedError)
    assert len(runner._leases) == 0


# -- many at once -----------------------------------------------------------------------------------------------


async def one_of_many(runner: Runner, model: Echo, name: str, turns: int) -> list[str]:
    """A conversation in which each side says its own name; what the app heard."""
    session = await runner.session_service.create_session(app_name="app", user_id=name)
    queue = LiveRequestQueue()
    heard: list[str] = []
    invocations = set()
    queue.send_content(user(f"{name}:0"))
    async for event in runner.run_live(user_id=name, session_id=session.id, live_request_queue=queue):
        invocations.add(event.invocation_id)
        if event.content is not None and not event.partial:
            heard.append(event.content.text)
        if event.turn_complete:
            done = sum(1 for line in heard if line.startswith("echo"))
            if done == turns:
                queue.close()
            else:
                queue.send_content(user(f"{name}:{done}"))
    assert len(invocations) == 1
    return heard


class EchoConnection(ScriptedConnection):
    """Repeats what it is told, in two pieces with a pause between, so that the runs interleave."""

    async def send_content(self, content: types.Content, *, turn_complete: bool = True) -> None:
        await super().send_content(content, turn_complete=turn_complete)
        loop = asyncio.get_running_loop()
        self.say(text("echo "))
        loop.call_later(0.001 * (zlib.crc32(content.text.encode()) % 7), self._answer, content.text)

    def _answer(self, words: str) -> None:
        self.say(text(words))
        self.say(TURN_COMPLETE)


class Echo(ScriptedModel):
    connection_type = EchoConnection


async def crowd(people: int, turns: int) -> None:
    model = Echo()
    runner = Runner(app_name="app", agent=agent(model), session_service=InMemorySessionService(), engine=clocked())
    names = [f"user{number}" for number in range(people)]
    heard = await asyncio.gather(*(one_of_many(runner, model, name, turns) for name in names))
    for name, lines in zip(names, heard, strict=True):
        assert lines == [f"echo {name}:{turn}" for turn in range(turns)]
        (listed,) = (await runner.session_service.list_sessions(app_name="app", user_id=name)).sessions
        session = await runner.session_service.get_session(app_name="app", user_id=name, session_id=listed.id)
        assert session is not None
        said = [event.content.text for event in session.events if event.content is not None]
        assert said == [line for turn in range(turns) for line in (f"{name}:{turn}", f"echo {name}:{turn}")]
    assert len(model.connections) == people
    assert all(connection.closed for connection in model.connections)
    assert len(runner._leases) == 0


@pytest.mark.spec(21)
@virtual
async def test_two_hundred_conversations_on_one_runner_do_not_mix() -> None:
    await crowd(200, turns=5)


@pytest.mark.spec(21)
@virtual
async def test_a_thousand_conversations_on_one_runner_do_not_mix() -> None:
    await crowd(1000, turns=2)
