"""An MCP tool's JSON Schema in Gemini's spelling, which is the one that declarations have here.

Schemas come from servers that nobody here has written: references are followed, but not without end.
"""

from __future__ import annotations

from typing import Any

# What Gemini's schema knows besides the type, `items`, `properties` and `anyOf`.
_KEPT = (
    "title",
    "description",
    "default",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "minProperties",
    "maxProperties",
)
_FORMATS = {
    "STRING": frozenset({"date-time"}),
    "INTEGER": frozenset({"int32", "int64"}),
    "NUMBER": frozenset({"float", "double"}),
}
_TYPES = frozenset({"STRING", "INTEGER", "NUMBER", "BOOLEAN", "ARRAY", "OBJECT"})
_DEEPEST = 12
_LARGEST = 2_000


def parameters_of(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The parameters of a function whose input has this JSON Schema; None when it takes none."""
    translated = _Translation(schema).of(schema)
    return {**translated, "type": "OBJECT"} if translated.get("properties") else None


class _Translation:
    """One schema on its way; `root` is where its references point."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._nodes = 0

    def of(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """One node and all below it. What is nested too deep, or too much of it, is any object."""
        self._nodes += 1
        if depth > _DEEPEST or self._nodes > _LARGEST:
            return {"type": "OBJECT"}
        if not isinstance(schema, dict):  # `true`: anything
            return {"type": "STRING"}
        schema = self._merged(schema)
        result = {key: schema[key] for key in _KEPT if schema.get(key) is not None}
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        if alternatives and "properties" not in schema:
            return {**self._union(alternatives, depth), **result}
        kinds = schema.get("type")
        if isinstance(kinds, list) and len([kind for kind in kinds if kind != "null"]) > 1:
            return {**self._union([{**schema, "type": kind} for kind in kinds], depth), **result}
        if isinstance(kinds, list):
            if "null" in kinds:
                result["nullable"] = True
            kinds = next((kind for kind in kinds if kind != "null"), None)
        return {**result, **self._simple(schema, kinds, depth)}

    def _simple(self, schema: dict[str, Any], kind: Any, depth: int) -> dict[str, Any]:
        choices = [schema["const"]] if "const" in schema else schema.get("enum")
        result: dict[str, Any] = {"type": _kind(schema, kind, choices)}
        if choices and all(isinstance(choice, str) for choice in choices):
            result["enum"] = choices
        elif choices:
            # Gemini's schema knows enums of strings alone.
            told = "One of: " + ", ".join(map(str, choices))
            result["description"] = f"{schema['description']} {told}" if schema.get("description") else told
        if schema.get("format") in _FORMATS.get(result["type"], ()):
            result["format"] = schema["format"]
        if result["type"] == "ARRAY":
            result["items"] = self.of(schema.get("items", True), depth + 1)
        properties = schema.get("properties")
        if result["type"] == "OBJECT" and isinstance(properties, dict):
            result["properties"] = {key: self.of(value, depth + 1) for key, value in properties.items()}
            if required := [key for key in schema.get("required", ()) if key in properties]:
                result["required"] = required
        return result

    def _union(self, alternatives: list[Any], depth: int) -> dict[str, Any]:
        real = [one for one in alternatives if not (isinstance(one, dict) and one.get("type") == "null")]
        inner = [self.of(one, depth + 1) for one in real]
        result = inner[0] if len(inner) == 1 else {"anyOf": inner}
        return {**result, "nullable": True} if len(real) < len(alternatives) else result

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The node with its references and its `allOf` taken in; what it says itself goes before."""
        seen = 0
        while "$ref" in schema and (seen := seen + 1) <= _DEEPEST:
            own = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._target(schema["$ref"]), **own}
        for part in schema.get("allOf") or ():
            self._nodes += 1
            if isinstance(part, dict) and self._nodes <= _LARGEST:
                part = {**self._target(part.get("$ref")), **part}
                properties = {**part.get("properties", {}), **schema.get("properties", {})}
                required = [*part.get("required", ()), *schema.get("required", ())]
                schema = {**part, **schema, "properties": properties, "required": required}
        return {key: value for key, value in schema.items() if value not in ([], {}) or key == "default"}

    def _target(self, reference: Any) -> dict[str, Any]:
        target: Any = self._root
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return {}
        for step in reference[2:].split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            target = target.get(step) if isinstance(target, dict) else None
        return target if isinstance(target, dict) else {}


def _kind(schema: dict[str, Any], kind: Any, choices: list[Any] | None) -> str:
    if isinstance(kind, str) and kind.upper() in _TYPES:
        return kind.upper()
    if "properties" in schema or "additionalProperties" in schema:
        return "OBJECT"
    if "items" in schema or "prefixItems" in schema:
        return "ARRAY"
    for python, name in ((bool, "BOOLEAN"), (int, "INTEGER"), (float, "NUMBER")):
        if choices and all(isinstance(choice, python) for choice in choices):
            return name
    return "STRING"
