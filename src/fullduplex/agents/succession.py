"""Which agent of a tree has the conversation when a run begins: the one that it was handed to last.

Only a transfer changes that. Whatever the agents above say after one, it stays with the agent that it went to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.events import Event


def present_agent(root: BaseAgent, events: Sequence[Event]) -> BaseAgent:
    """The agent below `root` (or `root`) that goes on with the conversation of `events`.

    A target that cannot be reached from the root by transfers, such as a step of a workflow, does not count. Where no
    transfer is among the events, because only the newest were loaded, the last agent that spoke goes on.
    """
    targets = (event.actions.transfer_to_agent for event in reversed(events))
    authors = (event.author for event in reversed(events) if event.author != "user")
    for name in (*filter(None, targets), *authors):
        agent = root.find_agent(name)
        if agent is not None and _is_reachable(agent, root):
            return agent
    return root


def caller_of(root: BaseAgent, events: Sequence[Event], call_ids: Collection[str | None]) -> BaseAgent | None:
    """The agent that made one of these calls, the latest of them; it is the one to be given the answer."""
    for event in reversed(events):
        if any(call.id in call_ids for call in event.get_function_calls()):
            return root.find_agent(event.author)
    return None


def _is_reachable(agent: BaseAgent, root: BaseAgent) -> bool:
    while agent is not root:
        if not isinstance(agent, LlmAgent) or agent.disallow_transfer_to_parent or agent.parent_agent is None:
            return False
        agent = agent.parent_agent
    return isinstance(root, LlmAgent)
