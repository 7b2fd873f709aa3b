"""The tool by which a model gives an answer of a given form, where it cannot have both tools and a form."""

from __future__ import annotations

from typing import Any

from fullduplex.errors import ModelError
from fullduplex.models import schemas
from fullduplex.models.text import OutputSchema
from fullduplex.text.output import checked
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.types.content import FunctionDeclaration

NAME = "set_model_response"
CALL_IT = (
    f"When you have the final answer, give it by calling the function `{NAME}`, alone, in the form that it asks for. "
    "Do not write it as text."
)
_WRAPPED = "result"


class AnswerTool(BaseTool):
    """Takes the answer as its arguments; one that does not fit the schema is an error that the model is told."""

    def __init__(self, schema: OutputSchema) -> None:
        super().__init__(name=NAME, description="Gives the final answer. Call it once, when all else is done.")
        self._schema = schema
        written = schemas.output_schema(schema)
        self._is_object = written.get("type") == "object"
        wrapped = {"type": "object", "properties": {_WRAPPED: written}, "required": [_WRAPPED]}
        self._parameters = written if self._is_object else {**wrapped, "$defs": written.pop("$defs", {})}

    def declaration(self) -> FunctionDeclaration:
        """See `BaseTool`."""
        return FunctionDeclaration(
            name=self.name, description=self.description, parameters_json_schema=self._parameters
        )

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """See `BaseTool`."""
        try:
            answer = checked(args if self._is_object else args.get(_WRAPPED), self._schema)
        except ModelError as error:
            return {"error": str(error)}
        tool_context.actions.set_model_response = answer
        return answer
