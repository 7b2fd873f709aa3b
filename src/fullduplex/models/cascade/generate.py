"""`LocalText`: text turns with the `local-rules` router, so that text agents run with no key and no network.

As in `live` it is a scripted tool router, not a language model: it picks the agent's tools by their example sentences
and reads their results aloud.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence

from fullduplex.errors import InvalidConfig, InvalidInput
from fullduplex.models.answer import STOP, Answer
from fullduplex.models.cascade.dialogue import Dialogue
from fullduplex.models.cascade.flow import agents_in, own_name
from fullduplex.models.cascade.handed import still_open
from fullduplex.models.cascade.router import Call, Router
from fullduplex.models.text import LlmRequest, LlmResponse, TextModel
from fullduplex.types.content import Content, FunctionCall, Part

_WORD = re.compile(r"\s*\S+\s*$|\s*\S+")


class LocalText(TextModel):
    """The scripted tool router as a text model; `new_id` makes the ids of its calls."""

    def __init__(self, model: str = "local", *, new_id: Callable[[], str] = lambda: f"call-{uuid.uuid4().hex}") -> None:
        self.model = model
        self._new_id = new_id

    async def generate(self, request: LlmRequest, *, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        """See `TextModel`. Raises `InvalidConfig` for an `output_schema`, because rules write no JSON."""
        if request.output_schema is not None:
            raise InvalidConfig("The local rules cannot answer by an output_schema: choose a language model for that.")
        answer = Answer()
        for part in self._parts(request):
            pieces = _WORD.findall(part.text) if part.text else []
            for new in [Part(text=piece) for piece in pieces] or [part]:
                for partial in answer.take(LlmResponse(content=Content(role="model", parts=[new]), finish_reason=STOP)):
                    if stream:
                        yield partial
        yield answer.whole(partial=False if stream else None)

    def _parts(self, request: LlmRequest) -> list[Part]:
        dialogue = Dialogue(_router(request), own_name(request.system_instruction), _previous(request.contents))
        if not request.contents:
            raise InvalidInput("a request without contents", code="invalid_content", field="contents")
        last = request.contents[-1]
        if results := last.function_responses:
            names = {call.id: call.name for call in _calls(request.contents)}
            named = [(result.name or names.get(result.id) or "tool", result) for result in results]
            return [Part(text=dialogue.outcome(named) or "Okay.")]
        asked = still_open(request.contents)
        text = asked.question if asked.handed else last.text
        decided = dialogue.decide(text, handed=asked.handed)
        if isinstance(decided, str):
            return [Part(text=decided)]
        return [Part(function_call=FunctionCall(id=self._new_id(), name=c.name, args=c.args)) for c in decided]


def _router(request: LlmRequest) -> Router:
    declarations = [declaration for tool in request.tools for declaration in tool.function_declarations or []]
    searches = any(tool.google_search is not None for tool in request.tools)
    return Router(declarations, search=searches, agents=agents_in(request.system_instruction))


def _previous(contents: Sequence[Content]) -> Call | None:
    """The last call of the conversation, for "what about Paris?"."""
    calls = _calls(contents)
    return Call(calls[-1].name or "", calls[-1].args or {}) if calls else None


def _calls(contents: Sequence[Content]) -> list[FunctionCall]:
    return [
        part.function_call for content in contents for part in content.parts or [] if part.function_call is not None
    ]
