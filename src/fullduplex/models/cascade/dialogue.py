"""What the embedded agent does about an utterance: which tools it calls, or what it says, and what it says of results.

One `Dialogue` serves one agent's part of a conversation. Pure: whoever drives it calls the tools and speaks.
"""

from __future__ import annotations

from collections.abc import Sequence

from fullduplex.models.cascade import answers
from fullduplex.models.cascade.flow import COMPLETED, FLOW, STOP
from fullduplex.models.cascade.router import Ask, Call, Calls, Decision, NoIdea, Router, SmallTalk
from fullduplex.types.content import FunctionResponse

_SILENT = FLOW - {STOP}


class Dialogue:
    """`name` is what the agent is called; `previous` is the last call, for "what about Paris?"."""

    def __init__(self, router: Router, name: str = "", previous: Call | None = None) -> None:
        self._router = router
        self._name = name
        self._previous = previous
        self._context: list[str] = []
        self._to_do = {entry.name for entry in router.tools.values() if not entry.is_flow}
        self._has_task = COMPLETED in router.tools and bool(self._to_do)

    @property
    def is_done(self) -> bool:
        """Whether the agent is a step of a workflow, each of its own tools has done its work, and nobody knows it."""
        return self._has_task and not self._to_do

    def report(self) -> None:
        """It is known now that the task is done."""
        self._has_task = False

    @property
    def has_context(self) -> bool:
        """Whether something waits for the rest of what the user says."""
        return bool(self._context)

    def add(self, text: str) -> None:
        """Words that belong to what the user says next."""
        self._context.append(text)

    def decide(self, text: str, *, handed: bool = False) -> tuple[Call, ...] | str:
        """The calls to make, or what to say. `handed`: another agent left this to be answered here, and it is not
        handed on."""
        decision = self._route(text)
        if handed and _leads_on(decision):
            return self.introduction
        match decision:
            case Calls(calls):
                self._previous = calls[-1]
                return calls
            case Ask():
                return answers.ask(decision, self._router)
            case SmallTalk(kind):
                return answers.small_talk(kind, self._router)
            case NoIdea():
                return answers.not_understood(self._router)

    @property
    def introduction(self) -> str:
        """What the agent says when it is handed the conversation, and nothing that it can answer."""
        return answers.introduce(self._name, self._router)

    def outcome(self, results: Sequence[tuple[str, FunctionResponse]]) -> str:
        """What is said of the results of a turn's calls, each with the name of its tool; empty for nothing."""
        said = []
        for name, result in results:
            failed = bool(result.response and result.response.get("error"))
            if not failed:
                self._to_do.discard(name)
            if failed or name not in _SILENT:
                said.append(self._read(name, result))
        return " ".join(said)

    def _read(self, name: str, result: FunctionResponse) -> str:
        entry = self._router.tools.get(name)
        if entry is not None and entry.streams and set(result.response or {}) == {"status"}:
            return answers.begun(name)
        return answers.read_result(name, result.response)

    def _route(self, text: str) -> Decision:
        decision = self._router.route(text, self._previous)
        if self._context:
            if isinstance(decision, NoIdea):
                decision = self._router.route(" ".join([*self._context, text]), self._previous)
            self._context.clear()
        return decision


def _leads_on(decision: Decision) -> bool:
    return isinstance(decision, NoIdea) or (isinstance(decision, Calls) and decision.hands_over)
