"""The ledger of tool calls: called, running, answered, cancelled; exactly one answer leaves for each call.

Calls that came in one message are answered in one message, in the order of the calls, but for those whose answer may
take its time: they are answered by themselves. A call that the model cancelled is not answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fullduplex.events import Event
from fullduplex.types.content import FunctionCall, FunctionResponse


@dataclass
class Group:
    """The calls of one message, and the answers that are in."""

    calls: list[FunctionCall]
    answers: dict[str, Any] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Whether every call is answered or cancelled."""
        return not any(self.waits_for(call.id or "") for call in self.calls)

    def waits_for(self, call_id: str) -> bool:
        """Whether this call is neither answered nor cancelled."""
        return call_id not in self.answers and call_id not in self.cancelled

    def in_order(self) -> list[tuple[FunctionCall, Any]]:
        """The answered calls with their answers, in the order of the calls."""
        return [(call, self.answers[call.id]) for call in self.calls if call.id and call.id in self.answers]


class Ledger:
    """All calls of a run that wait for their answer."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def unanswered(self) -> list[FunctionCall]:
        """The calls without an answer."""
        groups = {id(group): group for group in self._groups.values()}
        return [call for group in groups.values() for call in group.calls if group.waits_for(call.id or "")]

    def called(
        self, calls: list[FunctionCall], *, apart: Callable[[FunctionCall], bool] = lambda _: False
    ) -> list[FunctionCall]:
        """Enters the calls of one message; returns those to run. A call is run once, however often its id comes.

        Those that are `apart` are answered by themselves.
        """
        named = {call.id: call for call in reversed(calls) if call.id and call.id not in self._groups}
        fresh = list(reversed(named.values()))
        group = Group([call for call in fresh if not apart(call)])
        self._groups.update((call.id or "", Group([call]) if apart(call) else group) for call in fresh)
        return fresh

    def part(self, call_id: str) -> Group | None:
        """The answer to this call will take its time: it leaves its group, which is returned if that completes it."""
        group = self._groups.get(call_id)
        if group is None or len(group.calls) == 1:
            return None
        (call,) = [call for call in group.calls if call.id == call_id]
        group.calls.remove(call)
        self._groups[call_id] = Group([call])
        return self._closed(group)

    def answered(self, call_id: str, answer: Any) -> Group | None:
        """Enters an answer; returns the group when that completes it. An answer that nobody waits for is dropped."""
        group = self._groups.get(call_id)
        if group is None or not group.waits_for(call_id):
            return None
        group.answers[call_id] = answer
        return self._closed(group)

    def cancelled(self, call_ids: list[str]) -> tuple[list[str], list[Group]]:
        """Strikes calls out; returns the ids whose work must stop, and the groups that this completes."""
        stopped, complete = [], []
        for call_id in call_ids:
            group = self._groups.get(call_id)
            if group is None or not group.waits_for(call_id):
                continue
            group.cancelled.add(call_id)
            stopped.append(call_id)
            if closed := self._closed(group):
                complete.append(closed)
        return stopped, complete

    def _closed(self, group: Group) -> Group | None:
        if not group.complete:
            return None
        for call in group.calls:
            self._groups.pop(call.id or "", None)
        return group


def earlier_answer(events: Iterable[Event], name: str, is_same: Callable[[dict[str, Any]], bool]) -> Any:
    """What an earlier call of tool `name` was answered that did the same and succeeded; None if none did.

    `is_same` judges a call by its arguments.
    """
    events = list(events)
    done = {
        answer.id: answer.response
        for event in events
        for answer in event.get_function_responses()
        if answer.name == name and answer.response is not None and not answer.response.get("error")
    }
    calls = (call for event in events for call in event.get_function_calls()) if done else ()
    same = (call.id for call in calls if call.id in done and call.name == name and is_same(call.args or {}))
    return done.get(next(same, None))


def are_silent(answers: Iterable[FunctionResponse]) -> bool:
    """Whether the model is to take note of all these answers and to say nothing of them."""
    return all(answer.scheduling == "SILENT" for answer in answers)


def is_news(events: Iterable[Event], answers: Iterable[FunctionResponse]) -> bool:
    """Whether an answer among `answers` is to a call in `events`, and not there itself: the app gives it late."""
    events = list(events)
    called = {call.id for event in events for call in event.get_function_calls()}
    given = [(answer.id, answer.response) for event in events for answer in event.get_function_responses()]
    return any(answer.id in called and (answer.id, answer.response) not in given for answer in answers)
