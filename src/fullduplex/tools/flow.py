"""Tools that say where the conversation goes: to another agent, on to a workflow's next step, out of a loop.

They do nothing but set the `actions` of the event that answers the call; the engine reads those, whoever set them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.types.content import FunctionDeclaration

TRANSFER = "transfer_to_agent"
COMPLETED = "task_completed"
EXIT = "exit_loop"


class TransferToAgentTool(BaseTool):
    """Hands the conversation over to one of `agent_names`; any other name is an error that the model is told."""

    def __init__(self, agent_names: Iterable[str]) -> None:
        super().__init__(
            name=TRANSFER,
            description="Hands the conversation over to the agent that is better suited to go on with it.",
        )
        self.agent_names = list(agent_names)

    def declaration(self) -> FunctionDeclaration:
        """See `BaseTool`."""
        name = {"type": "STRING", "description": "The agent's name.", "enum": self.agent_names}
        parameters = {"type": "OBJECT", "properties": {"agent_name": name}, "required": ["agent_name"]}
        return FunctionDeclaration(name=self.name, description=self.description, parameters=parameters)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """See `BaseTool`."""
        name = args.get("agent_name")
        if name not in self.agent_names:
            known = ", ".join(self.agent_names)
            return {"error": f"There is no agent `{name}` to transfer to. Possible are: {known}."}
        await transfer_to_agent(name, tool_context)
        return None


async def transfer_to_agent(agent_name: str, tool_context: ToolContext) -> None:
    """Hands the conversation over to another agent.

    Args:
        agent_name: The agent's name.
    """
    tool_context.actions.transfer_to_agent = agent_name


async def task_completed(tool_context: ToolContext) -> str:
    """Says that the request is fulfilled, so that the next agent can take over."""
    tool_context.actions.end_of_agent = True
    return "Task completion signaled."


async def exit_loop(tool_context: ToolContext) -> None:
    """Ends the loop. Call it only when nothing is left to be done in it."""
    tool_context.actions.escalate = True
    tool_context.actions.skip_summarization = True
