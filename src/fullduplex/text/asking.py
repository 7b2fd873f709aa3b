"""One question to a model, with what plugins and callbacks have to say before, after, and when it fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fullduplex.agents import model_callbacks
from fullduplex.agents.contexts import CallbackContext, InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.run_config import StreamingMode
from fullduplex.models.text import LlmRequest, LlmResponse, TextModel
from fullduplex.types.content import Content


async def ask(
    ctx: InvocationContext, agent: LlmAgent, model: TextModel, request: LlmRequest, context: CallbackContext
) -> AsyncGenerator[LlmResponse, None]:
    """The model's responses, pieces first in a streamed run. Changes of state by callbacks go into `context`.

    Raises `LlmCallsLimitExceededError` in place of a question too many.
    """
    answer = await _before(ctx, agent, request, context)
    if answer is not None:
        yield answer
        return
    ctx.llm_calls.count()
    async with aclosing(_responses(ctx, agent, model, request, context)) as responses:
        async for response in responses:
            changed = await model_callbacks.ask(
                ctx, agent, "after_model_callback", callback_context=context, llm_response=response
            )
            yield response if changed is None else changed


async def _before(
    ctx: InvocationContext, agent: LlmAgent, request: LlmRequest, context: CallbackContext
) -> LlmResponse | None:
    if not model_callbacks.is_wanted(ctx, agent, "before_model_callback"):
        return None
    # ADK's callbacks read and write the instruction in the settings.
    request.config.system_instruction = before = request.system_instruction
    answer = await model_callbacks.ask(
        ctx, agent, "before_model_callback", callback_context=context, llm_request=request
    )
    if (instruction := _text(request.config.system_instruction)) != before:
        request.system_instruction = instruction
    request.config.system_instruction = None
    return answer


def _text(instruction: Any) -> str:
    if isinstance(instruction, str):
        return instruction
    return Content.model_validate(instruction).text if instruction is not None else ""


async def _responses(
    ctx: InvocationContext, agent: LlmAgent, model: TextModel, request: LlmRequest, context: CallbackContext
) -> AsyncGenerator[LlmResponse, None]:
    responses = model.generate(request, stream=ctx.run_config.streaming_mode is StreamingMode.SSE)
    try:
        async with aclosing(responses):
            async for response in responses:
                yield response
    except Exception as error:
        answer = await model_callbacks.ask(
            ctx, agent, "on_model_error_callback", callback_context=context, llm_request=request, error=error
        )
        if answer is None:
            raise
        yield answer
