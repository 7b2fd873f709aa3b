"""The answer in the form that the agent's `output_schema` asks for, and the state that its `output_key` names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.errors import ModelError
from fullduplex.events import Event
from fullduplex.models.text import OutputSchema


def settle_output(agent: LlmAgent, event: Event) -> None:
    """Checks a final answer against the agent's `output_schema`, and puts it into the state of its `output_key`.

    The event's `output` is then the data. An answer that was cut short is not checked. Raises `ModelError`
    (`invalid_output`) for one that does not fit.
    """
    if event.partial or event.error_code or not event.is_final_response() or event.content is None:
        return
    if not event.content.text.strip():
        return
    output: Any = event.content.text
    if agent.output_schema is not None:
        event.output = output = parsed(output, agent.output_schema)
    if agent.output_key is not None:
        event.actions.state_delta[agent.output_key] = output


def parsed(text: str, schema: OutputSchema) -> Any:
    """The JSON in `text` as plain data of the form `schema`; raises `ModelError` when it is not."""
    try:
        return checked(json.loads(_unfenced(text)), schema)
    except ValueError as error:
        raise ModelError(f"The model's answer is not JSON: {error}", code="invalid_output") from None


def checked(value: Any, schema: OutputSchema) -> Any:
    """`value` as plain data, defaults filled in; raises `ModelError` when it is not of the form `schema`.

    A schema that is given as a dict is for the model to keep: nothing here checks it.
    """
    if isinstance(schema, Mapping):
        return value
    annotation: Any = schema
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        return adapter.dump_python(adapter.validate_python(value), mode="json", exclude_none=True)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ModelError(f"The model's answer does not fit the schema: {problems}", code="invalid_output") from None


def _unfenced(text: str) -> str:
    """Some models put their JSON into a code block all the same."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        return text.removeprefix("```json").removeprefix("```").removesuffix("```")
    return text
