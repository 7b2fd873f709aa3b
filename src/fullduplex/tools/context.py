"""What a tool may see and do while it runs: state, actions, and who is asking."""

from __future__ import annotations

from typing import Any, Protocol

from fullduplex.events import EventActions
from fullduplex.sessions import Session, State


class Invocation(Protocol):
    """What a context needs to know of the run that it belongs to; `agents.contexts.InvocationContext` is one."""

    invocation_id: str
    session: Session

    @property
    def agent_name(self) -> str:
        """The agent that runs."""


class ReadonlyContext:
    """Where code runs: which run, which session, which agent. Nothing can be changed through it."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    @property
    def invocation_id(self) -> str:
        """The id that all events of this run share."""
        return self._invocation.invocation_id

    @property
    def agent_name(self) -> str:
        """The agent that runs."""
        return self._invocation.agent_name

    @property
    def session(self) -> Session:
        """The session as it is now."""
        return self._invocation.session

    @property
    def user_id(self) -> str:
        """Whose session it is."""
        return self._invocation.session.user_id

    @property
    def state(self) -> Any:
        """A copy of the session's state."""
        return dict(self._invocation.session.state)


class Context(ReadonlyContext):
    """A context whose changes of `state` and `actions` go into the event that follows.

    `function_call_id` is the call that a tool answers; None outside a tool.
    """

    def __init__(
        self, invocation: Invocation, *, function_call_id: str | None = None, actions: EventActions | None = None
    ) -> None:
        super().__init__(invocation)
        self.function_call_id = function_call_id
        self.actions = actions or EventActions()
        self._state = State(invocation.session.state, self.actions.state_delta)

    @property
    def state(self) -> State:
        """The session's state: read and write it like a dict."""
        return self._state


ToolContext = Context
CallbackContext = Context
