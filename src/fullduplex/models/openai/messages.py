"""A conversation as the messages of a chat completion. Pure.

Thoughts of the model stay here: the API has no place for them. Calls without an id get one, because the API tells
answers apart by id alone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from fullduplex.errors import InvalidInput
from fullduplex.types.content import Blob, Content, FunctionCall, FunctionResponse, Part
from fullduplex.types.struct import encode_json

Json: TypeAlias = dict[str, Any]

_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def write_messages(system_instruction: str, contents: list[Content]) -> list[Json]:
    """The messages, oldest first. Raises `InvalidInput` for content that the API cannot take."""
    writer = _Writer()
    messages: list[Json] = [{"role": "system", "content": system_instruction}] if system_instruction else []
    for content in contents:
        write = writer.of_model if content.role == "model" else writer.of_user
        messages.extend(write(content.parts or []))
    return messages


class _Writer:
    """Writes turn after turn, and remembers which calls are still to be answered."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []
        self._given = 0

    def of_model(self, parts: list[Part]) -> Iterator[Json]:
        said = "".join(text for part in parts if (text := _said(part)))
        calls = [self._call(part.function_call) for part in parts if part.function_call is not None]
        if said or calls:
            message: Json = {"role": "assistant", "content": said or None}
            yield {**message, "tool_calls": calls} if calls else message

    def of_user(self, parts: list[Part]) -> Iterator[Json]:
        for part in parts:
            if part.function_response is not None:
                yield self._answer(part.function_response)
        rest = [_part(part) for part in parts if part.function_response is None and not part.thought]
        if len(rest) == 1 and rest[0]["type"] == "text":
            yield {"role": "user", "content": rest[0]["text"]}  # what every server understands
        elif rest:
            yield {"role": "user", "content": rest}

    def _call(self, call: FunctionCall) -> Json:
        self._given += 1
        call_id = call.id or f"call_{self._given}"
        self._open.append((call_id, call.name or ""))
        return {
            "id": call_id,
            "type": "function",
            "function": {"name": call.name or "", "arguments": _json(call.args or {}, "functionCall.args")},
        }

    def _answer(self, response: FunctionResponse) -> Json:
        fits = [
            i for i, (key, name) in enumerate(self._open) if (response.id or key, response.name or name) == (key, name)
        ]
        if not fits and not response.id:
            raise InvalidInput(
                f"an answer of {response.name!r} to no call", code="invalid_content", field="functionResponse"
            )
        call_id = self._open.pop(fits[0])[0] if fits else response.id
        return {
            "role": "tool",
            "tool_call_id": call_id,
            "content": _json(response.response or {}, "functionResponse.response"),
        }


def _said(part: Part) -> str:
    if part.executable_code is not None:
        return f"\n```{(part.executable_code.language or '').lower()}\n{part.executable_code.code or ''}\n```\n"
    if part.code_execution_result is not None:
        return f"\n```\n{part.code_execution_result.output or ''}\n```\n"
    return (part.text or "") if not part.thought else ""


def _part(part: Part) -> Json:
    if part.inline_data is not None:
        return _media(part.inline_data)
    if part.file_data is not None:
        uri, mime = part.file_data.file_uri or "", part.file_data.mime_type or "image/"
        if uri.startswith(("https://", "http://")) and mime.startswith("image/"):
            return {"type": "image_url", "image_url": {"url": uri}}
        raise InvalidInput(f"{uri} cannot be sent to this model", code="unsupported_mime_type", field="fileData")
    if part.function_call is not None:
        raise InvalidInput(
            "User message cannot contain function calls.", code="invalid_content", field="content.parts.functionCall"
        )
    return {"type": "text", "text": _said(part)}


def _media(blob: Blob) -> Json:
    mime = (blob.mime_type or "").split(";")[0].strip().lower()
    data = base64.b64encode(blob.data or b"").decode("ascii")
    if mime.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data}"}}
    if mime in _AUDIO:
        return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO[mime]}}
    raise InvalidInput(
        f"{mime or 'media without a mime type'} cannot be sent to this model",
        code="unsupported_mime_type",
        field="inlineData",
    )


def _json(value: Json, field: str) -> str:
    try:
        return encode_json(value).decode()
    except (NotImplementedError, TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"not expressible in JSON: {error}", code="not_json", field=field) from None
