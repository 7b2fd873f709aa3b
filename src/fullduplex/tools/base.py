"""What a tool is: something that the model may call, with a declaration and a run. A toolset brings several."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal

from fullduplex.requests import LiveRequestQueue
from fullduplex.tools.context import ReadonlyContext, ToolContext
from fullduplex.types.config import Behavior, FunctionResponseScheduling
from fullduplex.types.content import FunctionDeclaration, Tool


class BaseTool:
    """A tool of an agent. Subclass it for a tool with state of its own, or pass a plain function to the agent.

    `is_long_running` marks a tool whose first result is only a beginning; `behavior=NON_BLOCKING` lets the model go on
    talking meanwhile, and `response_scheduling` says when it takes up the answer.

    `deadline_s` is how long a run may take (None: for ever); then it is cancelled, and the answer is an error.
    `on_interrupt="cancel"` cancels a run when the user interrupts the agent.
    """

    deadline_s: float | None = None
    on_interrupt: Literal["keep", "cancel"] = "keep"

    def __init__(
        self,
        *,
        name: str,
        description: str = "",
        is_long_running: bool = False,
        custom_metadata: dict[str, Any] | None = None,
        behavior: Behavior | None = None,
        response_scheduling: FunctionResponseScheduling | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.is_long_running = is_long_running
        self.custom_metadata = custom_metadata
        self.behavior = behavior
        self.response_scheduling = response_scheduling

    @property
    def takes_thread(self) -> bool:
        """Whether a run takes a thread, of which `ToolThreadPoolConfig` limits the number."""
        return False

    @property
    def is_streaming(self) -> bool:
        """Whether the tool speaks up again and again (`stream`) instead of giving one result (`run_async`)."""
        return False

    @property
    def takes_input(self) -> bool:
        """Whether a streaming tool is given what the user sends while it runs."""
        return False

    @property
    def blocks(self) -> bool:
        """Whether the model waits for the answer before it goes on."""
        return not (self.is_long_running or self.is_streaming or self.behavior is Behavior.NON_BLOCKING)

    def declaration(self) -> FunctionDeclaration | None:
        """How the model is told of this tool; None for a tool that the backend runs itself."""
        return None

    def built_in(self) -> Tool | None:
        """The entry that turns on a tool which the backend runs itself; None for a tool that runs here."""
        return None

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Runs the tool with the model's `args`; what it returns is the model's answer (a dict, or any JSON value)."""
        raise NotImplementedError(f"{type(self).__name__} does not run here")

    def stream(
        self, *, args: dict[str, Any], tool_context: ToolContext, input_stream: LiveRequestQueue | None = None
    ) -> AsyncGenerator[Any, None]:
        """What a streaming tool has to say, as it comes; `input_stream` carries what the user sends meanwhile."""
        raise NotImplementedError(f"{type(self).__name__} does not stream")

    async def needs_confirmation(self, args: dict[str, Any], tool_context: ToolContext) -> bool:
        """Whether the user is asked before this call runs."""
        return False

    def key_of(self, args: dict[str, Any]) -> str | None:
        """What makes two calls the same deed, done once in a session; None when every call is one of its own."""
        return None


class BaseToolset:
    """Tools that are only known when a run begins, such as those of a server.

    `failure` says why the last `get_tools` came back without tools that it should have; None when all is well.
    """

    failure: str | None = None

    async def get_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """The tools for a run. What is out of reach is left out, not raised."""
        raise NotImplementedError(f"{type(self).__name__} brings no tools")

    async def close(self) -> None:
        """Lets go of connections, processes and tasks; what runs is ended. Once is enough, again does no harm."""
