"""The agent that a model plays: instruction, tools, and which model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, field_validator

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.callbacks import Callbacks
from fullduplex.agents.instructions import InstructionProvider, identity, resolve
from fullduplex.agents.speech_guard import SpeechGuard
from fullduplex.agents.transfer import flow_instructions, flow_tools, is_step
from fullduplex.events import Event
from fullduplex.models.base import LiveModel
from fullduplex.models.text import OutputSchema, TextModel
from fullduplex.tools.base import BaseTool, BaseToolset
from fullduplex.tools.context import ReadonlyContext
from fullduplex.tools.function import FunctionTool
from fullduplex.types.config import GenerateContentConfig
from fullduplex.types.content import Content

if TYPE_CHECKING:
    from fullduplex.agents.contexts import InvocationContext

DEFAULT_LIVE_MODEL = "gemini-live-2.5-flash-native-audio"
DEFAULT_TEXT_MODEL = "gemini-3.5-flash"


class LlmAgent(BaseAgent):
    """An agent played by a model. `Agent` is the same class.

    `model` is a name (`local`, `gemini-…`), an object such as `Gemini(model=…, speech_config=…)`, or empty for that of
    the nearest agent above. `instruction` is text with `{state}` variables, or a function of the context that returns
    it. `tools` holds functions, tools and toolsets. `greeting` is what the agent says first, before any input, in a
    session that holds no conversation yet; it is said once, as it stands.

    `speech_guard` keeps what it must not say from being heard, in live runs.

    `global_instruction` of the root stands before the instruction of every agent below it. `output_key` names the
    state that receives what the agent says; `output_schema` is what its answer looks like, in text runs.
    `include_contents="none"` keeps the conversation so far from the model. The callbacks are called around the model
    and the tools, after those of plugins: see `agents.callbacks`.
    """

    model: str | LiveModel | TextModel = ""
    instruction: str | InstructionProvider = ""
    global_instruction: str | InstructionProvider = ""
    static_instruction: Content | str | None = None
    greeting: str = ""
    speech_guard: SpeechGuard | None = None
    tools: list[Callable[..., Any] | BaseTool | BaseToolset] = Field(default_factory=list)
    generate_content_config: GenerateContentConfig | None = None
    mode: Literal["chat", "task", "single_turn"] | None = None
    disallow_transfer_to_parent: bool = False
    disallow_transfer_to_peers: bool = False
    include_contents: Literal["default", "none"] = "default"
    input_schema: type[BaseModel] | None = None
    output_schema: OutputSchema | None = None
    output_key: str | None = None
    planner: Any = None
    code_executor: Any = None
    before_model_callback: Callbacks = None
    after_model_callback: Callbacks = None
    on_model_error_callback: Callbacks = None
    before_tool_callback: Callbacks = None
    after_tool_callback: Callbacks = None
    on_tool_error_callback: Callbacks = None

    @field_validator("generate_content_config")
    @classmethod
    def _in_its_place(cls, value: GenerateContentConfig | None) -> GenerateContentConfig | None:
        if value is not None:
            for field, place in (
                ("tools", "tools"),
                ("system_instruction", "instruction"),
                ("response_schema", "output_schema"),
            ):
                if getattr(value, field):
                    raise ValueError(f"set {field} by the agent's `{place}`, not in generate_content_config")
            options = value.http_options
            base = options.get("base_url") if isinstance(options, dict) else getattr(options, "base_url", None)
            if base:
                raise ValueError("set the base URL on the model, not in generate_content_config")
        return value

    @property
    def canonical_model(self) -> str | LiveModel | TextModel:
        """The agent's own model, else that of the nearest agent above, else the default of live runs."""
        return self._named_model or DEFAULT_LIVE_MODEL

    @property
    def canonical_text_model(self) -> str | LiveModel | TextModel:
        """The same for text runs, with a default of their own."""
        return self._named_model or DEFAULT_TEXT_MODEL

    @property
    def _named_model(self) -> str | LiveModel | TextModel | None:
        agent: BaseAgent | None = self
        while agent is not None:
            if isinstance(agent, LlmAgent) and agent.model:
                return agent.model
            agent = agent.parent_agent
        return None

    def canonical_tools(self) -> list[BaseTool]:
        """The tools that are known without asking anybody, each function wrapped: those of toolsets are not."""
        return [
            tool if isinstance(tool, BaseTool) else FunctionTool(tool)
            for tool in self.tools
            if not isinstance(tool, BaseToolset)
        ]

    @property
    def toolsets(self) -> list[BaseToolset]:
        """What brings tools for each run."""
        return [tool for tool in self.tools if isinstance(tool, BaseToolset)]

    @property
    def transfer_targets(self) -> list[BaseAgent]:
        """The agents that this one can hand the conversation to: those below it, its parent, its parent's others."""
        targets, parent = list(self.sub_agents), self.parent_agent
        if isinstance(parent, LlmAgent):
            if not self.disallow_transfer_to_parent:
                targets.append(parent)
            if not self.disallow_transfer_to_peers:
                targets += [peer for peer in parent.sub_agents if peer is not self]
        return [agent for agent in targets if getattr(agent, "mode", None) not in ("task", "single_turn")]

    async def all_tools(self, context: ReadonlyContext, *, live: bool = False) -> list[BaseTool]:
        """The tools of a run: the agent's own, those of toolsets, and those by which it hands over."""
        brought = await asyncio.gather(*(toolset.get_tools(context) for toolset in self.toolsets))
        tools = [*self.canonical_tools(), *(tool for tools in brought for tool in tools)]
        return tools + flow_tools(tools, self.transfer_targets, step=live and is_step(self))

    async def system_instruction(self, context: ReadonlyContext, *, live: bool = False) -> str:
        """The whole text that the model is told at connect: the root's global instruction, the agent's own, who it is,
        and to whom it can hand over."""
        root = self.root_agent
        texts = [
            await resolve(root.global_instruction, context) if isinstance(root, LlmAgent) else "",
            await resolve(self.instruction, context),
            identity(self.name, self.description),
            *flow_instructions(self.transfer_targets, step=live and is_step(self)),
        ]
        return "\n\n".join(text for text in texts if text)

    def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        return ctx.engine.run(ctx)

    _run_async_impl = _run_live_impl


Agent = LlmAgent
