"""How an agent's part of a live run ends, and what decides it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.events import Event
from fullduplex.tools.flow import COMPLETED

logger = logging.getLogger(__name__)


class Ending(Enum):
    """Why a part is over."""

    OVER = "over"
    """So is the conversation: the user hung up, or the model cannot be reached any more."""
    COMPLETED = "completed"
    """The agent has done its task."""
    SKIPPED = "skipped"
    """A callback spoke in the agent's place, and its part never began."""
    ESCALATED = "escalated"
    """The agent ends the loop that it works in."""
    TRANSFERRED = "transferred"
    """Another agent goes on."""


@dataclass(frozen=True)
class Outcome:
    """How a part ended, and who goes on after a transfer."""

    ending: Ending
    target: BaseAgent | None = None


OVER = Outcome(Ending.OVER)
DONE = Outcome(Ending.COMPLETED)


def outcome_of(event: Event, agent: BaseAgent, *, in_loop: bool) -> Outcome | None:
    """What an event with tools' answers means for `agent`'s part; None when it goes on."""
    actions = event.actions
    if actions.transfer_to_agent:
        target = agent.root_agent.find_agent(actions.transfer_to_agent)
        if target is not None and target is not agent:
            return Outcome(Ending.TRANSFERRED, target)
        logger.warning("agent %s cannot transfer to %s", agent.name, actions.transfer_to_agent)
    if actions.escalate and in_loop:
        return Outcome(Ending.ESCALATED)
    if actions.end_of_agent or (_is_in_workflow(agent) and _completes(event)):
        return DONE
    return None


def _is_in_workflow(agent: BaseAgent) -> bool:
    """Whether code, and no model, says who comes after it."""
    return agent.parent_agent is not None and not isinstance(agent.parent_agent, LlmAgent)


def _completes(event: Event) -> bool:
    """Whether a tool of that name has worked, which may be the developer's own."""
    completed = (answer for answer in event.get_function_responses() if answer.name == COMPLETED)
    return any("error" not in (answer.response or {}) for answer in completed)
