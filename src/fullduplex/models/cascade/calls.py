"""The tool calls of one connection: which are waited for, which were answered, which no longer matter. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from fullduplex.models.cascade.router import Call
from fullduplex.types.content import FunctionCall, FunctionResponse

_REMEMBERED = 256


class CallBook:
    """Keeps the calls of the current turn, and the names of earlier ones for answers that come late."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._open: dict[str, FunctionResponse | None] = {}
        self._earlier: OrderedDict[str, str] = OrderedDict()
        self._names: dict[str, str] = {}

    def begin(self, calls: Sequence[Call]) -> list[FunctionCall]:
        """Opens the calls of a turn."""
        opened = [FunctionCall(id=self._new_id(), name=call.name, args=call.args) for call in calls]
        self._open = {call.id or "": None for call in opened}
        self._names = {call.id or "": call.name or "" for call in opened}
        return opened

    @property
    def pending(self) -> list[str]:
        """Ids of the calls that have no answer yet."""
        return [key for key, answer in self._open.items() if answer is None]

    def answer(self, response: FunctionResponse) -> FunctionResponse | None:
        """Files an answer. Gives it back when it belongs to a turn that is over and someone may want to hear it.

        An answer without an id goes to the first open call of its name. An answer to a cancelled or unknown call is
        dropped.
        """
        key = response.id or self._by_name(response.name)
        if key in self._open and self._open[key] is None:
            self._open[key] = response
            return None
        if key in self._earlier or key in self._open:
            return response
        return None

    def _by_name(self, name: str | None) -> str:
        return next((key for key in self.pending if self._names[key] == name), "")

    def name_of(self, response: FunctionResponse) -> str:
        """The tool that an answer comes from."""
        key = response.id or ""
        return response.name or self._names.get(key) or self._earlier.get(key) or "tool"

    def defer(self) -> list[str]:
        """Waits no longer for the calls that have no answer: their tools' names. An answer that comes is a late one."""
        late = [(key, self._names[key]) for key in self.pending]
        for key, name in late:
            self._remember(key, name)
            del self._open[key]
        return [name for _, name in late]

    def close(self) -> list[FunctionResponse]:
        """Ends the turn's calls: their answers, in the order of the calls."""
        answers = [answer for answer in self._open.values() if answer is not None]
        for key, answer in self._open.items():
            if answer is not None:
                self._remember(key, self._names[key])
        self._open = {}
        return answers

    def _remember(self, key: str, name: str) -> None:
        self._earlier[key] = name
        while len(self._earlier) > _REMEMBERED:
            self._earlier.popitem(last=False)

    def cancel(self) -> list[str]:
        """Gives up the calls of the turn: ids of those that had no answer."""
        pending = self.pending
        self.close()
        return pending
