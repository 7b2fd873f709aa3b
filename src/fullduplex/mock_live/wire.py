"""Client messages as protobuf JSON allows them, brought to one form: camelCase dicts with base64 decoded on demand.

Knows which fields exist (so that unknown ones can be refused as the real server does), and nothing of what they mean.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

JsonDict = dict[str, Any]


class Violation(Exception):
    """The client broke the protocol: the connection is to be closed with `code` and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Free:
    """Marks a field whose value is the user's own JSON: never renamed, never checked."""


class Repeated:
    """Marks a list of messages (or of leaves, when `item` is a type)."""

    def __init__(self, item: Any) -> None:
        self.item = item


_FREE = Free()
_BLOB = {"data": str, "mimeType": str, "displayName": str}
_FUNCTION_RESPONSE = {
    "id": str,
    "name": str,
    "response": _FREE,
    "scheduling": str,
    "willContinue": bool,
    "parts": _FREE,
}
_PART = {
    "text": str,
    "thought": bool,
    "thoughtSignature": str,
    "inlineData": _BLOB,
    "fileData": {"displayName": str, "fileUri": str, "mimeType": str},
    "functionCall": {"id": str, "name": str, "args": _FREE, "partialArgs": _FREE, "willContinue": bool},
    "functionResponse": _FUNCTION_RESPONSE,
    "executableCode": _FREE,
    "codeExecutionResult": _FREE,
    "videoMetadata": _FREE,
    "mediaResolution": _FREE,
    "partMetadata": _FREE,
    "toolCall": _FREE,
    "toolResponse": _FREE,
}
_CONTENT = {"role": str, "parts": Repeated(_PART)}
_VOICE = {
    "prebuiltVoiceConfig": {"voiceName": str},
    "replicatedVoiceConfig": _FREE,
    "voice": _FREE,
}
_GENERATION = {
    "responseModalities": Repeated(str),
    "temperature": float,
    "topP": float,
    "topK": float,
    "maxOutputTokens": int,
    "candidateCount": int,
    "presencePenalty": float,
    "frequencyPenalty": float,
    "seed": int,
    "stopSequences": Repeated(str),
    "mediaResolution": str,
    "speechConfig": {"voiceConfig": _VOICE, "languageCode": str, "multiSpeakerVoiceConfig": _FREE},
    "thinkingConfig": {"includeThoughts": bool, "thinkingBudget": int, "thinkingLevel": str},
    "enableAffectiveDialog": bool,
    "translationConfig": _FREE,
    "responseMimeType": str,
    "responseSchema": _FREE,
    "responseJsonSchema": _FREE,
    "responseLogprobs": bool,
    "logprobs": int,
    "audioTimestamp": bool,
    "routingConfig": _FREE,
    "modelSelectionConfig": _FREE,
    "audioTranscriptionConfig": _FREE,
}
_TOOL = {
    "functionDeclarations": Repeated(
        {
            "name": str,
            "description": str,
            "parameters": _FREE,
            "parametersJsonSchema": _FREE,
            "response": _FREE,
            "responseJsonSchema": _FREE,
            "behavior": str,
        }
    ),
    "googleSearch": _FREE,
    "googleSearchRetrieval": _FREE,
    "googleMaps": _FREE,
    "enterpriseWebSearch": _FREE,
    "codeExecution": _FREE,
    "urlContext": _FREE,
    "retrieval": _FREE,
    "computerUse": _FREE,
    "fileSearch": _FREE,
    "mcpServers": _FREE,
    "parallelAiSearch": _FREE,
    "exaAiSearch": _FREE,
}
_TRANSCRIPTION = {
    "languageCodes": Repeated(str),
    "languageAuto": _FREE,
    "languageHints": _FREE,
    "customVocabulary": _FREE,
    "adaptationPhrases": _FREE,
    "wordTimestamp": bool,
    "diarization": _FREE,
    "mode": str,
    "sourceText": _FREE,
}
_SETUP = {
    "model": str,
    "generationConfig": _GENERATION,
    "systemInstruction": _CONTENT,
    "tools": Repeated(_TOOL),
    "sessionResumption": {"handle": str, "transparent": bool},
    "inputAudioTranscription": _TRANSCRIPTION,
    "outputAudioTranscription": _TRANSCRIPTION,
    "realtimeInputConfig": {
        "automaticActivityDetection": {
            "disabled": bool,
            "startOfSpeechSensitivity": str,
            "endOfSpeechSensitivity": str,
            "prefixPaddingMs": int,
            "silenceDurationMs": int,
        },
        "activityHandling": str,
        "turnCoverage": str,
        "interimTranscriptTimestampEnabled": bool,
    },
    "contextWindowCompression": {"triggerTokens": int, "slidingWindow": {"targetTokens": int}},
    "proactivity": {"proactiveAudio": bool, "proactiveVideo": bool},
    "historyConfig": {"initialHistoryInClientContent": bool},
    "explicitVadSignal": bool,
    "avatarConfig": _FREE,
    "safetySettings": _FREE,
    "labels": _FREE,
}
_MESSAGE = {
    "setup": _SETUP,
    "clientContent": {"turns": Repeated(_CONTENT), "turnComplete": bool},
    "realtimeInput": {
        "audio": _BLOB,
        "video": _BLOB,
        "mediaChunks": Repeated(_BLOB),
        "text": str,
        "activityStart": {},
        "activityEnd": {},
        "audioStreamEnd": bool,
    },
    "toolResponse": {"functionResponses": Repeated(_FUNCTION_RESPONSE)},
    "contextUpdate": {"systemInstruction": _CONTENT, "tools": {"tools": Repeated(_TOOL)}},
}

_SNAKE = re.compile(r"_([a-z0-9])")
_URLSAFE = str.maketrans("-_", "+/")


def camel(name: str) -> str:
    """`mime_type` → `mimeType`; camelCase stays as it is."""
    return _SNAKE.sub(lambda match: match.group(1).upper(), name) if "_" in name else name


def parse(raw: str | bytes, strict: bool = True) -> JsonDict:
    """One client frame as a camelCase dict with exactly one of the message kinds in it.

    Null values count as absent, as in protobuf JSON. Raises Violation (1007) for what the real server would refuse;
    with `strict=False` unknown fields are dropped and wrong types let through.
    """
    try:
        message = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Violation(1007, f"Invalid JSON payload received. {error}") from error
    if not isinstance(message, dict):
        raise Violation(1007, "Invalid JSON payload received. Expected an object.")
    found: JsonDict = _message(message, _MESSAGE, "", strict)
    if len(found) != 1:
        kinds = ", ".join(sorted(found)) or "none"
        raise Violation(1007, f"A client message must have exactly one payload field, found {kinds}.")
    return found


def decode_bytes(text: str) -> bytes:
    """Base64 in either alphabet, padded or not. Raises Violation (1007)."""
    standard = text.translate(_URLSAFE).rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Violation(1007, f"Invalid value at 'data' (TYPE_BYTES), Base64 decoding failed: {error}.") from error


def _message(value: JsonDict, schema: JsonDict, path: str, strict: bool) -> JsonDict:
    result: JsonDict = {}
    for name, item in value.items():
        field = camel(name)
        if field not in schema:
            if strict:
                where = f" at '{path}'" if path else ""
                raise Violation(
                    1007, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
                )
            continue
        if item is not None:
            result[field] = _value(item, schema[field], f"{path}.{field}".lstrip("."), strict)
    return result


def _value(item: Any, schema: Any, path: str, strict: bool) -> Any:
    if isinstance(schema, Free):
        return item
    if isinstance(schema, dict):
        if isinstance(item, dict):
            return _message(item, schema, path, strict)
        raise _wrong(path, "an object", item)
    if isinstance(schema, Repeated):
        if isinstance(item, list):
            return [_value(one, schema.item, f"{path}[{i}]", strict) for i, one in enumerate(item)]
        raise _wrong(path, "a list", item)
    if strict and not _fits(item, schema):
        raise _wrong(path, schema.__name__, item)
    return item


def _fits(item: Any, kind: type) -> bool:
    if kind is bool:
        return isinstance(item, bool)
    if kind is str:
        return isinstance(item, str)
    if isinstance(item, bool):
        return False
    if isinstance(item, str):  # protobuf JSON writes 64-bit integers as strings
        return bool(re.fullmatch(r"-?\d+(\.\d+)?", item))
    return isinstance(item, (int, float)) and (kind is float or float(item).is_integer())


def _wrong(path: str, wanted: str, item: Any) -> Violation:
    return Violation(1007, f"Invalid value at '{path}': expected {wanted}, got {type(item).__name__}.")
