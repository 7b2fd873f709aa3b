"""How an agent is told of the agents that it can hand the conversation to, and of the workflow that it is a step of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fullduplex.agents.workflow import LoopAgent, SequentialAgent
from fullduplex.tools.base import BaseTool
from fullduplex.tools.flow import COMPLETED, TRANSFER, TransferToAgentTool, task_completed
from fullduplex.tools.function import FunctionTool

if TYPE_CHECKING:
    from fullduplex.agents.base import BaseAgent

_COMPLETION = (
    "You are one step of several. As soon as your own task, as you are described, is done, call `task_completed`: the "
    "next step then begins. Say nothing in the turn in which you call it."
)


def is_step(agent: BaseAgent) -> bool:
    """Whether `agent` has to say in a live run when it is done, because another agent follows."""
    return isinstance(agent.parent_agent, SequentialAgent | LoopAgent)


def flow_tools(tools: Sequence[BaseTool], targets: Sequence[BaseAgent], *, step: bool) -> list[BaseTool]:
    """What `tools` lack of the tools by which an agent hands over: to its targets, and as a step of a workflow."""
    known = {tool.name for tool in tools}
    flow: list[BaseTool] = []
    if targets and TRANSFER not in known:
        flow.append(TransferToAgentTool(target.name for target in targets))
    if step and COMPLETED not in known:
        flow.append(FunctionTool(task_completed))
    return flow


def flow_instructions(targets: Sequence[BaseAgent], *, step: bool) -> list[str]:
    """The paragraphs that tell the model of those tools."""
    paragraphs = []
    if targets:
        described = "\n\n".join(f"Agent name: {one.name}\nAgent description: {one.description}" for one in targets)
        paragraphs.append(
            f"Other agents can take over the conversation:\n\n{described}\n\n"
            "If one of them is better suited than you by its description to answer, call the function "
            f"`{TRANSFER}` with its name, and say nothing in that turn: the answer is then up to that agent. Otherwise "
            "answer yourself."
        )
    if step:
        paragraphs.append(_COMPLETION)
    return paragraphs
