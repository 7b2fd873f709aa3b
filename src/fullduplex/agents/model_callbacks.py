"""The callbacks around a model, as they are asked: those of plugins first, then the agent's own.

What an answer means is another matter in a live run (`live.screening`) than in a text run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fullduplex.agents.callbacks import as_list, first_answer

if TYPE_CHECKING:
    from fullduplex.agents.contexts import InvocationContext
    from fullduplex.agents.llm_agent import LlmAgent
    from fullduplex.models.text import LlmResponse

Hook = Literal["before_model_callback", "after_model_callback", "on_model_error_callback"]


def is_wanted(ctx: InvocationContext, agent: LlmAgent, hook: Hook) -> bool:
    """Whether anybody would answer."""
    return bool(as_list(getattr(agent, hook))) or ctx.plugins.wants(hook)


async def ask(ctx: InvocationContext, agent: LlmAgent, hook: Hook, **arguments: Any) -> LlmResponse | None:
    """The first answer; None when there is none. What a callback raises is raised, a plugin's as `PluginError`."""
    answer: LlmResponse | None = await ctx.plugins.first(hook, **arguments)
    return answer if answer is not None else await first_answer(getattr(agent, hook), **arguments)
