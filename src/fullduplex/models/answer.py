"""An answer as it grows: pieces of text go out at once, and the whole is put together behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fullduplex.errors import ModelError
from fullduplex.models.text import LlmResponse
from fullduplex.types.content import Content, Part

STOP = "STOP"
_NOTHING = Part()
_SILENCE = LlmResponse()


class Answer:
    """Takes what the backend sends, message by message, and gives the merged whole.

    Pieces of text of one kind (said or thought) become one part. A part with a thought signature stays as it came,
    because the backend wants it back so.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._pieces: list[str] = []
        self._thinking = False
        self._ends = LlmResponse()
        self._heard = False

    def take(self, message: LlmResponse) -> Iterator[LlmResponse]:
        """Adds a message; gives its new text as partial responses, a thought apart from what is said."""
        self._heard = self._heard or message != _SILENCE
        for name in ("usage_metadata", "finish_reason", "error_code", "error_message", "model_version"):
            if (value := getattr(message, name)) is not None:
                setattr(self._ends, name, value)
        if message.grounding_metadata is not None:
            self._ends.grounding_metadata = {**(self._ends.grounding_metadata or {}), **message.grounding_metadata}
        for part in (message.content.parts if message.content is not None else None) or []:
            if (new := self._add(part)) is not None:
                yield LlmResponse(content=Content(role="model", parts=[new]), partial=True)

    def whole(self, *, partial: bool | None = None) -> LlmResponse:
        """The answer; raises `ModelError` when nothing came at all."""
        if not self._heard:
            raise ModelError("The model gave no answer.", recoverable=True)
        self._flush()
        content = Content(role="model", parts=self._parts) if self._parts else None
        reason = self._ends.finish_reason
        cut_short = reason is not None and reason not in (STOP, "FINISH_REASON_UNSPECIFIED")
        error_code = self._ends.error_code or (reason if cut_short else None)
        return self._ends.model_copy(update={"content": content, "partial": partial, "error_code": error_code})

    def _add(self, part: Part) -> Part | None:
        if part.text is None or part.thought_signature is not None:
            if part != _NOTHING:
                self._flush()
                self._parts.append(part)
            return Part(text=part.text, thought=part.thought) if part.text else None
        if not part.text:
            return None
        if bool(part.thought) != self._thinking:
            self._flush()
            self._thinking = bool(part.thought)
        self._pieces.append(part.text)
        return part

    def _flush(self) -> None:
        if self._pieces:
            self._parts.append(Part(text="".join(self._pieces), thought=self._thinking or None))
            self._pieces = []
