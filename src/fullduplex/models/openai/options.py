"""The body of a chat completion request, apart from its messages: tools, settings, the form of the answer. Pure."""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_snake

from fullduplex.errors import InvalidConfig
from fullduplex.models import schemas
from fullduplex.models.openai.schema import response_format
from fullduplex.models.text import LlmRequest
from fullduplex.types.config import GenerateContentConfig
from fullduplex.types.content import FunctionDeclaration, Tool

_SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop_sequences": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_READ_HERE = frozenset({"max_output_tokens", "response_schema", "response_json_schema", "response_mime_type"})
_ELSEWHERE = frozenset({"tools", "system_instruction", "http_options", "automatic_function_calling"})


def write_options(request: LlmRequest, *, limit_name: str) -> tuple[dict[str, Any], list[str]]:
    """The fields of the body, and the names of settings that the API does not know.

    `limit_name` is what the server calls the highest number of tokens. Raises `InvalidConfig` for a tool that only
    Gemini runs.
    """
    body: dict[str, Any] = {}
    if tools := [_function(declaration) for tool in request.tools for declaration in _declarations(tool)]:
        body["tools"] = tools
    given = _given(request.config)
    for name, wire_name in _SETTINGS.items():
        if name in given:
            body[wire_name] = given[name]
    if "max_output_tokens" in given:
        body[limit_name] = given["max_output_tokens"]
    schema = request.output_schema or given.get("response_json_schema") or given.get("response_schema")
    if schema is not None:
        body["response_format"] = response_format(schemas.output_schema(schema))
    elif given.get("response_mime_type") == "application/json":
        body["response_format"] = {"type": "json_object"}
    return body, sorted(given.keys() - _SETTINGS.keys() - _READ_HERE - _ELSEWHERE)


def _given(config: GenerateContentConfig) -> dict[str, Any]:
    names = (*type(config).model_fields, *(config.model_extra or {}))
    return {to_snake(name): value for name in names if (value := getattr(config, name)) is not None}


def _declarations(tool: Tool) -> list[FunctionDeclaration]:
    for name in ("google_search", "code_execution", "url_context", "retrieval"):
        if getattr(tool, name) is not None:
            raise InvalidConfig(f"The tool {name} is run by Gemini models only; this model does not have it.")
    return tool.function_declarations or []


def _function(declaration: FunctionDeclaration) -> dict[str, Any]:
    function: dict[str, Any] = {"name": declaration.name, "parameters": schemas.parameters_of(declaration)}
    if declaration.description:
        function["description"] = declaration.description
    return {"type": "function", "function": function}
