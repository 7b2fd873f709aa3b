"""What OpenAI refuses in the body of a chat completion request, in its words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FIELDS = _names(
    "model messages tools tool_choice parallel_tool_calls temperature top_p n stream stream_options stop "
    "max_tokens max_completion_tokens presence_penalty frequency_penalty logit_bias logprobs top_logprobs user seed "
    "response_format reasoning_effort modalities audio metadata store service_tier prediction verbosity"
)
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})


@dataclass(frozen=True)
class Complaint:
    """What is wrong, and where."""

    message: str
    code: str | None = None
    param: str | None = None


def check_body(body: dict[str, Any]) -> Iterator[Complaint]:
    """Everything that is wrong with a request, the worst first."""
    for name in body.keys() - _FIELDS:
        yield Complaint(f"Unknown parameter: '{name}'.", "unknown_parameter", name)
    messages = body.get("messages")
    if not isinstance(messages, list):
        yield Complaint("Missing required parameter: 'messages'.", "missing_required_parameter", "messages")
        return
    if not messages:
        yield Complaint("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
                        "array instead.", "empty_array", "messages")  # fmt: skip
    yield from _check_messages(messages)
    for tool in body.get("tools") or []:
        yield from _check_tool(tool)
    described = (body.get("response_format") or {}).get("json_schema")
    if described is not None:
        yield from _check_format(described)


def _check_messages(messages: list[dict[str, Any]]) -> Iterator[Complaint]:
    waiting: list[str] = []
    for index, message in enumerate(messages):
        role = message.get("role")
        place = f"messages.[{index}].role"
        if role not in _ROLES:
            yield Complaint(f"Invalid value: '{role}'.", "invalid_value", f"messages[{index}].role")
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                yield Complaint("Invalid parameter: messages with role 'tool' must be a response to a preceeding "
                                "message with 'tool_calls'.", None, place)  # fmt: skip
            else:
                waiting.remove(message["tool_call_id"])
        elif waiting:
            yield _unanswered(waiting, place)
            waiting = []
        waiting += [call["id"] for call in message.get("tool_calls") or []]
    if waiting:
        yield _unanswered(waiting, "messages")


def _unanswered(ids: list[str], place: str) -> Complaint:
    return Complaint(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(ids)}",
        None,
        place,
    )


def _check_tool(tool: dict[str, Any]) -> Iterator[Complaint]:
    function = tool.get("function") or {}
    parameters = function.get("parameters") or {}
    for schema in _schemas(parameters):
        kinds = schema.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind not in _TYPES:
                yield Complaint(
                    f"Invalid schema for function '{function.get('name')}': '{kind}' is not valid under any of the "
                    "given schemas.",
                    "invalid_function_parameters",
                    "tools[0].function.parameters",
                )


def _check_format(described: dict[str, Any]) -> Iterator[Complaint]:
    for schema in _schemas(described.get("schema") or {}) if described.get("strict") else ():
        if schema.get("type") != "object":
            continue
        if schema.get("additionalProperties") is not False:
            yield _bad_format(described, "'additionalProperties' is required to be supplied and to be false.")
        if sorted(schema.get("required") or []) != sorted(schema.get("properties") or {}):
            yield _bad_format(described, "'required' is required to be supplied and to be an array including every "
                                         "key in properties.")  # fmt: skip


def _bad_format(described: dict[str, Any], what: str) -> Complaint:
    return Complaint(
        f"Invalid schema for response_format '{described.get('name')}': In context=(), {what}", None, "response_format"
    )


def _schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for group in ("properties", "$defs"):
        for inner in (schema.get(group) or {}).values():
            yield from _schemas(inner)
    for inner in [*(schema.get("anyOf") or []), schema.get("items")]:
        if isinstance(inner, dict):
            yield from _schemas(inner)
