"""Events as Vertex AI's Sessions API writes them (`SessionEvent`), and its times.

An event is sent twice: in the API's own fields, for other readers, and whole, as `rawEvent`, because those fields know
less than an event holds. What is read is `rawEvent` where there is one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fullduplex.errors import InvalidInput
from fullduplex.events import Event
from fullduplex.types.struct import plain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ACTIONS = ("skipSummarization", "stateDelta", "artifactDelta", "escalate", "requestedAuthConfigs")
_METADATA = ("partial", "turnComplete", "interrupted", "branch", "customMetadata", "groundingMetadata")
_TRANSCRIPTIONS = ("inputTranscription", "outputTranscription")


def to_micros(time: str) -> int:
    """Microseconds since the epoch, of a time as the API writes it (RFC 3339)."""
    return (datetime.fromisoformat(time) - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> str:
    """The API's spelling of a time."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_wire(event: Event, micros: int) -> dict[str, Any]:
    """`event` as a `SessionEvent` of the time `micros`; raises `InvalidInput` (`not_json`)."""
    raw: dict[str, Any] = plain(event)
    actions = {name: raw["actions"][name] for name in _ACTIONS if raw["actions"].get(name)}
    if event.actions.transfer_to_agent:
        actions["transferAgent"] = event.actions.transfer_to_agent
    metadata = {name: raw[name] for name in _METADATA if raw.get(name) is not None}
    if event.long_running_tool_ids:
        metadata["longRunningToolIds"] = sorted(event.long_running_tool_ids)
    for name in _TRANSCRIPTIONS:
        if raw.get(name) is not None:
            metadata[name] = {key: raw[name][key] for key in ("text", "finished") if key in raw[name]}
    wire = {
        "author": event.author or "user",
        "invocationId": event.invocation_id or event.id,  # the API wants one
        "timestamp": from_micros(micros),
        "content": raw.get("content"),
        "actions": actions,
        "errorCode": event.error_code,
        "errorMessage": event.error_message,
        "eventMetadata": metadata,
        "rawEvent": raw,
    }
    return {name: value for name, value in wire.items() if value}


def from_wire(wire: dict[str, Any]) -> Event:
    """The event that a `SessionEvent` tells of."""
    if raw := wire.get("rawEvent"):
        try:
            return Event.model_validate(whole(raw))
        except InvalidInput:
            pass  # another program's raw events may have another shape; the API's own fields have always the same
    actions = dict(wire.get("actions") or {})
    actions["transferToAgent"] = actions.pop("transferAgent", None) or None
    return Event.model_validate(
        {
            **whole(wire.get("eventMetadata") or {}),
            "id": str(wire.get("name", "")).rpartition("/")[2],
            "timestamp": to_micros(wire["timestamp"]) / 1e6,
            "author": wire.get("author"),
            "invocationId": wire.get("invocationId"),
            "content": whole(wire.get("content")),
            "actions": whole(actions),
            "errorCode": wire.get("errorCode"),
            "errorMessage": wire.get("errorMessage"),
        }
    )


def whole(value: Any) -> Any:
    """`value` with its whole numbers as integers: the API keeps all numbers as floating-point ones."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return value
