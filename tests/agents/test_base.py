"""The tree of agents: names, parents, and who is found where."""

from __future__ import annotations

import logging

import pydantic
import pytest

import fullduplex
from fullduplex.agents import Agent, BaseAgent, LlmAgent, llm_agent
from fullduplex.errors import InvalidConfig


@pytest.mark.spec(2)
def test_agent_is_llm_agent() -> None:
    assert Agent is LlmAgent
    assert fullduplex.Agent is LlmAgent
    assert llm_agent.Agent is llm_agent.LlmAgent is LlmAgent


@pytest.mark.spec(3)
@pytest.mark.parametrize("name", ["user", "a b", "", "1st", "a-b", "a."])
def test_a_name_that_is_no_identifier_or_the_users_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="agent name|called `user`"):
        Agent(name=name)


def test_names_are_identifiers() -> None:
    for name in ("a", "_a", "Agent_2", "été"):
        assert Agent(name=name).name == name


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError):
        Agent(name="a", instructions="typo")


@pytest.mark.spec(4)
def test_an_agent_has_one_parent() -> None:
    child = Agent(name="child")
    first = Agent(name="first", sub_agents=[child])
    with pytest.raises(ValueError, match="already has a parent agent"):
        Agent(name="second", sub_agents=[Agent(name="free"), child])
    assert child.parent_agent is first
    with pytest.raises(ValueError, match="already has a parent agent"):
        Agent(name="twice", sub_agents=[twin := Agent(name="twin"), twin])


@pytest.mark.spec(4)
def test_a_refused_family_leaves_the_others_free() -> None:
    taken, free = Agent(name="taken"), Agent(name="free")
    Agent(name="first", sub_agents=[taken])
    with pytest.raises(ValueError, match="already has a parent agent"):
        Agent(name="second", sub_agents=[free, taken])
    assert free.parent_agent is None
    Agent(name="third", sub_agents=[free])


def test_sub_agents_of_the_same_name_are_warned_of(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        Agent(name="root", sub_agents=[Agent(name="a"), Agent(name="a")])
    assert "several sub-agents named a" in caplog.text


@pytest.mark.spec(5)
def test_agents_are_found_by_name_in_a_tree_of_three_levels() -> None:
    leaf, other = Agent(name="leaf"), Agent(name="other")
    middle = Agent(name="middle", sub_agents=[leaf])
    root = Agent(name="root", sub_agents=[middle, other])
    assert [agent.root_agent for agent in (root, middle, leaf, other)] == [root] * 4
    assert [root.find_agent(name) for name in ("root", "middle", "leaf", "other", "none")] == [
        root,
        middle,
        leaf,
        other,
        None,
    ]
    assert root.find_sub_agent("leaf") is leaf
    assert root.find_sub_agent("root") is None
    assert middle.find_agent("other") is None
    assert (root.parent_agent, middle.parent_agent, leaf.parent_agent) == (None, root, middle)


def test_a_clone_is_free_and_its_children_are_copies() -> None:
    leaf = Agent(name="leaf")
    root = Agent(name="root", instruction="be", sub_agents=[leaf], tools=[print])
    copy = root.clone({"name": "copy"})
    assert (copy.name, copy.instruction, copy.parent_agent) == ("copy", "be", None)
    assert copy.sub_agents[0] is not leaf
    assert copy.sub_agents[0].parent_agent is copy
    assert leaf.parent_agent is root
    copy.tools.append(len)
    assert root.tools == [print]
    for update in ({"parent_agent": root}, {"nonsense": 1}):
        with pytest.raises(InvalidConfig):
            root.clone(update)


def test_a_base_agent_does_not_run_live_by_itself() -> None:
    assert BaseAgent(name="a").description == ""
