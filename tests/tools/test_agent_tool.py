"""An agent as a tool of another: it answers in writing, to a parent that is live or not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from fullduplex import Agent, InMemoryRunner, RunConfig, Runner, types
from fullduplex.agents import SequentialAgent
from fullduplex.artifacts import InMemoryArtifactService
from fullduplex.errors import InvalidConfig
from fullduplex.models.google_llm import Gemini
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import AgentTool, BaseToolset, ToolContext
from tests.live.kit import TURN_COMPLETE, Call, calls, settle, text, virtual
from tests.text.kit import Chat, ScriptedTextModel, call, told


def expert(*turns: Any, **fields: Any) -> Agent:
    return Agent(name="expert", description="Knows it all.", model=ScriptedTextModel(*turns), **fields)


def result_of(chat: Chat) -> Any:
    [answer] = chat.events[1].get_function_responses()
    return answer.response


@pytest.mark.spec(98)
async def test_the_agents_answer_is_the_tools_result() -> None:
    inner = expert("It is 42.")
    chat = Chat(call("expert", request="what is it?"), "They say 42.", tools=[AgentTool(inner)])
    assert await chat.say() == ["call-expert", "answer-expert", ":They say 42."]
    assert result_of(chat) == {"result": "It is 42."}
    assert told(inner.model) == ["user: what is it?"]  # type: ignore[arg-type]
    [declared] = chat.model.requests[0].tools[0].function_declarations or []
    assert (declared.name, declared.description) == ("expert", "Knows it all.")
    assert (declared.parameters or {})["required"] == ["request"]


@pytest.mark.spec(98)
@virtual
async def test_a_live_agent_asks_it_too() -> None:
    talk = await Call.start(tools=[AgentTool(expert("It is 42."))])
    connection = await talk.play(calls(("c1", "expert", {"request": "what?"})))
    await settle()
    [sent] = [sent for kind, sent in connection.sent if kind == "tool_response"]
    assert sent[0].response == {"result": "It is 42."}
    await talk.play(text("They say 42."), TURN_COMPLETE)
    await talk.end()


async def test_state_goes_in_and_its_changes_come_back() -> None:
    def learn(tool_context: ToolContext) -> None:
        tool_context.state["learned"] = tool_context.state["name"]

    inner = expert(call("learn"), "Known.", instruction="Serve {name}.", tools=[learn], output_key="said")
    chat = Chat(call("expert", request="go"), "Done.", tools=[AgentTool(inner)])
    await chat.say(state_delta={"name": "Ada"})
    assert (await chat.saved()).state == {"name": "Ada", "learned": "Ada", "said": "Known."}
    assert [event.author for event in (await chat.saved()).events] == ["user", "guide", "guide", "guide"]


async def test_its_artifacts_are_those_of_the_session() -> None:
    async def draw(tool_context: ToolContext) -> None:
        await tool_context.save_artifact("plan.txt", types.Part(text="a plan"))

    artifacts = InMemoryArtifactService()
    agent = Agent(
        name="guide",
        model=ScriptedTextModel(call("expert", request="draw"), "Drawn."),
        tools=[AgentTool(expert(call("draw"), "Here.", tools=[draw]))],
    )
    runner = Runner(
        app_name="app",
        agent=agent,
        session_service=InMemorySessionService(),
        artifact_service=artifacts,
        auto_create_session=True,
    )
    chat = Chat(runner=runner)
    await chat.say()
    assert chat.events[1].actions.artifact_delta == {"plan.txt": 0}
    found = await artifacts.load_artifact(app_name="app", user_id="u", session_id="s", filename="plan.txt")
    assert found is not None
    assert found.text == "a plan"


class Question(BaseModel):
    city: str
    days: int = 1


class Forecast(BaseModel):
    sky: str
    degrees: int


async def test_input_and_output_have_the_forms_of_the_agent() -> None:
    inner = expert('{"sky": "clear", "degrees": 7}', input_schema=Question, output_schema=Forecast)
    chat = Chat(call("expert", city="Oslo"), "Clear.", tools=[AgentTool(inner)])
    await chat.say()
    assert told(inner.model) == ['user: {"city":"Oslo","days":1}']  # type: ignore[arg-type]
    assert result_of(chat) == {"sky": "clear", "degrees": 7}


async def test_an_input_of_another_form_is_an_error_for_the_model() -> None:
    chat = Chat(call("expert", days="many"), "Sorry.", tools=[AgentTool(expert(input_schema=Question))])
    await chat.say()
    assert "city" in result_of(chat)["error"]


async def test_a_request_is_needed() -> None:
    chat = Chat(call("expert"), "Sorry.", tools=[AgentTool(expert())])
    await chat.say()
    assert "request" in result_of(chat)["error"]


@pytest.mark.spec(102)
async def test_the_answer_may_be_the_last_word() -> None:
    chat = Chat(call("expert", request="what?"), tools=[AgentTool(expert("42."), skip_summarization=True)])
    assert await chat.say() == ["call-expert", "answer-expert"]
    assert chat.events[-1].is_final_response()


async def test_a_team_can_be_a_tool() -> None:
    team = SequentialAgent(
        name="team",
        sub_agents=[
            Agent(name="first", model=ScriptedTextModel("A draft.")),
            Agent(name="second", model=ScriptedTextModel("Better.")),
        ],
    )
    chat = Chat(call("team", request="write"), "Done.", tools=[AgentTool(team)])
    await chat.say()
    assert result_of(chat) == {"result": "Better."}


async def test_an_agent_that_fails_is_an_answer() -> None:
    chat = Chat(call("expert", request="x"), "Sorry.", tools=[AgentTool(expert(RuntimeError("secret")))])
    await chat.say()
    assert "RuntimeError" in result_of(chat)["error"]
    assert "secret" not in str(result_of(chat))


async def test_its_questions_count_for_the_run() -> None:
    agents = [expert(*["x"] * 5)]
    chat = Chat(*[call("expert", request="x")] * 5, tools=[AgentTool(agents[0])])
    error = await chat.fail(run_config=RunConfig(max_llm_calls=4))
    assert error.code == "max_llm_calls"
    assert len(chat.model.requests) == 2


@pytest.mark.parametrize("included", [True, False])
async def test_plugins_see_it_if_they_are_to(included: bool) -> None:
    seen: list[str] = []

    class Watch(BasePlugin):
        async def before_model_callback(self, *, callback_context: Any, llm_request: Any) -> None:
            seen.append(callback_context.agent_name)

    agent = Agent(
        name="guide",
        model=ScriptedTextModel(call("expert", request="x"), "Done."),
        tools=[AgentTool(expert("Yes."), include_plugins=included)],
    )
    runner = InMemoryRunner(agent=agent, app_name="app", plugins=[Watch("watch")])
    runner.auto_create_session = True
    await Chat(runner=runner).say()
    assert seen == (["guide", "expert", "guide"] if included else ["guide", "guide"])


@pytest.mark.parametrize(
    "model", ["gemini-live-2.5-flash", Gemini(model="gemini-2.5-flash-native-audio-latest"), ScriptedModel()]
)
def test_an_agent_that_can_only_be_talked_with_is_refused(model: Any) -> None:
    with pytest.raises(InvalidConfig, match="agent `expert` cannot be a tool: .* can only be talked with") as caught:
        AgentTool(Agent(name="expert", model=model))
    assert caught.value.code == "live_only_model"


async def test_the_runner_closes_what_its_agents_tools_hold() -> None:
    class Box(BaseToolset):
        closed = 0

        async def get_tools(self, readonly_context: Any = None) -> list[Any]:
            return []

        async def close(self) -> None:
            self.closed += 1

    box = Box()
    async with InMemoryRunner(agent=Agent(name="guide", tools=[AgentTool(expert(tools=[box]))])):
        pass
    assert box.closed == 1
