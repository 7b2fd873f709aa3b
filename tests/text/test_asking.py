"""Callbacks and plugins around the model, the agent and the run, in writing."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex import Agent, RunConfig, Runner, types
from fullduplex.agents import SequentialAgent
from fullduplex.agents.callback_context import CallbackContext
from fullduplex.errors import ModelError, PluginError
from fullduplex.events import Event
from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService
from tests.text.kit import SSE, Chat, ScriptedTextModel, call


def says(words: str) -> LlmResponse:
    return LlmResponse(content=types.Content(role="model", parts=[types.Part(text=words)]))


# -- the agent's callbacks --------------------------------------------------------------------------------------------


async def test_an_answer_before_the_model_takes_its_place() -> None:
    async def before(callback_context: CallbackContext, llm_request: LlmRequest) -> LlmResponse | None:
        callback_context.state["asked"] = llm_request.contents[-1].text
        return says("Not today.") if "bomb" in llm_request.contents[-1].text else None

    chat = Chat("Hello.", before_model_callback=before)
    assert await chat.say("a bomb") == [":Not today. state{'asked': 'a bomb'}"]
    assert await chat.say("hello") == [":Hello. state{'asked': 'hello'}"]
    assert len(chat.model.requests) == 1


async def test_the_request_may_be_changed() -> None:
    def before(callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        assert "Be kind." in str(llm_request.config.system_instruction)
        llm_request.config.system_instruction = types.Content(parts=[types.Part(text="Be brief.")])
        llm_request.contents = llm_request.contents[-1:]

    chat = Chat("One.", "Two.", instruction="Be kind.", before_model_callback=[lambda *_: None, before])
    await chat.say("first")
    await chat.say("second")
    assert chat.asked() == ["user: second"]
    assert chat.model.requests[1].system_instruction == "Be brief."


async def test_an_answer_may_be_changed() -> None:
    def after(callback_context: CallbackContext, llm_response: LlmResponse) -> LlmResponse | None:
        return None if llm_response.partial else says(llm_response.content.text.upper())

    chat = Chat("Hello there.", after_model_callback=after)
    assert await chat.say(run_config=SSE) == ["P:Hello", "P: there.", ":HELLO THERE."]
    assert await chat.saved_short() == ["user/:hello", ":HELLO THERE."]


async def test_a_failure_of_the_model_may_be_answered() -> None:
    def on_error(callback_context: CallbackContext, llm_request: LlmRequest, error: Exception) -> LlmResponse:
        return says(f"Sorry: {error}")

    chat = Chat(ModelError("busy"), on_model_error_callback=on_error)
    assert await chat.say() == [":Sorry: busy"]


async def test_callbacks_around_the_agent_are_kept_once() -> None:
    def before(callback_context: CallbackContext) -> None:
        callback_context.state["met"] = True

    def after(callback_context: CallbackContext) -> types.Content:
        return types.Content(parts=[types.Part(text="Bye.")])

    chat = Chat("Hello.", before_agent_callback=before, after_agent_callback=after)
    expected = ["state{'met': True}", ":Hello.", ":Bye."]
    assert await chat.say() == expected
    assert await chat.saved_short() == ["user/:hello", *expected]


async def test_content_before_an_agent_takes_the_place_of_its_part_alone() -> None:
    closed = Agent(
        name="closed",
        model=ScriptedTextModel(),
        before_agent_callback=lambda _: types.Content(parts=[types.Part(text="Closed.")]),
    )
    steps = SequentialAgent(name="steps", sub_agents=[closed, Agent(name="open_", model=ScriptedTextModel("Open."))])
    assert await Chat(agent=steps).say() == ["closed/:Closed.", "open_/:Open."]


# -- plugins ----------------------------------------------------------------------------------------------------------


class Trace(BasePlugin):
    """Notes the hooks that are called; `answers` holds what some of them return."""

    def __init__(self, **answers: Any) -> None:
        super().__init__("trace")
        self.calls: list[str] = []
        self.answers = answers


def _traced(hook: str) -> Any:
    async def traced(self: Trace, **arguments: Any) -> Any:
        self.calls.append(hook)
        answer = self.answers.get(hook)
        if isinstance(answer, Exception):
            raise answer
        return answer(**arguments) if callable(answer) else answer

    return traced


HOOKS = [name for name in vars(BasePlugin) if name.startswith(("on_", "before_", "after_"))]
for _hook in HOOKS:
    setattr(Trace, _hook, _traced(f"{_hook}"))


def chat_with(plugin: BasePlugin, *turns: Any, **fields: Any) -> Chat:
    model = ScriptedTextModel(*turns)
    runner = Runner(
        app_name="app",
        agent=Agent(name="guide", model=model, **fields),
        session_service=InMemorySessionService(),
        plugins=[plugin],
        auto_create_session=True,
    )
    chat = Chat(runner=runner)
    chat.model = model
    return chat


async def look() -> str:
    return "clear"


async def test_all_hooks_of_a_run_in_order() -> None:
    trace = Trace()
    await chat_with(trace, call("look"), "Clear.", tools=[look]).say()
    called = [name.removesuffix("_callback") for name in trace.calls if "agent" not in name]
    assert called == [
        "on_user_message",
        "before_run",
        "before_model",
        "after_model",
        "on_event",
        "before_tool",
        "after_tool",
        "on_event",
        "before_model",
        "after_model",
        "on_event",
        "after_run",
    ]


async def test_a_plugin_rewrites_what_the_user_said() -> None:
    chat = chat_with(
        Trace(on_user_message_callback=types.Content(role="user", parts=[types.Part(text="Translated.")])), "Yes."
    )
    await chat.say("übersetzt")
    assert chat.asked() == ["user: Translated."]
    assert (await chat.saved_short())[0] == "user/:Translated."


async def test_a_plugin_answers_in_place_of_the_run() -> None:
    trace = Trace(before_run_callback=types.Content(role="model", parts=[types.Part(text="Closed.")]))
    chat = chat_with(trace)
    assert await chat.say() == ["model/:Closed."]
    assert await chat.saved_short() == ["user/:hello", "model/:Closed."]
    assert trace.calls[-1] == "after_run_callback"


async def test_a_plugin_changes_events_before_they_are_kept_and_shown() -> None:
    def change(invocation_context: Any, event: Event) -> Event:
        return event.model_copy(update={"content": types.Content(role="model", parts=[types.Part(text="***")])})

    chat = chat_with(Trace(on_event_callback=change), "Secret.")
    assert await chat.say() == [":***"]
    assert await chat.saved_short() == ["user/:hello", ":***"]


async def test_a_plugin_stands_before_the_agents_callbacks() -> None:
    chat = chat_with(Trace(before_model_callback=says("Mine.")), before_model_callback=lambda **_: says("Never said."))
    assert await chat.say() == [":Mine."]


async def test_plugins_answer_a_models_failure_and_hear_of_a_runs() -> None:
    trace = Trace(on_model_error_callback=lambda **_: says("Later."))
    assert await chat_with(trace, ModelError("busy")).say() == [":Later."]
    trace = Trace()
    await chat_with(trace, ModelError("busy")).fail()
    assert "on_run_error_callback" in trace.calls
    assert "after_run_callback" not in trace.calls


async def test_a_plugin_that_fails_ends_the_run() -> None:
    chat = chat_with(Trace(before_model_callback=RuntimeError("bug")), "never")
    with pytest.raises(PluginError, match="before_model_callback"):
        await chat.say()
    assert chat.events[-1].error_code == "plugin_failed"


async def test_what_a_callback_says_carries_the_runs_metadata() -> None:
    chat = Chat("Hi.", after_agent_callback=lambda _: types.Content(parts=[types.Part(text="Bye.")]))
    await chat.say(run_config=RunConfig(custom_metadata={"trace": 1}))
    assert [event.custom_metadata for event in (await chat.saved()).events] == [{"trace": 1}] * 3
