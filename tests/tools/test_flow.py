"""The tools that steer the conversation: what they tell the model, and the actions that they set."""

from __future__ import annotations

from typing import Any

from fullduplex.events import EventActions
from fullduplex.sessions import Session
from fullduplex.tools import FunctionTool, ToolContext, TransferToAgentTool, exit_loop, transfer_to_agent
from fullduplex.tools.flow import task_completed


class Run:
    invocation_id = "e-1"
    agent_name = "guide"
    artifact_service = None
    memory_service = None
    session = Session(id="s", app_name="app", user_id="u")


async def outcome(tool: Any, args: dict[str, Any]) -> tuple[Any, EventActions]:
    context = ToolContext(Run())
    return await tool.run_async(args=args, tool_context=context), context.actions


async def test_a_transfer_names_its_target_and_declares_no_other() -> None:
    tool = TransferToAgentTool(["helper", "root"])
    declared = tool.declaration()
    assert declared.parameters["properties"]["agent_name"]["enum"] == ["helper", "root"]
    assert declared.parameters["required"] == ["agent_name"]
    assert await outcome(tool, {"agent_name": "helper"}) == (None, EventActions(transfer_to_agent="helper"))


async def test_a_target_that_is_none_is_an_error_that_names_those_that_are() -> None:
    for args in ({"agent_name": "nobody"}, {}):
        answer, actions = await outcome(TransferToAgentTool(["helper", "root"]), args)
        assert "helper, root" in answer["error"]
        assert actions == EventActions()


async def test_the_functions_do_no_more_than_set_actions() -> None:
    assert await outcome(FunctionTool(transfer_to_agent), {"agent_name": "x"}) == (
        None,
        EventActions(transfer_to_agent="x"),
    )
    assert await outcome(FunctionTool(exit_loop), {}) == (None, EventActions(escalate=True, skip_summarization=True))
    done = ("Task completion signaled.", EventActions(end_of_agent=True))
    assert await outcome(FunctionTool(task_completed), {}) == done
