"""What a plugin is: hooks of which a subclass overrides those that it wants.

All hooks are async and are called with keyword arguments only. Of several plugins the first that returns something has
the last word, and what it returns stands in place of what would have happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullduplex.agents.base import BaseAgent
    from fullduplex.agents.contexts import InvocationContext
    from fullduplex.events import Event
    from fullduplex.models.text import LlmRequest, LlmResponse
    from fullduplex.tools.base import BaseTool
    from fullduplex.tools.context import CallbackContext, ToolContext
    from fullduplex.types.content import Content


class BasePlugin:
    """A plugin called `name`; give it to a `Runner` or an `App`."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def on_user_message_callback(
        self, *, invocation_context: InvocationContext, user_message: Content
    ) -> Content | None:
        """The user said something in writing; content returned takes its place."""

    async def before_run_callback(self, *, invocation_context: InvocationContext) -> Content | None:
        """A run begins; content returned is all that it says."""

    async def on_event_callback(self, *, invocation_context: InvocationContext, event: Event) -> Event | None:
        """An event is about to be kept and shown; one returned takes its place."""

    async def after_run_callback(self, *, invocation_context: InvocationContext) -> None:
        """A run has ended without an error."""

    async def before_agent_callback(self, *, agent: BaseAgent, callback_context: CallbackContext) -> Content | None:
        """An agent's part begins; content returned is all that it says."""

    async def after_agent_callback(self, *, agent: BaseAgent, callback_context: CallbackContext) -> Content | None:
        """An agent's part has ended; content returned is said besides."""

    async def before_model_callback(
        self, *, callback_context: CallbackContext, llm_request: LlmRequest
    ) -> LlmResponse | None:
        """A model is about to be asked; a response returned is the answer, and the model is not asked."""

    async def after_model_callback(
        self, *, callback_context: CallbackContext, llm_response: LlmResponse
    ) -> LlmResponse | None:
        """A model has answered; a response returned takes the answer's place."""

    async def on_model_error_callback(
        self, *, callback_context: CallbackContext, llm_request: LlmRequest, error: Exception
    ) -> LlmResponse | None:
        """A model failed; a response returned is the answer, and the error is not raised."""

    async def before_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext
    ) -> dict[str, Any] | None:
        """A tool is about to run; a dict returned is its result, and the tool does not run."""

    async def after_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: Any
    ) -> dict[str, Any] | None:
        """A tool has run; a dict returned takes the result's place."""

    async def on_tool_error_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, error: Exception
    ) -> dict[str, Any] | None:
        """A tool failed; a dict returned is its result."""

    async def on_agent_error_callback(
        self, *, agent: BaseAgent, callback_context: CallbackContext, error: Exception
    ) -> None:
        """An agent's part failed; the error goes on."""

    async def on_run_error_callback(self, *, invocation_context: InvocationContext, error: Exception) -> None:
        """A run failed; the error goes on."""

    async def close(self) -> None:
        """The runner closes."""
