"""Tools made of plain Python functions: `def`, `async def`, or an object with `__call__`."""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.tools.schema import declare, hints_of, is_context, visible_parameters
from fullduplex.tools.threads import in_thread
from fullduplex.types.content import FunctionDeclaration


class FunctionTool(BaseTool):
    """Lets the model call `func`. Its name, signature and docstring are what the model is told.

    A parameter named `tool_context`, or annotated `ToolContext`, receives the context and is hidden from the model. A
    synchronous function runs in a thread, so that it holds up neither the call nor the model's connection.
    """

    def __init__(self, func: Callable[..., Any]) -> None:
        target = func if inspect.isroutine(func) or isinstance(func, functools.partial) else func.__call__  # type: ignore[operator]
        named = func.func if isinstance(func, functools.partial) else func
        name = getattr(named, "__name__", None) or type(named).__name__
        super().__init__(name=name, description=inspect.getdoc(named) or inspect.getdoc(target) or "")
        self.func = func
        self._target = target
        self._hints = hints_of(target)
        self._parameters = visible_parameters(target)
        self._asynchronous = inspect.iscoroutinefunction(target)
        names = inspect.signature(target).parameters
        self._context_parameters = [key for key in names if key == "tool_context" or is_context(self._hints.get(key))]

    @property
    def takes_thread(self) -> bool:
        """See `BaseTool`."""
        return not self._asynchronous

    def declaration(self) -> FunctionDeclaration:
        """See `BaseTool`."""
        declared = declare(self._target, name=self.name)
        declared.description = self.description
        if self.behavior is not None:
            declared.behavior = self.behavior.value
        return declared

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Calls the function; missing arguments become an answer that tells the model which."""
        missing = [
            key
            for key, parameter in self._parameters.items()
            if parameter.default is inspect.Parameter.empty and key not in args
        ]
        if missing:
            return {
                "error": f"Invoking `{self.name}()` failed as the following mandatory input parameters are not "
                "present:\n" + "\n".join(missing) + "\nCall it again with all of them."
            }
        try:
            given = {key: _convert(self._hints.get(key), args[key]) for key in self._parameters if key in args}
        except (ValidationError, ValueError, TypeError) as error:
            return {"error": f"Invoking `{self.name}()` failed: {error}"}
        given.update((key, tool_context) for key in self._context_parameters)
        if self._asynchronous:
            return await self.func(**given)
        result = await in_thread(functools.partial(self.func, **given), name=self.name)
        return await result if inspect.isawaitable(result) else result


def _convert(hint: Any, value: Any) -> Any:
    """The model's JSON as what the function expects: enums and pydantic models are built, whole floats become ints."""
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return hint(value)
        if issubclass(hint, BaseModel) and isinstance(value, dict):
            return hint.model_validate(value)
        if hint is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _convert(arguments[0], value)
    if origin in (Union, types.UnionType) and value is not None:
        inner = [argument for argument in arguments if argument is not type(None)]
        return _convert(inner[0], value) if len(inner) == 1 else value
    if origin is list and arguments and isinstance(value, list):
        return [_convert(arguments[0], item) for item in value]
    return value
