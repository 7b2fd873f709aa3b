"""The model's arguments, as the function expects them: enums, dates, dataclasses and models are built of its JSON."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from fullduplex.errors import InvalidInput
from fullduplex.tools.schema import hints_of, visible_parameters


class Arguments:
    """Reads the arguments of calls of one function."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self._parameters = visible_parameters(func)
        self._hints = hints_of(func)
        self._readers: dict[str, TypeAdapter[Any] | None] = {}

    def read(self, args: dict[str, Any]) -> dict[str, Any]:
        """`args` converted, without those that the function does not take.

        Raises `InvalidInput`, in words for the model, when one is missing or does not fit: it names the parameter.
        """
        missing = [
            key
            for key, parameter in self._parameters.items()
            if parameter.default is inspect.Parameter.empty and key not in args
        ]
        if missing:
            raise InvalidInput(
                "as the following mandatory input parameters are not present:\n"
                + "\n".join(missing)
                + "\nCall it again with all of them."
            )
        return {key: self._one(key, args[key]) for key in self._parameters if key in args}

    def fit(self, args: dict[str, Any]) -> bool:
        """Whether the function can be called with `args`."""
        try:
            self.read(args)
        except InvalidInput:
            return False
        return True

    def _one(self, key: str, value: Any) -> Any:
        if value is None and self._parameters[key].default is None:
            return None
        if key not in self._readers:
            self._readers[key] = _reader(self._hints.get(key, Any))
        reader = self._readers[key]
        if reader is None:
            return value
        try:
            return reader.validate_python(value)
        except ValidationError as error:
            raise InvalidInput("as an argument does not fit:\n" + "\n".join(_complaints(key, error))) from None
        except (ValueError, TypeError) as error:  # a validator of the developer's
            raise InvalidInput(f"as an argument does not fit:\n{key}: {error}") from None


def _reader(hint: Any) -> TypeAdapter[Any] | None:
    """None for what cannot be read, such as a name that is not resolved: it is passed on as it is."""
    if isinstance(hint, str):
        return None
    try:
        return TypeAdapter(hint)
    except (PydanticSchemaGenerationError, PydanticUserError):
        return None


def _complaints(key: str, error: ValidationError) -> list[str]:
    return [
        f"{'.'.join([key, *map(str, one['loc'])])}: {one['msg']}"
        + ("" if one["type"] == "missing" else f"; it is {reprlib.repr(one['input'])}")
        for one in error.errors(include_url=False)
    ]
