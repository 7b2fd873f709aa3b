"""An agent as a tool of another: it answers in writing, in a session of its own, and that is the tool's result."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from fullduplex.errors import InvalidConfig
from fullduplex.models.base import LiveModel
from fullduplex.models.registry import resolve_text
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.tools.schema import schema_of
from fullduplex.types.content import Content, FunctionDeclaration, Part

if TYPE_CHECKING:
    from fullduplex.agents.base import BaseAgent

_REQUEST = "request"


class AgentTool(BaseTool):
    """Lets the model ask `agent`, live or in writing. The agent's own model is a text model.

    The model fills in the agent's `input_schema`, or writes a request where there is none. The agent sees a copy of the
    session's state and none of its conversation; what it changes in the state and saves as artifacts comes with the
    answer. With `skip_summarization` the answer ends the turn of the model that asked. The runner's plugins see the
    agent's run too, unless `include_plugins` is false.

    Raises `InvalidConfig` for an agent whose model can only be talked with.
    """

    def __init__(self, agent: BaseAgent, skip_summarization: bool = False, *, include_plugins: bool = True) -> None:
        super().__init__(name=agent.name, description=agent.description)
        _require_text(agent)
        self.agent = agent
        self.skip_summarization = skip_summarization
        self.include_plugins = include_plugins

    @property
    def _input_schema(self) -> type[BaseModel] | None:
        schema: type[BaseModel] | None = getattr(self.agent, "input_schema", None)
        return schema

    def declaration(self) -> FunctionDeclaration:
        """See `BaseTool`."""
        parameters: dict[str, Any]
        if self._input_schema is not None:
            parameters = schema_of(self._input_schema, where=f"the input_schema of agent {self.name}")
        else:
            request = {"type": "STRING", "description": "What the agent is to do, with all that it has to know."}
            parameters = {"type": "OBJECT", "properties": {_REQUEST: request}, "required": [_REQUEST]}
        return FunctionDeclaration(name=self.name, description=self.description, parameters=parameters)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """The agent's answer: text, or data where it has an `output_schema`."""
        try:
            request = self._request(args)
        except (ValidationError, KeyError) as error:
            return {"error": f"Invoking `{self.name}()` failed: {error}"}
        if self.skip_summarization:
            tool_context.actions.skip_summarization = True
        message = Content(role="user", parts=[Part(text=request)])
        answer: Any = ""
        events = tool_context.run_nested(self.agent, message, plugins=self.include_plugins)
        async with aclosing(events):
            async for event in events:
                tool_context.state.update(event.actions.state_delta)
                tool_context.actions.artifact_delta.update(event.actions.artifact_delta)
                if event.output is not None:
                    answer = event.output
                elif event.content is not None and event.content.text:
                    answer = event.content.text
        return answer

    def _request(self, args: dict[str, Any]) -> str:
        if self._input_schema is None:
            return str(args[_REQUEST])
        return self._input_schema.model_validate(args).model_dump_json(exclude_none=True)


def _require_text(agent: BaseAgent) -> None:
    """Raises `InvalidConfig` when the agent, or one below it, cannot run in writing."""
    model = getattr(agent, "model", None)
    try:
        if isinstance(model, LiveModel):
            model.text_model()
        elif isinstance(model, str) and model:
            resolve_text(model)
    except InvalidConfig as error:
        raise InvalidConfig(f"agent `{agent.name}` cannot be a tool: {error}", code=error.code) from None
    for sub_agent in agent.sub_agents:
        _require_text(sub_agent)
