"""A text model without a wire: it gives the answers that a test hands it, and records what it was asked."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeAlias

from fullduplex.models.answer import STOP, Answer
from fullduplex.models.text import LlmRequest, LlmResponse, TextModel
from fullduplex.types.content import Content, FunctionCall, Part

Reply: TypeAlias = "str | Part | FunctionCall | LlmResponse | Exception | Sequence[str | Part | FunctionCall]"
Turn: TypeAlias = "Reply | Callable[[LlmRequest], Reply | Awaitable[Reply]]"

_WORD = re.compile(r"\s*\S+\s*$|\s*\S+")


class ScriptedTextModel(TextModel):
    """Gives `turns` one after another, then raises; `requests` holds what it was asked.

    A turn is a text, a part, a tool call, several of these, a whole response, an exception to raise, or a function of
    the request that returns one of them. In a stream, text comes word by word.
    """

    def __init__(self, *turns: Turn, model: str = "scripted-text") -> None:
        self.model = model
        self.requests: list[LlmRequest] = []
        self._turns = list(turns)

    async def generate(self, request: LlmRequest, *, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        """See `TextModel`."""
        self.requests.append(request)
        if not self._turns:
            raise AssertionError(f"the scripted model was asked once more than its script is long: {request.contents}")
        turn = self._turns.pop(0)
        reply = turn(request) if callable(turn) else turn
        if inspect.isawaitable(reply):
            reply = await reply
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, LlmResponse):
            yield reply
            return
        answer = Answer()
        for part in _parts(reply):
            for piece in _pieces(part):
                message = LlmResponse(content=Content(role="model", parts=[piece]), finish_reason=STOP)
                for partial in answer.take(message):
                    if stream:
                        yield partial
        yield answer.whole(partial=False if stream else None)


def _pieces(part: Part) -> list[Part]:
    if not part.text:
        return [part]
    return [part.model_copy(update={"text": word}) for word in _WORD.findall(part.text)]


def _parts(reply: str | Part | FunctionCall | Sequence[str | Part | FunctionCall]) -> list[Part]:
    if isinstance(reply, (str, Part, FunctionCall)):
        reply = [reply]
    return [
        Part(text=one) if isinstance(one, str) else Part(function_call=one) if isinstance(one, FunctionCall) else one
        for one in reply
    ]
