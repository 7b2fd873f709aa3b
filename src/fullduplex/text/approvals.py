"""What tools ask of the user in text runs. The answer comes in a later run, perhaps of another process.

Until then the run is over: neither the model nor the next step of a workflow goes on. The run that brings the answer
begins where the question was asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.tool_calls import on_record
from fullduplex.agents.workflow import WorkflowAgent
from fullduplex.events import Event
from fullduplex.turns.approvals import CREDENTIAL, REQUESTS, Decision, Request, not_waiting, open_requests
from fullduplex.types.content import Content, Part


def check(events: Sequence[Event], message: Content) -> None:
    """Raises `InvalidInput` for an answer in `message` to a request that does not wait for one."""
    asked = {call.id for event in events for call in event.get_function_calls() if call.name in REQUESTS}
    waiting = open_requests(events)
    for answer in message.function_responses:
        if (answer.name in REQUESTS or answer.id in asked) and answer.id not in waiting:
            raise not_waiting(answer, field="new_message.parts")


def recorded(events: Sequence[Event], message: Content) -> Content:
    """`message` as the session may keep it: without secrets."""
    waiting = open_requests(events)
    parts = [
        Part(function_response=on_record(request, answer))
        if (answer := part.function_response) is not None and (request := waiting.get(answer.id or ""))
        else part
        for part in message.parts or []
    ]
    return message.model_copy(update={"parts": parts})


def from_record(message: Content) -> Content:
    """A message that the session kept, for a run that goes on with it: secrets have to be asked for again."""
    parts = [part for part in message.parts or [] if not _is_credential(part)]
    return message.model_copy(update={"parts": parts})


def decisions(events: Sequence[Event], message: Content | None, agent: str | None = None) -> list[Decision]:
    """What the user decided in `message` of what `agent` (or any) asked, as far as it is not done yet."""
    if message is None:
        return []
    asked = {
        request.id: request
        for event in events
        if agent is None or event.author == agent
        for call in event.get_function_calls()
        if (request := Request.read(call)) is not None
    }
    done = {answer.id for event in events for answer in event.get_function_responses()}
    decided = [Decision(asked[answer.id or ""], answer) for answer in message.function_responses if answer.id in asked]
    return [decision for decision in decided if decision.request.call.id not in done]


def awaits_user(events: Sequence[Event], agent: str | None = None) -> bool:
    """Whether `agent` (or any) waits for an answer. What the user has passed over by saying something else is over."""
    words = (number for number in range(len(events) - 1, -1, -1) if _has_words(events[number]))
    present = events[next(words, 0) :]
    return bool(open_requests(event for event in present if agent is None or event.author in (agent, "user")))


def whole_workflow(agent: BaseAgent) -> BaseAgent:
    """The outermost workflow that `agent` is a part of, or `agent`."""
    whole = agent
    above = agent.parent_agent
    while above is not None:
        whole = above if isinstance(above, WorkflowAgent) else whole
        above = above.parent_agent
    return whole


def _is_credential(part: Part) -> bool:
    return part.function_response is not None and part.function_response.name == CREDENTIAL


def _has_words(event: Event) -> bool:
    parts = event.content.parts or [] if event.content is not None else []
    return event.author == "user" and any(part.function_response is None for part in parts)
