"""Which agent goes on with a conversation."""

from __future__ import annotations

import pytest

from fullduplex import Agent
from fullduplex.agents import SequentialAgent
from fullduplex.agents.succession import caller_of, present_agent
from fullduplex.events import Event, EventActions
from fullduplex.types.content import Content, FunctionCall, Part


def by(author: str, to: str | None = None) -> Event:
    return Event(author=author, actions=EventActions(transfer_to_agent=to))


def tree() -> Agent:
    return Agent(
        name="root",
        sub_agents=[
            Agent(name="clerk", sub_agents=[Agent(name="deep")]),
            Agent(name="locked", disallow_transfer_to_parent=True),
            SequentialAgent(name="steps", sub_agents=[Agent(name="step")]),
        ],
    )


@pytest.mark.parametrize(
    ("events", "name"),
    [
        ([], "root"),
        ([by("user"), by("root")], "root"),
        ([by("root", "clerk"), by("clerk")], "clerk"),
        ([by("root", "clerk")], "clerk"),  # it has not answered yet
        ([by("root", "clerk"), by("clerk"), by("root")], "clerk"),  # the root's late words
        ([by("root", "clerk"), by("clerk", "deep"), by("deep"), by("user")], "deep"),
        ([by("root", "clerk"), by("clerk", "root")], "root"),
        ([by("root", "locked"), by("locked")], "root"),
        ([by("steps"), by("step")], "root"),
        ([by("deep"), by("user")], "deep"),  # the transfer is older than what was loaded
        ([by("root", "gone"), by("gone")], "root"),
    ],
)
def test_the_agent_that_has_the_conversation(events: list[Event], name: str) -> None:
    assert present_agent(tree(), events).name == name


def test_a_workflow_begins_anew() -> None:
    root = SequentialAgent(name="all", sub_agents=[tree()])
    assert present_agent(root, [by("root", "clerk"), by("clerk")]) is root


def test_who_made_a_call() -> None:
    parts = [Part(function_call=FunctionCall(id="c1", name="look"))]
    events = [Event(author="deep", content=Content(role="model", parts=parts)), by("root")]
    found = caller_of(tree(), events, {"c1"})
    assert found is not None
    assert found.name == "deep"
    assert caller_of(tree(), events, {"c2"}) is None
