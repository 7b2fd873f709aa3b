"""The ledger of tool calls: called, running, answered, cancelled; exactly one answer leaves for each call.

Calls that came in one message are answered in one message, in the order of the calls. A call that the model cancelled
is not answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fullduplex.types.content import FunctionCall


@dataclass
class Group:
    """The calls of one message, and the answers that are in."""

    calls: list[FunctionCall]
    answers: dict[str, Any] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Whether every call is answered or cancelled."""
        return all(call.id in self.answers or call.id in self.cancelled for call in self.calls)

    def in_order(self) -> list[tuple[FunctionCall, Any]]:
        """The answered calls with their answers, in the order of the calls."""
        return [(call, self.answers[call.id]) for call in self.calls if call.id and call.id in self.answers]


class Ledger:
    """All calls of a run that wait for their answer."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def called(self, calls: list[FunctionCall]) -> list[FunctionCall]:
        """Enters the calls of one message; returns those to run. A call is run once, however often its id comes."""
        named = {call.id: call for call in reversed(calls) if call.id and call.id not in self._groups}
        fresh = list(reversed(named.values()))
        group = Group(fresh)
        self._groups.update((call.id, group) for call in fresh if call.id)
        return fresh

    def answered(self, call_id: str, answer: Any) -> Group | None:
        """Enters an answer; returns the group when that completes it. An answer that nobody waits for is dropped."""
        group = self._groups.get(call_id)
        if group is None or call_id in group.cancelled or call_id in group.answers:
            return None
        group.answers[call_id] = answer
        return self._closed(group)

    def cancelled(self, call_ids: list[str]) -> tuple[list[str], list[Group]]:
        """Strikes calls out; returns the ids whose work must stop, and the groups that this completes."""
        stopped, complete = [], []
        for call_id in call_ids:
            group = self._groups.get(call_id)
            if group is None or call_id in group.answers or call_id in group.cancelled:
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
