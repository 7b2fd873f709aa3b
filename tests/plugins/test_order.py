"""In which order everything around one live run is asked: plugins before callbacks, each at its place."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex import Agent, Runner, types
from fullduplex.events import Event
from fullduplex.models import LlmRequest, LlmResponse
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools.base import BaseTool
from tests.live.kit import TURN_COMPLETE, Call, calls, clocked, short, text, user, virtual

HOOKS = [name for name in vars(BasePlugin) if name.endswith("_callback")]


def tracer(name: str, trace: list[str], answers: dict[str, Any] | None = None) -> BasePlugin:
    """A plugin that writes every one of its hooks into `trace`, and answers some."""

    def hook(hook_name: str) -> Any:
        async def write(self: BasePlugin, **arguments: Any) -> Any:
            event = arguments.get("event")
            if event is None:
                trace.append(f"{name} {hook_name.removesuffix('_callback')}")
            elif event.setup_complete is None:
                trace.append(f"{name} {short(event)}")
            return (answers or {}).get(hook_name)

        return write

    kind = type("Tracer", (BasePlugin,), {hook_name: hook(hook_name) for hook_name in HOOKS})
    plugin = kind(name)
    assert isinstance(plugin, BasePlugin)
    return plugin


def traced_agent(trace: list[str], model: ScriptedModel, **fields: Any) -> Agent:
    def callback(name: str) -> Any:
        return lambda **arguments: trace.append(f"agent {name}")

    def look() -> str:
        """Looks."""
        trace.append("the tool")
        return "sunny"

    names = ["before_agent", "after_agent", "before_model", "after_model", "before_tool", "after_tool"]
    callbacks = {f"{name}_callback": callback(name) for name in names}
    return Agent(name="guide", model=model, tools=[look], **{**callbacks, **fields})


async def call_of(agent: Agent, model: ScriptedModel, *plugins: BasePlugin) -> Call:
    runner = Runner(
        app_name="app",
        agent=agent,
        session_service=InMemorySessionService(),
        plugins=list(plugins),
        engine=clocked(),
    )
    return await Call.start(model=model, runner=runner)


@pytest.mark.spec(88)
@virtual
async def test_plugins_and_callbacks_are_asked_in_order() -> None:
    trace: list[str] = []
    model = ScriptedModel()
    call = await call_of(traced_agent(trace, model), model, tracer("first", trace), tracer("second", trace))
    connection = await call.connection()
    call.queue.send_content(user("How is the weather?"))
    await connection.wait_sent(1)
    await call.play(calls(("c1", "look")), text("Sunny."), TURN_COMPLETE)
    await call.end()
    assert trace == [
        *("first before_run", "second before_run"),
        *("first before_agent", "second before_agent", "agent before_agent"),
        *("first on_user_message", "second on_user_message"),
        *("first before_model", "second before_model", "agent before_model"),
        *("first call-c1", "second call-c1"),
        *("first before_tool", "second before_tool", "agent before_tool"),
        "the tool",
        *("first after_tool", "second after_tool", "agent after_tool"),
        *("first answer-c1", "second answer-c1"),
        *("first P:Sunny.", "second P:Sunny."),
        *("first after_model", "second after_model", "agent after_model"),
        *("first M:Sunny.", "second M:Sunny.", "first end", "second end"),
        *("first after_model", "second after_model", "agent after_model"),
        *("first after_agent", "second after_agent", "agent after_agent"),
        *("first after_run", "second after_run"),
    ]


@pytest.mark.spec(88)
@virtual
async def test_the_first_that_answers_has_the_last_word() -> None:
    trace: list[str] = []
    model = ScriptedModel()
    known = tracer(
        "known", trace, {"before_tool_callback": {"result": "rain"}, "after_tool_callback": {"result": "hail"}}
    )
    call = await call_of(traced_agent(trace, model), model, known, tracer("later", trace))
    connection = await call.connection()
    await call.play(calls(("c1", "look")), text("Hail."), TURN_COMPLETE)
    await call.end()
    of_tools = [line for line in trace if "tool" in line]
    assert of_tools == ["known before_tool", "known after_tool"]
    ((_, (response,)),) = [sent for sent in connection.sent if sent[0] == "tool_response"]
    assert response.response == {"result": "hail"}


@pytest.mark.spec(88)
@virtual
async def test_an_error_of_a_tool_is_answered_by_a_plugin_before_the_agent() -> None:
    class Medic(BasePlugin):
        async def on_tool_error_callback(
            self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: Any, error: Exception
        ) -> dict[str, Any] | None:
            return {"result": f"{tool.name}: {error}"}

    def fail() -> str:
        """Fails."""
        raise RuntimeError("no signal")

    def never(**arguments: Any) -> None:
        raise AssertionError("the plugin has answered")

    model = ScriptedModel()
    agent = Agent(name="guide", model=model, tools=[fail], on_tool_error_callback=never)
    call = await call_of(agent, model, Medic("medic"))
    connection = await call.connection()
    await call.play(calls(("c1", "fail")), TURN_COMPLETE)
    await call.end()
    ((_, (response,)),) = connection.sent
    assert response.response == {"result": "fail: no signal"}


@virtual
async def test_agents_without_callbacks_are_asked_for_by_plugins_alone() -> None:
    class Polite(BasePlugin):
        async def before_model_callback(self, *, callback_context: Any, llm_request: LlmRequest) -> LlmResponse | None:
            return LlmResponse(content=types.Content(parts=[types.Part(text=f"No, {callback_context.agent_name}.")]))

        async def on_event_callback(self, *, invocation_context: Any, event: Event) -> Event | None:
            return event.model_copy(update={"custom_metadata": {"polite": True}}) if event.turn_complete else None

    model = ScriptedModel()
    call = await call_of(Agent(name="guide", model=model), model, Polite("polite"))
    await call.connection()
    call.queue.send_content(user("Hello"))
    event = await call.until(lambda event: event.turn_complete)
    assert (short(event), event.custom_metadata) == (":No, guide. end", {"polite": True})
    await call.end()
    assert [kept.custom_metadata for kept in (await call.saved()).events if kept.turn_complete] == [{"polite": True}]
