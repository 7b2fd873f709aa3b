"""What is said, shown and called: content and its parts, as users and models exchange them.

Field names and JSON are those of `google.genai.types`, so that programs move over by an import. What the wire of a
live connection wraps around them is in `live`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from fullduplex.errors import InvalidInput
from fullduplex.types.binary import Base64
from fullduplex.types.struct import Message, coerce, coerce_list


class Blob(Message, gc=False):
    """Raw media: `data` is bytes (audio in: PCM16 little-endian mono at 16,000 Hz), `mime_type` says which."""

    data: Base64 | None = None
    mime_type: str | None = None
    display_name: str | None = None

    def __post_init__(self) -> None:
        if self.data is not None and type(self.data) is not Base64:
            if not isinstance(self.data, (bytes, bytearray, memoryview)):
                raise InvalidInput(
                    f"data is bytes, not {type(self.data).__name__}", code="invalid_message", field="data"
                )
            self.data = Base64(self.data)


class FileData(Message):
    """A reference to stored media."""

    file_uri: str | None = None
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(Message):
    """The model asks for a tool: `name` with `args`; the answer carries the same `id`."""

    id: str | None = None
    args: dict[str, Any] | None = None
    name: str | None = None
    partial_args: list[dict[str, Any]] | None = None
    will_continue: bool | None = None


class FunctionResponse(Message):
    """A tool's answer to the call with the same `id`."""

    id: str | None = None
    name: str | None = None
    response: dict[str, Any] | None = None
    scheduling: str | None = None
    will_continue: bool | None = None
    parts: list[dict[str, Any]] | None = None


class ExecutableCode(Message):
    """Code that the model wrote and its backend runs."""

    code: str | None = None
    language: str | None = None
    id: str | None = None


class CodeExecutionResult(Message):
    """What the backend's run of the model's code gave."""

    outcome: str | None = None
    output: str | None = None
    id: str | None = None


class Part(Message):
    """One piece of a content: exactly one of its kinds is set; `thought` marks text that is not for the user."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None
    thought: bool | None = None
    thought_signature: Base64 | None = None
    video_metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.inline_data is not None:
            if type(self.inline_data) is not Blob:
                self.inline_data = coerce(Blob, self.inline_data)
        elif self.text is None:
            self._read_the_rest()
        if self.thought_signature is not None and type(self.thought_signature) is not Base64:
            self.thought_signature = Base64(self.thought_signature)

    def _read_the_rest(self) -> None:
        if self.function_call is not None:
            self.function_call = coerce(FunctionCall, self.function_call)
        if self.function_response is not None:
            self.function_response = coerce(FunctionResponse, self.function_response)
        if self.file_data is not None:
            self.file_data = coerce(FileData, self.file_data)
        if self.executable_code is not None:
            self.executable_code = coerce(ExecutableCode, self.executable_code)
        if self.code_execution_result is not None:
            self.code_execution_result = coerce(CodeExecutionResult, self.code_execution_result)

    @classmethod
    def from_text(cls, *, text: str) -> Part:
        """A part that holds `text`."""
        return cls(text=text)

    @classmethod
    def from_bytes(cls, *, data: bytes, mime_type: str) -> Part:
        """A part that holds media: raw `data` of `mime_type`."""
        return cls(inline_data=Blob(data=data, mime_type=mime_type))

    @classmethod
    def from_uri(cls, *, file_uri: str, mime_type: str | None = None) -> Part:
        """A part that refers to stored media."""
        return cls(file_data=FileData(file_uri=file_uri, mime_type=mime_type))

    @classmethod
    def from_function_call(cls, *, name: str, args: dict[str, Any]) -> Part:
        """A part in which the model calls the tool `name`."""
        return cls(function_call=FunctionCall(name=name, args=args))

    @classmethod
    def from_function_response(cls, *, name: str, response: dict[str, Any]) -> Part:
        """A part that answers a call of the tool `name`; set `.function_response.id` to the call's id."""
        return cls(function_response=FunctionResponse(name=name, response=response))


class Content(Message):
    """What one side said in one go; `role` is `user` or `model`."""

    parts: list[Part] | None = None
    role: str | None = None

    def __post_init__(self) -> None:
        parts = self.parts
        if parts is not None and not (len(parts) == 1 and type(parts) is list and type(parts[0]) is Part):
            self.parts = coerce_list(Part, parts)

    @property
    def text(self) -> str:
        """The text of all parts that are not thoughts, joined."""
        return "".join(part.text for part in self.parts or () if part.text and not part.thought)

    @property
    def function_responses(self) -> list[FunctionResponse]:
        """The answers of tools and of the user that are among the parts, in order."""
        return [part.function_response for part in self.parts or () if part.function_response is not None]


def _user() -> str:
    return "user"


class UserContent(Content):
    """A content of role `user`; a string or a list of strings and parts may be given for its parts."""

    role: str | None = msgspec.field(default_factory=_user)

    if TYPE_CHECKING:

        def __init__(
            self, parts: str | Part | Sequence[str | Part] | None = None, role: str | None = "user"
        ) -> None: ...

    def __post_init__(self) -> None:
        given: Any = self.parts
        if given is not None:
            items = given if isinstance(given, list) else [given]
            self.parts = [Part(text=item) if isinstance(item, str) else item for item in items]
        super().__post_init__()


class FunctionDeclaration(Message):
    """How a tool is shown to the model; `parameters` is a schema in Gemini's spelling (types in capitals)."""

    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: Any = None
    behavior: str | None = None
    response: dict[str, Any] | None = None


class Tool(Message):
    """A bundle of declarations, or one of the tools that the backend runs itself (`google_search={}`)."""

    function_declarations: list[FunctionDeclaration] | None = None
    google_search: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None
    retrieval: dict[str, Any] | None = None


empty: Callable[[], dict[str, Any]] = {}.copy
"""Gives a new dict. As a factory other than `dict`, so that an empty one is still written in JSON; built in, because
every event has four of them."""

ALWAYS_DICT = msgspec.field(default_factory=empty)
