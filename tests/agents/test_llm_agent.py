"""The agent that a model plays: which model, what it is told and which tools it has."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex import Agent, InMemoryRunner, LiveRequestQueue, Runner
from fullduplex.agents.contexts import ReadonlyContext
from fullduplex.agents.llm_agent import DEFAULT_LIVE_MODEL
from fullduplex.errors import InvalidConfig
from fullduplex.live import Engine
from fullduplex.models.base import ConnectRequest
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import FunctionTool, google_search
from fullduplex.types.config import GenerateContentConfig
from tests.live.kit import TURN_COMPLETE, Call, said, settle, text, user, virtual


async def connect(agent: Agent, state: dict[str, Any] | None = None, **engine: Any) -> ConnectRequest:
    """What the model is told when `agent` connects."""
    asked: list[str] = []

    def resolve(name: str) -> ScriptedModel:
        asked.append(name)
        models.append(ScriptedModel(name))
        return models[-1]

    models: list[ScriptedModel] = []
    chosen = agent.canonical_model
    if isinstance(chosen, ScriptedModel):
        models.append(chosen)
    store = InMemorySessionService()
    runner = Runner(app_name="app", agent=agent, session_service=store, engine=Engine(resolve=resolve))
    await store.create_session(app_name="app", user_id="u", session_id="s", state=state)
    queue = LiveRequestQueue()
    async for event in runner.run_live(user_id="u", session_id="s", live_request_queue=queue):
        if event.setup_complete:
            queue.close()
    request = models[-1].connections[-1].request
    assert asked in ([], [request.model])
    return request


@pytest.mark.spec(6)
@virtual
async def test_the_model_is_a_name_an_object_or_that_of_the_agent_above() -> None:
    assert (await connect(Agent(name="named", model="gemini-x"))).model == "gemini-x"
    assert (await connect(Agent(name="made", model=ScriptedModel("mine")))).model == "mine"

    leaf = Agent(name="leaf")
    middle = Agent(name="middle", sub_agents=[leaf])
    Agent(name="root", model="gemini-root", sub_agents=[middle])
    assert (await connect(leaf)).model == "gemini-root"
    assert (await connect(Agent(name="alone"))).model == DEFAULT_LIVE_MODEL

    nearer = Agent(name="nearer")
    Agent(name="top", model="far", sub_agents=[Agent(name="near", model=ScriptedModel("near"), sub_agents=[nearer])])
    assert (await connect(nearer)).model == "near"


@virtual
async def test_the_instruction_comes_before_who_the_agent_is() -> None:
    agent = Agent(name="guide", model=ScriptedModel(), instruction="Be brief.", description="Knows the way.")
    assert (await connect(agent)).system_instruction == (
        'Be brief.\n\nYou are an agent. Your internal name is "guide". The description about you is "Knows the way.".'
    )
    assert (await connect(Agent(name="guide", model=ScriptedModel()))).system_instruction == (
        'You are an agent. Your internal name is "guide".'
    )


@virtual
async def test_variables_are_filled_in_from_the_state() -> None:
    agent = Agent(
        name="guide",
        model=ScriptedModel(),
        instruction=(
            "{name} {app:motto} {user:city} {missing?}|{ spaced }|{none}|{not a name}|{{name}}|${name} \\{name}"
        ),
    )
    state = {"name": "Ada", "app:motto": "go", "user:city": "Oslo", "spaced": 1, "none": None}
    told = (await connect(agent, state)).system_instruction
    assert told.split("\n\n")[0] == "Ada go Oslo |1||{not a name}|Ada|${name} \\{name}"


@pytest.mark.spec(8)
@virtual
async def test_a_variable_that_is_not_there_names_itself_and_the_agent() -> None:
    agent = Agent(name="guide", model=ScriptedModel(), instruction="Hello {name}")
    with pytest.raises(KeyError) as raised:
        await connect(agent)
    assert raised.value.args == ("Context variable not found: `name` in agent 'guide'.",)
    assert agent.model.connections == []


@pytest.mark.spec(9)
@pytest.mark.parametrize("asynchronous", [False, True])
@virtual
async def test_what_a_provider_returns_is_left_as_it_is(asynchronous: bool) -> None:
    seen: list[ReadonlyContext] = []

    def plain(context: ReadonlyContext) -> str:
        seen.append(context)
        return "Braces {stay} {here?} for " + context.state["name"]

    async def waiting(context: ReadonlyContext) -> str:
        return plain(context)

    agent = Agent(name="guide", model=ScriptedModel(), instruction=waiting if asynchronous else plain)
    told = (await connect(agent, {"name": "Ada"})).system_instruction
    assert told.startswith("Braces {stay} {here?} for Ada\n\n")
    (context,) = seen
    assert (context.agent_name, context.user_id, context.session.id) == ("guide", "u", "s")


@virtual
async def test_an_instruction_is_resolved_once_for_the_run() -> None:
    asked = []
    call = await Call.start(instruction=lambda context: f"number {len(asked)} {asked.append(1) or ''}")
    (await call.play(text("x"), TURN_COMPLETE)).lose()
    second = await call.connection(2)
    await call.end()
    assert second.request.system_instruction == call.model.connections[0].request.system_instruction
    assert asked == [1]


@pytest.mark.spec(97)
@virtual
async def test_google_search_is_declared_as_the_backends_own_and_its_grounding_is_shown() -> None:
    def look(city: str) -> str:
        """Looks."""
        return city

    call = await Call.start(tools=[google_search, look])
    grounding = {"webSearchQueries": ["weather"]}
    connection = await call.play(text("Rain."), {"serverContent": {"groundingMetadata": grounding}}, TURN_COMPLETE)
    await call.end()
    searching, functions = connection.request.tools
    assert (searching.google_search, searching.function_declarations) == ({}, None)
    assert [function.name for function in functions.function_declarations] == ["look"]
    assert [event.grounding_metadata for event in call.events if event.grounding_metadata] == [grounding]


def test_functions_and_tools_may_be_mixed() -> None:
    tool = FunctionTool(len)
    first, second = Agent(name="a", tools=[print, tool]).canonical_tools()
    assert (first.name, second) == ("print", tool)


@pytest.mark.spec(13)
@pytest.mark.parametrize(
    "config",
    [
        {"tools": [{}]},
        {"system_instruction": "be"},
        {"response_schema": {"type": "STRING"}},
        {"http_options": {"base_url": "http://x"}},
    ],
)
def test_what_has_a_place_of_its_own_is_not_set_in_generate_content_config(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="generate_content_config"):
        Agent(name="a", generate_content_config=GenerateContentConfig(**config))


@virtual
async def test_generation_settings_reach_the_connection() -> None:
    settings = GenerateContentConfig(temperature=0.3, top_p=0.9, top_k=5, max_output_tokens=100, seed=7)
    config = (await connect(Agent(name="a", model=ScriptedModel(), generate_content_config=settings))).config
    assert (config.temperature, config.top_p, config.top_k) == (0.3, 0.9, 5)
    assert (config.max_output_tokens, config.seed) == (100, 7)


@virtual
async def test_a_model_that_nobody_knows_is_an_error_before_the_first_event() -> None:
    runner = InMemoryRunner(Agent(name="a", model="nobody-knows-this"), app_name="app")
    await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
    with pytest.raises(InvalidConfig) as raised:
        await anext(runner.run_live(user_id="u", session_id="s", live_request_queue=LiveRequestQueue()))
    assert raised.value.code == "unknown_model"


# -- an agent that speaks first -----------------------------------------------------------------------------------


@pytest.mark.spec(188)
@virtual
async def test_the_greeting_is_asked_for_before_anything_else_and_is_nobodys_words() -> None:
    call = await Call.start(greeting="Welcome aboard.")
    call.queue.send_content(user("hi"))
    connection = await call.play(said("Welcome aboard.", True), TURN_COMPLETE)
    await connection.wait_sent(2)
    await call.end()
    (first, asked), (second, typed) = connection.sent
    assert (first, second) == ("content", "content")
    assert "Welcome aboard." in asked.text
    assert typed == user("hi")
    assert not any("Welcome" in line for line in await call.saved_short() if line.startswith("user"))


@pytest.mark.spec(188)
@virtual
async def test_a_greeting_is_not_said_again_after_a_loss_or_in_a_session_that_goes_on() -> None:
    call = await Call.start(greeting="Welcome aboard.")
    connection = await call.play(said("Welcome", True))
    connection.lose()
    second = await call.connection(2)
    await settle()
    await call.end()
    assert not [sent for kind, sent in second.sent if kind == "content"]

    later = await Call.start(runner=call.runner, model=call.model, session=await call.saved())
    third = await later.connection(3)
    await settle()
    await later.end()
    assert not [sent for kind, sent in third.sent if kind == "content"]


@virtual
async def test_without_a_greeting_the_agent_waits() -> None:
    call = await Call.start()
    connection = await call.connection()
    await settle()
    await call.end()
    assert connection.sent == []
