"""The form that an answer must have, as OpenAI wants it: strict where the schema can be, else as it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NESTED_LISTS = ("anyOf", "allOf", "oneOf")
_NOT_STRICT = frozenset({"default", "title"})


def response_format(schema: Mapping[str, Any], *, name: str = "answer") -> dict[str, Any]:
    """The `response_format` of a request whose answer is JSON by `schema`."""
    strict = strict_form(schema)
    described = {"name": name, "schema": strict if strict is not None else dict(schema), "strict": strict is not None}
    return {"type": "json_schema", "json_schema": described}


def strict_form(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """`schema` with all properties required and no others allowed; None when it has objects of unknown properties."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}  # nothing may stand beside it
    written = {key: value for key, value in schema.items() if key not in _NOT_STRICT}
    if schema.get("type") == "object" or "properties" in schema:
        if not schema.get("properties") or isinstance(schema.get("additionalProperties"), Mapping):
            return None
        written["additionalProperties"] = False
        written["required"] = list(schema["properties"])
    for key in ("properties", "$defs"):
        if isinstance(schema.get(key), Mapping):
            written[key] = {name: strict_form(inner) for name, inner in schema[key].items()}
    for key in _NESTED_LISTS:
        if key in schema:
            written[key] = [strict_form(inner) for inner in schema[key]]
    if isinstance(schema.get("items"), Mapping):
        written["items"] = strict_form(schema["items"])
    nested = [written.get("items", {}), *(item for key in _NESTED_LISTS for item in written.get(key, ()))]
    named = [inner for key in ("properties", "$defs") for inner in written.get(key, {}).values()]
    return None if None in (*nested, *named) else written
