"""One agent's part of a live run: how it ends."""

from __future__ import annotations

from fullduplex import Agent, Runner
from fullduplex.agents import LoopAgent
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import ToolContext
from tests.live.kit import Call, calls, clocked, settle, user, virtual


@virtual
async def test_a_tool_that_ends_the_part_is_answered_to_the_next_model_alone() -> None:
    def place_order(tool_context: ToolContext) -> str:
        tool_context.actions.end_of_agent = True
        return "ordered"

    model = ScriptedModel()
    clerk = Agent(name="clerk", model=model, tools=[place_order])
    root = LoopAgent(name="counter", sub_agents=[clerk])
    runner = Runner(app_name="app", agent=root, session_service=InMemorySessionService(), engine=clocked())
    call = await Call.start(runner=runner, model=model)
    call.queue.send_content(user("a pizza"))
    await settle()
    first = await call.play(calls(("c1", "place_order")))
    second = await model.opened(2)
    await settle()
    assert [kind for kind, _ in first.sent] == ["content"], "it would begin to speak of it"
    ((kind, history),) = second.sent
    assert kind == "question"
    assert history[-1].parts[0].function_response.response == {"result": "ordered"}
    await call.end()
