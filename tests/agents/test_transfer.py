"""Which agents an agent can hand the conversation to, and what its model is told of them."""

from __future__ import annotations

import logging

import pytest
from pydantic import BaseModel

from fullduplex import Agent
from fullduplex.agents import BaseAgent, LoopAgent, ParallelAgent, SequentialAgent
from fullduplex.models.base import ConnectRequest
from fullduplex.testing.scripted_model import ScriptedModel
from tests.agents.test_llm_agent import connect
from tests.live.kit import TURN_COMPLETE, Call, text, virtual


def family(**child: object) -> tuple[Agent, Agent]:
    """A root with three agents below it, of which the first has `child`'s fields and one of its own."""
    below = Agent(name="below", description="Digs deeper.")
    first = Agent(name="first", description="Knows bills.", sub_agents=[below], **child)
    second = Agent(name="second", description="Knows the weather.")
    worker = Agent(name="worker", mode="task")
    root = Agent(name="root", model=ScriptedModel(), sub_agents=[first, second, worker])
    return root, first


def names(agents: list[BaseAgent]) -> list[str]:
    return [agent.name for agent in agents]


def declared(request: ConnectRequest) -> list[str | None]:
    return [function.name for tool in request.tools for function in tool.function_declarations or ()]


def test_targets_are_below_above_and_beside() -> None:
    root, first = family()
    assert names(root.transfer_targets) == ["first", "second"]
    assert names(first.transfer_targets) == ["below", "root", "second"]


@pytest.mark.spec(12)
@virtual
async def test_the_disallow_flags_take_targets_away_and_with_the_last_one_the_tool() -> None:
    _, first = family(disallow_transfer_to_parent=True)
    assert names(first.transfer_targets) == ["below", "second"]
    _, first = family(disallow_transfer_to_peers=True)
    assert names(first.transfer_targets) == ["below", "root"]
    leaf = Agent(name="leaf", disallow_transfer_to_parent=True, disallow_transfer_to_peers=True)
    Agent(name="top", model=ScriptedModel(), sub_agents=[leaf, Agent(name="other")])
    assert leaf.transfer_targets == []
    request = await connect(leaf)
    assert declared(request) == []
    assert "transfer_to_agent" not in request.system_instruction


def test_above_a_workflow_there_is_nobody_to_go_back_to() -> None:
    child = Agent(name="child", sub_agents=[Agent(name="helper")])
    SequentialAgent(name="steps", sub_agents=[child, Agent(name="next")])
    assert names(child.transfer_targets) == ["helper"]


@pytest.mark.spec(11)
@virtual
async def test_the_model_is_told_who_it_is_and_who_the_others_are() -> None:
    _, first = family(instruction="Be brief.")
    request = await connect(first)
    told = request.system_instruction.split("\n\n")
    assert told[:2] == [
        "Be brief.",
        'You are an agent. Your internal name is "first". The description about you is "Knows bills.".',
    ]
    assert "Agent name: root\nAgent description: " in told
    assert "Agent name: second\nAgent description: Knows the weather." in told
    assert "`transfer_to_agent`" in told[-1]
    assert "worker" not in request.system_instruction
    (tool,) = request.tools
    (function,) = tool.function_declarations or []
    assert function.parameters["properties"]["agent_name"]["enum"] == ["below", "root", "second"]


@pytest.mark.spec(10)
@virtual
async def test_the_global_instruction_of_the_root_comes_before_everybodys_own() -> None:
    leaf = Agent(name="leaf", instruction="Be brief.", global_instruction="never read: this is no root")
    root = Agent(
        name="root",
        model=ScriptedModel(),
        instruction="Be kind.",
        global_instruction="Speak {language}.",
        sub_agents=[SequentialAgent(name="steps", sub_agents=[leaf])],
    )
    state = {"language": "Latin"}
    assert (await connect(root, state)).system_instruction.startswith("Speak Latin.\n\nBe kind.\n\nYou are")
    assert (await connect(leaf, state)).system_instruction.startswith("Speak Latin.\n\nBe brief.\n\nYou are")


@pytest.mark.spec(135)
@pytest.mark.parametrize("workflow", [SequentialAgent, LoopAgent])
@virtual
async def test_a_step_can_say_once_that_it_is_done(workflow: type[BaseAgent]) -> None:
    async def task_completed() -> str:
        """My own."""
        return "done"

    plain = Agent(name="plain", model=ScriptedModel())
    own = Agent(name="own", model=ScriptedModel(), tools=[task_completed])
    workflow(name="steps", sub_agents=[plain, own])
    for agent in (plain, own):
        for _ in range(2):  # nothing adds up from one run to the next
            request = await connect(agent)
            assert declared(request) == ["task_completed"]
            assert request.system_instruction.count("`task_completed`") == 1


@virtual
async def test_who_works_beside_others_has_nobody_to_make_room_for() -> None:
    child = Agent(name="child", model=ScriptedModel())
    ParallelAgent(name="fan", sub_agents=[child])
    assert declared(await connect(child)) == []


@pytest.mark.spec(15)
@virtual
async def test_an_output_schema_is_warned_of_in_a_live_run_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    class Answer(BaseModel):
        words: str

    with caplog.at_level(logging.WARNING, "fullduplex"):
        call = await Call.start(output_schema=Answer)
        await call.play(text("no JSON"), TURN_COMPLETE)
    assert await call.end() == ["P:no JSON", "M:no JSON", "end"]
    assert caplog.text.count("output_schema has no effect") == 1
