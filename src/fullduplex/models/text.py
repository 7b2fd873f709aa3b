"""The interface above all backends of text turns: a conversation goes up whole, one answer comes down.

A text model keeps nothing between two requests. It knows its wire; it knows nothing of sessions, agents or events. One
contract suite (`tests/models/text/test_contract.py`) runs against every backend. Live conversations are `base`.
"""

from __future__ import annotations

import types as pytypes
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fullduplex.types.config import GenerateContentConfig
from fullduplex.types.content import Content, Tool
from fullduplex.types.live import UsageMetadata
from fullduplex.types.struct import Message, coerce, coerce_list

OutputSchema: TypeAlias = Mapping[str, Any] | type[Any] | pytypes.GenericAlias
"""What an answer must look like: a pydantic model, another annotation that pydantic reads, or a schema as a dict."""


@dataclass
class LlmRequest:
    """One question to a model: all that was said so far, and how to answer it.

    `contents` are oldest first, tool calls and their answers among them. `tools` holds function declarations and the
    tools that the backend runs itself. With `output_schema` the answer's text is JSON of that form. In `config` the
    fields `tools`, `system_instruction` and `http_options` are not read: the first two stand here.
    """

    model: str = ""
    contents: list[Content] = field(default_factory=list)
    system_instruction: str = ""
    tools: list[Tool] = field(default_factory=list)
    config: GenerateContentConfig = field(default_factory=GenerateContentConfig)
    output_schema: OutputSchema | None = None

    def __post_init__(self) -> None:
        self.contents = coerce_list(Content, self.contents)
        self.tools = coerce_list(Tool, self.tools)


class LlmResponse(Message):
    """An answer, or with `partial` a piece of its text; its fields are those of an event.

    `finish_reason` is in Gemini's words (`STOP`, `MAX_TOKENS`, `SAFETY`, …). A reason other than `STOP` is also the
    `error_code`, and whatever content there is was cut short.
    """

    content: Content | None = None
    partial: bool | None = None
    usage_metadata: UsageMetadata | None = None
    finish_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    grounding_metadata: dict[str, Any] | None = None
    model_version: str | None = None

    def __post_init__(self) -> None:
        if self.content is not None and not isinstance(self.content, Content):
            self.content = coerce(Content, self.content)


class TextModel(ABC):
    """A model that can be written to. One object may answer many requests at once."""

    model: str

    @property
    def takes_tools_with_schema(self) -> bool:
        """Whether one request may have both tools and an `output_schema`."""
        return True

    @abstractmethod
    def generate(self, request: LlmRequest, *, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        """Answers `request`.

        Without `stream` it yields one response. With it, the new text of each message from the backend comes with
        `partial=True`, thoughts apart from text, and at the end the whole answer once more with `partial=False`: text
        merged, in order, function calls whole. Only the whole has usage, finish reason and calls.

        Raises `InvalidConfig` for settings and `InvalidInput` for content that this backend cannot honour, and
        `ModelError` when the backend refuses, fails or cannot be reached; what was yielded before is then no answer.
        """

    async def close(self) -> None:  # noqa: B027 (a model that keeps nothing has nothing to free)
        """Frees the connections that are kept for later requests. The model may be used again."""
