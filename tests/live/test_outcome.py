"""What an event with tools' answers means for the part of the agent that called."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex import Agent
from fullduplex.agents import LoopAgent, SequentialAgent
from fullduplex.events import Event, EventActions
from fullduplex.live.outcome import DONE, Ending, outcome_of
from fullduplex.types.content import Content, FunctionResponse, Part

step = Agent(name="step")
helper = Agent(name="helper")
guide = Agent(name="guide", sub_agents=[helper, SequentialAgent(name="steps", sub_agents=[step])])


def answered(name: str = "look", response: Any = None, **actions: Any) -> Event:
    answer = FunctionResponse(name=name, response=response if response is not None else {"result": 1})
    return Event(content=Content(parts=[Part(function_response=answer)]), actions=EventActions(**actions))


def test_most_answers_mean_nothing() -> None:
    assert outcome_of(answered(), guide, in_loop=True) is None


@pytest.mark.parametrize(
    ("target", "agent"), [("helper", guide), ("guide", helper), ("steps", helper), ("step", helper)]
)
def test_a_transfer_goes_anywhere_in_the_tree(target: str, agent: Agent) -> None:
    outcome = outcome_of(answered(transfer_to_agent=target), agent, in_loop=False)
    assert outcome is not None
    assert (outcome.ending, outcome.target) == (Ending.TRANSFERRED, guide.find_agent(target))


@pytest.mark.parametrize("target", ["nobody", "guide"])
def test_a_transfer_to_nobody_or_oneself_is_none(target: str) -> None:
    assert outcome_of(answered(transfer_to_agent=target), guide, in_loop=False) is None


def test_who_escalates_leaves_a_loop_if_there_is_one() -> None:
    event = answered(escalate=True)
    assert outcome_of(event, guide, in_loop=False) is None
    outcome = outcome_of(event, guide, in_loop=True)
    assert outcome is not None
    assert outcome.ending is Ending.ESCALATED


def test_a_part_is_over_when_its_agent_says_so() -> None:
    assert outcome_of(answered(end_of_agent=True), guide, in_loop=False) == DONE


def test_in_a_workflow_a_tool_may_say_so_by_its_name_unless_it_fails() -> None:
    alone = Agent(name="alone")
    looped = Agent(name="looped")
    LoopAgent(name="loop", sub_agents=[looped])
    for agent, expected in ((step, DONE), (looped, DONE), (alone, None), (helper, None)):
        assert outcome_of(answered("task_completed"), agent, in_loop=False) == expected
        assert outcome_of(answered("task_completed", {"error": "not yet"}), agent, in_loop=False) is None
