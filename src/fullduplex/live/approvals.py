"""What the tools of a live run ask of the user, and the answers, which come up among the user's other input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.tool_calls import on_record, requests_of
from fullduplex.events import Event
from fullduplex.sessions import Session
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.turns.approvals import REQUESTS, Decision, Request, not_waiting, open_requests
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part


class Approvals:
    """The open requests of a session: those of this run, and those that an earlier one left in it."""

    def __init__(
        self,
        *,
        session: Session,
        event: Callable[..., Event],
        show: Callable[[Event], None],
        new_id: Callable[[], str],
    ) -> None:
        self._session = session
        self._event = event
        self._show = show
        self._new_id = new_id
        self._open: dict[str, Request] = {}
        self._closed: set[str] = set()

    def ask(self, call: FunctionCall, context: ToolContext) -> None:
        """Shows the user what `call` needs."""
        event = requests_of(call, context, new_id=self._new_id, event=self._event)
        asked = (Request.read(part) for part in event.get_function_calls())
        self._open.update((request.id, request) for request in asked if request is not None)
        self._show(event)

    def take(self, content: Content) -> tuple[list[Decision], Content | None]:
        """The decisions in `content`, and the rest of it. Raises `InvalidInput` for an answer that nobody waits for."""
        answers = content.function_responses
        if not answers:
            return [], content
        waiting = dict(self._open)
        if any(answer.name in REQUESTS or not answer.name for answer in answers):
            waiting = {**open_requests(self._session.events), **waiting}
        decisions = []
        for answer in answers:
            request = waiting.pop(answer.id or "", None)
            if request is not None and request.id not in self._closed:
                decisions.append(Decision(request, answer))
            elif answer.name in REQUESTS or answer.id in self._closed:
                raise not_waiting(answer, field="content.parts")
        if not decisions:
            return [], content
        for decision in decisions:
            self._close(decision.request, decision.answer)
        decided = [decision.answer for decision in decisions]
        rest = [part for part in content.parts or () if part.function_response not in decided]
        return decisions, content.model_copy(update={"parts": rest}) if rest else None

    def withdraw(self, call_ids: Collection[str]) -> None:
        """These calls are cancelled: nobody need decide any more."""
        for request in [request for request in self._open.values() if request.call.id in call_ids]:
            self._close(request, FunctionResponse(response={}))

    def _close(self, request: Request, answer: FunctionResponse) -> None:
        """Puts the answer on record, after which the request is open no more, in no run."""
        self._open.pop(request.id, None)
        self._closed.add(request.id)
        part = Part(function_response=on_record(request, answer))
        self._show(self._event(author="user", content=Content(role="user", parts=[part])))


def owner_of(agent: LlmAgent, call: FunctionCall, events: Sequence[Event]) -> tuple[LlmAgent, BaseTool] | None:
    """The other agent of the same tree that made `call`, and its tool: the user may decide after a transfer.

    The tools of toolsets are not looked at.
    """
    made = (event.author for event in reversed(events) if any(one.id == call.id for one in event.get_function_calls()))
    asker = agent.root_agent.find_agent(next(made, agent.name))
    if not isinstance(asker, LlmAgent) or asker is agent:
        return None
    return next(((asker, tool) for tool in asker.canonical_tools() if tool.name == call.name), None)
