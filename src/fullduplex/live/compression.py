"""Keeps a conversation within the model's context where the backend does not: `RunConfig.context_fallback`.

When the model's prompt has grown to the trigger, a fresh line takes over that is told a summary of the earlier turns
and the latest ones word for word. How that is cut is decided in `turns.context`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Sequence

from fullduplex.agents.run_config import ContextFallback
from fullduplex.events import Event
from fullduplex.live.briefing import Reader, brief
from fullduplex.turns import context
from fullduplex.turns.summary import extract
from fullduplex.types.content import Content

logger = logging.getLogger(__name__)

SUMMARY_DEADLINE_S = 5.0


class Compression:
    """The context of one agent's part."""

    def __init__(self, settings: ContextFallback, reader: Reader) -> None:
        self._settings = settings
        self._reader = reader
        self._prompt_tokens: int | None = None

    def used(self, prompt_tokens: int | None) -> None:
        """The backend says how much the present line's context has come to."""
        self._prompt_tokens = prompt_tokens or self._prompt_tokens

    def is_due(self, events: Sequence[Event]) -> bool:
        """Whether the context has grown to the trigger, and the conversation can be told in less."""
        if self._prompt_tokens is not None and self._prompt_tokens < self._settings.trigger_tokens:
            return False
        contents = brief(events, since=None, reader=self._reader).contents
        grown = self._prompt_tokens or context.estimate_tokens(contents)
        return grown >= self._settings.trigger_tokens and self._cut(contents) is not None

    async def fit(self, contents: list[Content]) -> list[Content]:
        """`contents` as a fresh line is told them."""
        if context.estimate_tokens(contents, self._scale(contents)) < self._settings.trigger_tokens and (
            self._prompt_tokens is None or self._prompt_tokens < self._settings.trigger_tokens
        ):
            return contents
        parts = self._cut(contents)
        self._prompt_tokens = None
        return parts.with_summary(await self._summary(parts)) if parts is not None else contents

    def _cut(self, contents: list[Content]) -> context.Cut | None:
        settings = self._settings
        return context.cut(
            contents,
            budget_tokens=settings.target_tokens,
            keep_turns=settings.keep_turns,
            scale=self._scale(contents),
        )

    def _scale(self, contents: list[Content]) -> float:
        return context.scale_of(contents, self._prompt_tokens)

    async def _summary(self, parts: context.Cut) -> str:
        if self._settings.summarize is not None:
            try:
                async with asyncio.timeout(SUMMARY_DEADLINE_S):
                    text = self._settings.summarize(parts.earlier)
                    return await text if inspect.isawaitable(text) else text
            except Exception:  # the boundary of the developer's code: an extract will do
                logger.exception("the conversation could not be summarised; an extract takes its place")
        return extract(parts.earlier, parts.summary_bytes)
