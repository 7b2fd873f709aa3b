"""Artifacts, memory and toolsets, as an agent's run has them."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex import Agent, InMemoryRunner, Runner, types
from fullduplex.errors import MissingVariable
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import BaseTool, BaseToolset, FunctionTool, ToolContext
from tests.live.kit import TURN_COMPLETE, Call, calls, settle, text, user, virtual


def runner_of(**agent: Any) -> tuple[Runner, ScriptedModel]:
    model = ScriptedModel()
    return InMemoryRunner(agent=Agent(name="guide", model=model, **agent), app_name="app"), model


async def started(**agent: Any) -> Call:
    runner, model = runner_of(**agent)
    return await Call.start(runner=runner, model=model)


def answer(call: Call, call_id: str) -> Any:
    responses = [one for event in call.events for one in event.get_function_responses()]
    return next(one.response for one in responses if one.id == call_id)


@pytest.mark.spec(20)
def test_an_in_memory_runner_brings_its_services() -> None:
    runner = InMemoryRunner(agent=Agent(name="guide"))
    assert runner.app_name == "InMemoryRunner"
    assert None not in (runner.session_service, runner.artifact_service, runner.memory_service)


@pytest.mark.spec(90)
@virtual
async def test_tools_save_load_and_list_artifacts() -> None:
    async def note(words: str, tool_context: ToolContext) -> int:
        return await tool_context.save_artifact("note.txt", types.Part(text=words))

    async def read(tool_context: ToolContext) -> list[Any]:
        newest, first = [await tool_context.load_artifact("note.txt", version=version) for version in (None, 0)]
        assert newest is not None
        assert first is not None
        missing = await tool_context.load_artifact("other.txt")
        return [newest.text, first.text, missing, await tool_context.list_artifacts()]

    call = await started(tools=[note, read])
    await settle()
    await call.play(calls(("c1", "note", {"words": "one"})))
    await call.play(calls(("c2", "note", {"words": "two"})))
    await call.play(calls(("c3", "read")), TURN_COMPLETE)
    await call.end()
    assert [answer(call, one) for one in ("c1", "c2")] == [{"result": 0}, {"result": 1}]
    assert answer(call, "c3") == {"result": ["two", "one", None, ["note.txt"]]}
    deltas = [event.actions.artifact_delta for event in call.events if event.actions.artifact_delta]
    assert deltas == [{"note.txt": 0}, {"note.txt": 1}]


@pytest.mark.spec(91)
@virtual
async def test_tools_remember_a_session_and_search_in_later_ones() -> None:
    async def remember(tool_context: ToolContext) -> str:
        await tool_context.add_session_to_memory()
        return "remembered"

    async def recall(query: str, tool_context: ToolContext) -> list[str]:
        found = await tool_context.search_memory(query)
        return [memory.content.text for memory in found.memories]

    first = await started(tools=[remember, recall])
    first.queue.send_content(user("my cat is called Minka"))
    await settle()
    await first.play(text("Nice name."), TURN_COMPLETE, calls(("c1", "remember")))
    await first.end()
    second = await Call.start(runner=first.runner, model=first.model)
    await second.play(calls(("c2", "recall", {"query": "cat"})), number=2)
    await second.end()
    assert answer(second, "c2") == {"result": ["my cat is called Minka"]}


@virtual
async def test_without_services_a_tool_is_told_so_and_the_run_lives() -> None:
    async def note(tool_context: ToolContext) -> int:
        return await tool_context.save_artifact("note.txt", types.Part(text="x"))

    call = await Call.start(tools=[note])
    await settle()
    await call.play(calls(("c1", "note")), text("Sorry."), TURN_COMPLETE)
    assert "end" in await call.end()
    assert "InvalidConfig" in answer(call, "c1")["error"]


@pytest.mark.spec(7)
@virtual
async def test_an_instruction_reads_state_and_artifacts() -> None:
    template = "{city} {mood?}|{app:name}|{user:tone}|{artifact.rules.txt}|{artifact.none?}|{not a name}"
    runner, model = runner_of(instruction=template)
    state = {"city": "Paris", "app:name": "demo", "user:tone": "calm"}
    session = await runner.session_service.create_session(app_name="app", user_id="u", state=state)
    assert runner.artifact_service is not None
    place = {"app_name": "app", "user_id": "u", "session_id": session.id}
    await runner.artifact_service.save_artifact(**place, filename="rules.txt", artifact=types.Part(text="Be brief."))
    call = await Call.start(runner=runner, model=model, session=session)
    connection = await call.connection()
    await call.end()
    told = connection.request.system_instruction
    assert told.startswith("Paris |demo|calm|Be brief.||{not a name}")


@pytest.mark.parametrize("name", ["artifact.none", "nothing"])
@virtual
async def test_what_an_instruction_needs_and_misses_is_named(name: str) -> None:
    call = await started(instruction=f"{{{name}}}")
    with pytest.raises(MissingVariable, match=rf"{name.removeprefix('artifact.')}.*guide"):
        await call.reader


class Toolset(BaseToolset):
    """Brings one tool, or fails; counts what is done with it."""

    def __init__(self, failure: str | None = None) -> None:
        self.failure = failure
        self.closed = 0

    async def get_tools(self, readonly_context: Any = None) -> list[BaseTool]:
        assert readonly_context.agent_name == "guide"
        return [] if self.failure else [FunctionTool(weather)]

    async def close(self) -> None:
        self.closed += 1


def weather(city: str) -> str:
    """Tells the weather."""
    return f"sun in {city}"


@pytest.mark.spec(99)
@virtual
async def test_a_toolset_brings_its_tools_and_one_that_fails_costs_no_more_than_its_own() -> None:
    good, bad = Toolset(), Toolset("the server is away")
    call = await started(tools=[bad, good])
    connection = await call.connection()
    await settle()
    await call.play(calls(("c1", "weather", {"city": "Rome"})), TURN_COMPLETE)
    await call.end()
    (declared,) = [one.name for tool in connection.request.tools for one in tool.function_declarations or []]
    assert declared == "weather"
    assert answer(call, "c1") == {"result": "sun in Rome"}
    told = [event for event in call.events if event.error_code]
    assert [(event.error_code, event.error_message, event.recoverable) for event in told] == [
        ("tools_unavailable", "the server is away", True)
    ]


@virtual
async def test_closing_the_runner_closes_each_toolset_once() -> None:
    shared, own = Toolset(), Toolset()
    helper = Agent(name="helper", tools=[shared])
    agent = Agent(name="guide", tools=[shared, own], sub_agents=[helper])
    async with Runner(app_name="app", agent=agent, session_service=InMemorySessionService()):
        pass
    assert (shared.closed, own.closed) == (1, 1)
