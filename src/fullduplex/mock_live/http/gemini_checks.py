"""What generateContent refuses in the body of a request, in its words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FIELDS = _names(
    "model contents systemInstruction tools toolConfig generationConfig safetySettings cachedContent serviceTier store"
)
_VERTEX_FIELDS = frozenset({"labels", "modelArmorConfig"})
_GENERATION_FIELDS = _names(
    "stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount "
    "maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs "
    "enableEnhancedCivicAnswers speechConfig thinkingConfig imageConfig mediaResolution audioTimestamp "
    "routingConfig modelConfig enableAffectiveDialog"
)
_PART_DATA = _names("text inlineData fileData functionCall functionResponse executableCode codeExecutionResult")


def check_body(body: dict[str, Any], *, vertex: bool) -> Iterator[str]:
    """Everything that is wrong with a request, the worst first."""
    yield from _unknown(body, _FIELDS | _VERTEX_FIELDS if vertex else _FIELDS, "")
    yield from _unknown(body.get("generationConfig") or {}, _GENERATION_FIELDS, " at 'generation_config'")
    contents = body.get("contents") or []
    if not contents:
        yield "* GenerateContentRequest.contents: contents is not specified\n"
    for index, content in enumerate(contents):
        yield from _check_content(index, content)
    yield from _check_calls(contents)


def _unknown(fields: dict[str, Any], known: frozenset[str], where: str) -> Iterator[str]:
    for name in fields:
        if name not in known:
            yield f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'


def _check_content(index: int, content: dict[str, Any]) -> Iterator[str]:
    place = f"* GenerateContentRequest.contents[{index}].parts"
    if content.get("role", "user") not in ("user", "model", "function"):
        yield "Please use a valid role: user, model."
    if not content.get("parts"):
        yield f"{place}: contents.parts must not be empty.\n"
    for number, part in enumerate(content.get("parts") or []):
        if len(_PART_DATA & part.keys()) != 1:
            yield f"{place}[{number}].data: required oneof field 'data' must have one initialized field\n"


def _check_calls(contents: list[dict[str, Any]]) -> Iterator[str]:
    before: dict[str, Any] = {}
    for content in contents:
        calls, responses = _count(before, "functionCall"), _count(content, "functionResponse")
        if (calls or responses) and calls != responses:
            yield (
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        if _count(content, "functionCall") and before.get("role", "user") == "model":
            yield (
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        before = content


def _count(content: dict[str, Any], kind: str) -> int:
    return sum(kind in part for part in content.get("parts") or [])
