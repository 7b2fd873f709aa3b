"""Sentences for the tools that hold none: handing over, ending a task or a loop, stopping a stream. As the engine
declares them, so that a change there shows here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from fullduplex import Agent
from fullduplex.agents.instructions import identity
from fullduplex.agents.transfer import flow_instructions
from fullduplex.models.cascade import answers
from fullduplex.models.cascade.corpus import sentences
from fullduplex.models.cascade.flow import COMPLETED, EXIT, STOP, TRANSFER, agents_in, own_name
from fullduplex.models.cascade.router import Ask, Call, Calls, Decision, NoIdea, Router, SmallTalk
from fullduplex.tools import FunctionTool, flow, streaming
from fullduplex.types import FunctionDeclaration

BILLING = Agent(
    name="billing_agent",
    description='Answers questions about bills, invoices and refunds. Examples: "my card was charged twice"',
)
ROOMS = Agent(name="rooms", description="Books rooms and tables, and answers questions about the hotel.")
DESK = Agent(name="front_desk", description="Greets callers and helps them find the right department.")
TEAM = [BILLING, ROOMS, DESK]
INSTRUCTION = "\n\n".join(["Be kind.", identity("lobby", ""), *flow_instructions(TEAM, step=False)])


async def watch_price(symbol: str) -> AsyncGenerator[int, None]:
    """Watches a price. "watch the price of {symbol}"."""
    yield 1


async def watch_video() -> AsyncGenerator[int, None]:
    """Watches the camera. "watch the video"."""
    yield 1


def stop_streaming(function_name: str) -> None:
    """Stops a streaming tool."""


def get_weather(city: str) -> str:
    """Tells the weather. "what is the weather in {city}"."""
    return city


def declared(*functions: Callable[..., Any]) -> list[FunctionDeclaration]:
    return [FunctionTool(function).declaration() for function in functions]


def lobby(*functions: Callable[..., Any], team: list[Agent] = TEAM) -> Router:
    transfer = flow.TransferToAgentTool(agent.name for agent in team).declaration()
    instruction = "\n\n".join(flow_instructions(team, step=False))
    return Router([transfer, *declared(*functions)], agents=agents_in(instruction))


def to(agent: Agent) -> Decision:
    return Calls((Call(TRANSFER, {"agent_name": agent.name}),))


def test_names_are_those_of_the_tools() -> None:
    assert (
        flow.TRANSFER,
        flow.COMPLETED,
        flow.exit_loop.__name__,
        streaming.STOP,
    ) == (TRANSFER, COMPLETED, EXIT, STOP)


def test_an_instruction_tells_of_the_agent_and_of_others() -> None:
    assert own_name(INSTRUCTION) == "lobby"
    assert agents_in(INSTRUCTION) == {agent.name: agent.description for agent in TEAM}
    assert (own_name("Be kind."), agents_in("Be kind.")) == ("", {})


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        ("billing", BILLING),
        ("billing please", BILLING),
        ("let me talk to billing", BILLING),
        ("can I talk to the billing department please", BILLING),
        ("I have a question about my bill", BILLING),
        ("My card was charged twice!", BILLING),
        ("I'd like a refund", BILLING),
        ("I want to book a room", ROOMS),
        ("book a table for two", ROOMS),
        ("take me back to the front desk", DESK),
        ("put me through to front desk", DESK),
    ],
)
def test_whom_the_user_wants(text: str, agent: Agent) -> None:
    assert lobby().route(text) == to(agent)


@pytest.mark.parametrize("text", ["tell me a joke", "what is the weather in Paris", "never mind"])
def test_what_is_nobodys_is_not_handed_over(text: str) -> None:
    assert lobby().route(text) in (NoIdea(), SmallTalk("stop"))


def test_what_the_agent_can_do_it_does_itself() -> None:
    router = lobby(get_weather, team=[Agent(name="weather", description="Tells the weather."), DESK])
    assert router.route("what is the weather in Oslo") == Calls((Call("get_weather", {"city": "Oslo"}),))
    assert router.route("weather please") == Calls((Call(TRANSFER, {"agent_name": "weather"}),))


def test_who_does_not_say_where_is_told_of_the_choice_or_goes_the_only_way() -> None:
    decision = lobby().route("go back")
    assert decision == lobby().route("I have a question") == Ask(TRANSFER, ("agent_name",))
    assert answers.ask(decision, lobby()) == "I can hand you over to billing, rooms or front desk."
    assert lobby(team=[DESK]).route("go back") == to(DESK)


def test_words_that_two_agents_share_point_to_none() -> None:
    team = [Agent(name="one", description="Knows cats."), Agent(name="two", description="Knows cats and dogs.")]
    assert lobby(team=team).route("something about cats") == NoIdea()
    assert lobby(team=team).route("something about dogs") == to(team[1])


def test_an_agent_says_whom_it_can_hand_over_to() -> None:
    text = answers.small_talk("help", lobby(get_weather))
    assert "My tools are: get weather. I can hand you over to billing, rooms or front desk." in text
    assert "You can say: what is the weather in Tokyo; or: talk to billing." in text
    assert answers.introduce("billing_agent", lobby(get_weather)).startswith("This is billing. You can say")


@pytest.mark.parametrize("text", ["next", "next step please", "that's all", "I am done", "done", "go on"])
def test_a_step_is_ended_by_the_user(text: str) -> None:
    router = Router(declared(get_weather, flow.task_completed))
    assert router.route(text) == Calls((Call(COMPLETED),))


def test_in_a_loop_done_is_the_end_and_next_is_the_next_step() -> None:
    router = Router(declared(get_weather, flow.task_completed, flow.exit_loop))
    assert router.route("that is all") == Calls((Call(EXIT),))
    assert router.route("next") == Calls((Call(COMPLETED),))
    assert router.route("what is the weather in Oslo") == Calls((Call("get_weather", {"city": "Oslo"}),))


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("stop watching the price", "watch_price"),
        ("stop monitoring the price please", "watch_price"),
        ("stop the video", "watch_video"),
        ("cancel the price", "watch_price"),
    ],
)
def test_a_stream_is_stopped_by_its_name(text: str, tool: str) -> None:
    router = Router(declared(watch_price, watch_video, stop_streaming))
    assert router.route(text) == Calls((Call(STOP, {"function_name": tool}),))


def test_the_only_stream_needs_no_name_and_one_of_two_does() -> None:
    assert Router(declared(watch_price, stop_streaming)).route("stop watching") == Calls(
        (Call(STOP, {"function_name": "watch_price"}),)
    )
    both = Router(declared(watch_price, watch_video, stop_streaming))
    assert both.route("stop it") == SmallTalk("stop")
    which = both.route("stop watching")
    assert which == Ask(STOP, ("function_name",))
    assert answers.ask(which, both) == "Say which one: stop watch price or stop watch video."
    assert both.route("stop watch video") == Calls((Call(STOP, {"function_name": "watch_video"}),))
    assert both.route("watch the video") == Calls((Call("watch_video"),))


def test_the_recogniser_is_told_of_it() -> None:
    heard = sentences(lobby(watch_price, stop_streaming, flow.task_completed))
    for sentence in (
        "talk to billing",
        "talk to front desk",
        "i have a question about my bill",
        "my card was charged twice",
        "stop watching the price",
        "next please",
    ):
        assert any(sentence in one for one in heard), sentence
