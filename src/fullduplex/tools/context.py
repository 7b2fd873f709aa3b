"""What a tool may see and do while it runs: state, actions, and who is asking."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fullduplex.errors import InvalidConfig
from fullduplex.events import Event, EventActions
from fullduplex.sessions import Session, State
from fullduplex.types.confirmation import ToolConfirmation
from fullduplex.types.content import Content, Part

if TYPE_CHECKING:
    from fullduplex.agents.base import BaseAgent
    from fullduplex.artifacts.base import BaseArtifactService
    from fullduplex.memory.base import BaseMemoryService, SearchMemoryResponse


CREDENTIAL_PREFIX = "temp:credential:"
"""Of the state that holds a credential: it is never stored."""


def credential_key(auth_config: Any) -> str:
    """The name of the credential that `auth_config` (a mapping or an object) asks for; `InvalidConfig` without one."""
    if isinstance(auth_config, Mapping):
        key = auth_config.get("credential_key") or auth_config.get("credentialKey")
    else:
        key = getattr(auth_config, "credential_key", None)
    if not key:
        raise InvalidConfig("an auth_config needs a credential_key")
    return str(key)


class Invocation(Protocol):
    """What a context needs to know of the run that it belongs to; `agents.contexts.InvocationContext` is one."""

    invocation_id: str
    session: Session
    artifact_service: BaseArtifactService | None
    memory_service: BaseMemoryService | None

    @property
    def agent_name(self) -> str:
        """The agent that runs."""

    def run_nested(
        self, agent: BaseAgent, message: Content, *, state: dict[str, Any], plugins: bool = True
    ) -> AsyncGenerator[Event, None]:
        """Runs another agent in writing, in a session of its own that begins with `state`."""


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

    async def load_artifact(self, filename: str, version: int | None = None) -> Part | None:
        """An artifact of this session, or of the user when its name begins with `user:`; None when there is none.

        Raises `InvalidConfig` when the runner has no artifact service.
        """
        return await self._artifacts().load_artifact(**self._place(), filename=filename, version=version)

    async def list_artifacts(self) -> list[str]:
        """The names of the session's artifacts and of the user's, sorted."""
        return await self._artifacts().list_artifact_keys(**self._place())

    async def search_memory(self, query: str) -> SearchMemoryResponse:
        """What the user's memory holds about `query`; raises `InvalidConfig` when the runner has no memory service."""
        session = self._invocation.session
        return await self._memory().search_memory(app_name=session.app_name, user_id=session.user_id, query=query)

    def _artifacts(self) -> BaseArtifactService:
        if self._invocation.artifact_service is None:
            raise InvalidConfig("Artifact service is not initialized: give the runner an artifact_service.")
        return self._invocation.artifact_service

    def _memory(self) -> BaseMemoryService:
        if self._invocation.memory_service is None:
            raise InvalidConfig("Memory service is not initialized: give the runner a memory_service.")
        return self._invocation.memory_service

    def _place(self) -> dict[str, str]:
        session = self._invocation.session
        return {"app_name": session.app_name, "user_id": session.user_id, "session_id": session.id}


class Context(ReadonlyContext):
    """A context whose changes of `state` and `actions` go into the event that follows.

    `function_call_id` is the call that a tool answers; None outside a tool. `tool_confirmation` is what the user said
    when they were asked about this call, and `idempotency_key` the key by which it is done once: None, if not so.
    """

    def __init__(
        self,
        invocation: Invocation,
        *,
        function_call_id: str | None = None,
        actions: EventActions | None = None,
        tool_confirmation: ToolConfirmation | None = None,
    ) -> None:
        super().__init__(invocation)
        self.function_call_id = function_call_id
        self.tool_confirmation = tool_confirmation
        self.idempotency_key: str | None = None
        self.actions = actions or EventActions()
        self._state = State(invocation.session.state, self.actions.state_delta)

    @property
    def state(self) -> State:
        """The session's state: read and write it like a dict."""
        return self._state

    def run_nested(self, agent: BaseAgent, message: Content, *, plugins: bool = True) -> AsyncGenerator[Event, None]:
        """What `agent` answers to `message`, in writing and in a session of its own that begins with this state.

        Its changes of state are in its events and go nowhere else. `plugins`: the runner's plugins see that run too.
        """
        state = {key: value for key, value in self.state.to_dict().items() if not key.startswith("_adk")}
        return self._invocation.run_nested(agent, message, state=state, plugins=plugins)

    async def save_artifact(self, filename: str, artifact: Part) -> int:
        """Keeps `artifact` and returns its version, from 0 up; the event that follows tells of it."""
        version = await self._artifacts().save_artifact(**self._place(), filename=filename, artifact=artifact)
        self.actions.artifact_delta[filename] = version
        return version

    async def add_session_to_memory(self) -> None:
        """Lets later sessions of the user find what was said in this one."""
        await self._memory().add_session_to_memory(self._invocation.session)

    def request_confirmation(self, *, hint: str | None = None, payload: Any = None) -> None:
        """Asks the user about this call. What the tool returns now is dropped; after a yes it is called again, with
        `tool_confirmation`; after a no it is not, and the model is told so."""
        self.actions.requested_tool_confirmations[self._call()] = ToolConfirmation(hint=hint or "", payload=payload)

    def request_credential(self, auth_config: Any) -> None:
        """Asks the app for a credential. What the tool returns now is dropped; it is called again when the credential
        is there, and finds it with `get_auth_response`. `auth_config` has a `credential_key` that names it."""
        credential_key(auth_config)
        self.actions.requested_auth_configs[self._call()] = auth_config

    def get_auth_response(self, auth_config: Any) -> Any:
        """The credential that the app gave for `auth_config` in this run; None when there is none."""
        return self._invocation.session.state.get(CREDENTIAL_PREFIX + credential_key(auth_config))

    def take_actions(self) -> EventActions:
        """The effects so far; those that follow are counted anew."""
        taken = self.actions.model_copy()
        for name in self.actions.__struct_fields__:
            value = getattr(self.actions, name)
            setattr(taken, name, dict(value) if isinstance(value, dict) else value)
            if isinstance(value, dict):
                value.clear()
            else:
                setattr(self.actions, name, None)
        return taken

    @property
    def awaits_user(self) -> bool:
        """Whether the user was asked for something: the call is not answered before they are done."""
        return bool(self.actions.requested_tool_confirmations or self.actions.requested_auth_configs)

    def _call(self) -> str:
        if self.function_call_id is None:
            raise InvalidConfig("only a tool can ask the user: there is no call here")
        return self.function_call_id


ToolContext = Context
CallbackContext = Context
