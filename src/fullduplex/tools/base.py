"""What a tool is: something that the model may call, with a declaration and a run. A toolset brings several."""

from __future__ import annotations

from typing import Any

from fullduplex.tools.context import ReadonlyContext, ToolContext
from fullduplex.types.config import Behavior, FunctionResponseScheduling
from fullduplex.types.content import FunctionDeclaration, Tool


class BaseTool:
    """A tool of an agent. Subclass it for a tool with state of its own, or pass a plain function to the agent.

    `is_long_running` marks a tool whose first result is only a beginning; `behavior=NON_BLOCKING` lets the model go on
    talking meanwhile, and `response_scheduling` says when it takes up the answer.
    """

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

    def declaration(self) -> FunctionDeclaration | None:
        """How the model is told of this tool; None for a tool that the backend runs itself."""
        return None

    def built_in(self) -> Tool | None:
        """The entry that turns on a tool which the backend runs itself; None for a tool that runs here."""
        return None

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Runs the tool with the model's `args`; what it returns is the model's answer (a dict, or any JSON value)."""
        raise NotImplementedError(f"{type(self).__name__} does not run here")


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
