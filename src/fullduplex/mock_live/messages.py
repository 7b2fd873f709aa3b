"""Builders of server messages: plain dicts, lowerCamelCase, with the names that each backend uses."""

from __future__ import annotations

import base64
import re
from typing import Any

from .handshake import Backend
from .steps import Usage

JsonDict = dict[str, Any]


def server_content(**fields: Any) -> JsonDict:
    """`{"serverContent": {…}}`."""
    return {"serverContent": fields}


def text_part(text: str, thought: bool = False) -> JsonDict:
    """A model turn with one text part."""
    part: JsonDict = {"text": text, "thought": True} if thought else {"text": text}
    return server_content(modelTurn={"role": "model", "parts": [part]})


def audio_part(pcm: bytes, rate: int) -> JsonDict:
    """A model turn with one piece of PCM16, in the standard base64 alphabet."""
    blob = {"mimeType": f"audio/pcm;rate={rate}", "data": base64.b64encode(pcm).decode()}
    return server_content(modelTurn={"role": "model", "parts": [{"inlineData": blob}]})


def transcription(field: str, text: str | None, finished: bool | None = None) -> JsonDict:
    """`field`: inputTranscription, outputTranscription or interimInputTranscription."""
    body: JsonDict = {}
    if text is not None:
        body["text"] = text
    if finished is not None:
        body["finished"] = finished
    return server_content(**{field: body})


def duration(seconds: float) -> str:
    """A protobuf duration: 10.0 → `10s`, 1.25 → `1.250s`."""
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds:.3f}s"


def usage_metadata(usage: Usage, backend: Backend, modality: str) -> JsonDict:
    """usageMetadata with the field names of this backend."""
    answer = "candidates" if backend == "vertex" else "response"
    total = usage.prompt + usage.response + (usage.thoughts or 0) + (usage.tool_use or 0)
    body: JsonDict = {
        "promptTokenCount": usage.prompt,
        f"{answer}TokenCount": usage.response,
        "totalTokenCount": total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}],
        f"{answer}TokensDetails": [{"modality": modality, "tokenCount": usage.response}],
    }
    for name, value in (
        ("thoughtsTokenCount", usage.thoughts),
        ("cachedContentTokenCount", usage.cached),
        ("toolUsePromptTokenCount", usage.tool_use),
    ):
        if value is not None:
            body[name] = value
    if backend == "vertex":
        body["trafficType"] = "ON_DEMAND"
    return body


def pieces(text: str) -> list[str]:
    """A text cut after its words, as a model streams it; joined they are the text again."""
    return re.findall(r"\S+\s*|^\s+", text)
