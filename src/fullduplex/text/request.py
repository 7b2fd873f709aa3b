"""The question that an agent's model is asked: instruction, conversation, tools and the form of the answer."""

from __future__ import annotations

from fullduplex.agents.contexts import InvocationContext, ReadonlyContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.run_config import RunConfig
from fullduplex.errors import InvalidConfig
from fullduplex.models.text import LlmRequest, TextModel
from fullduplex.text.answer_tool import CALL_IT, AnswerTool
from fullduplex.tools.base import BaseTool
from fullduplex.tools.declared import declared
from fullduplex.turns.history import contents_of
from fullduplex.turns.recall import on_branch, paired, present_turn
from fullduplex.types.config import GenerateContentConfig
from fullduplex.types.content import Content, Part
from fullduplex.types.struct import coerce_list

_OF_RUN = ("labels", "service_tier")
_GO_ON = "Go on with your task as you are instructed."


async def request_for(ctx: InvocationContext, agent: LlmAgent, model: TextModel, tools: list[BaseTool]) -> LlmRequest:
    """What `model` is asked now; raises what the instruction raises."""
    by_tool = any(isinstance(tool, AnswerTool) for tool in tools)
    system, contents = await _told(ctx, agent)
    return LlmRequest(
        model=model.model,
        contents=contents,
        system_instruction=f"{system}\n\n{CALL_IT}" if by_tool else system,
        tools=declared(tools),
        config=_config(ctx.run_config, agent),
        output_schema=None if by_tool else agent.output_schema,
    )


def _config(run: RunConfig, agent: LlmAgent) -> GenerateContentConfig:
    if run.http_options is not None:
        raise InvalidConfig("http_options cannot be set for a text run: set the base URL on the model")
    config = (agent.generate_content_config or GenerateContentConfig()).model_copy(deep=True)
    of_run = {name: value for name in _OF_RUN if (value := getattr(run, name)) is not None}
    return config.model_copy(update=of_run)


async def _told(ctx: InvocationContext, agent: LlmAgent) -> tuple[str, list[Content]]:
    """The system's instruction and the conversation, whose last turn is never the model's.

    A `static_instruction` takes the instruction's place, so that what comes first is the same in all requests; the
    instruction then stands before what the user said last. So does what the run is to be told besides.
    """
    instruction = await agent.system_instruction(ReadonlyContext(ctx))
    contents = conversation(ctx, agent)
    if not contents or contents[-1].role == "model":
        contents.append(Content(role="user", parts=[Part(text=_GO_ON)]))
    last = next((place for place in range(len(contents), 0, -1) if contents[place - 1].role == "model"), 0)
    contents[last:last] = coerce_list(Content, ctx.run_config.model_input_context or [])
    if agent.static_instruction is None:
        return instruction, contents
    static = agent.static_instruction
    contents.insert(last, Content(role="user", parts=[Part(text=instruction)]))
    return static if isinstance(static, str) else static.text, contents


def conversation(ctx: InvocationContext, agent: LlmAgent) -> list[Content]:
    """What was said so far, as the agent may know it."""
    events = on_branch(ctx.session.events, ctx.branch)
    if agent.include_contents == "none":
        events = present_turn(events, agent.name)
    return contents_of(paired(events), media=True, agent=agent.name)
