"""The base of every message on the media path: a `msgspec.Struct` that pydantic's users feel at home with.

JSON is camelCase out and camelCase or snake_case in; bytes are base64, URL-safe and padded out, either alphabet with
or without padding in (`binary`). This module knows nothing of any particular message.
"""

from __future__ import annotations

import dataclasses
import functools
import types as pytypes
import typing
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, Union, get_args, get_origin

import msgspec

from fullduplex.errors import InvalidInput
from fullduplex.types.binary import Base64, decode_base64, encode_base64, urlsafe_base64


def _encode_hook(value: Any) -> Any:
    if isinstance(value, bytes):
        return encode_base64(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=True, by_alias=True)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _json_hook(value: Any) -> Any:
    if not isinstance(value, bytes):
        return _encode_hook(value)
    # Raw spares the encoder a search for characters to escape.
    return msgspec.Raw(b"".join((b'"', urlsafe_base64(value), b'"')))


def _decode_hook(wanted: type, value: Any) -> Any:
    if wanted is Base64:
        if isinstance(value, str):
            return decode_base64(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return Base64(value)
    if isinstance(value, wanted):
        return value
    raise NotImplementedError(f"cannot read {wanted.__name__} from {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=_json_hook)

T = TypeVar("T", bound="Message")


def plain(value: Any) -> Any:
    """`value` as what JSON can hold (dicts, lists, strings, numbers); raises `InvalidInput` when it cannot be."""
    try:
        return msgspec.to_builtins(value, enc_hook=_encode_hook, str_keys=True)
    except (NotImplementedError, TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"not expressible in JSON: {error}", code="not_json") from None


def encode_json(value: Any) -> bytes:
    """`value` as compact JSON, by the rules of this module."""
    return _ENCODER.encode(value)


def decoder(cls: type[T]) -> msgspec.json.Decoder[T]:
    """A fast decoder of camelCase JSON to `cls`, for wires whose spelling is known."""
    return msgspec.json.Decoder(cls, dec_hook=_decode_hook)


class _FieldsAsDataclass:
    """Gives a message class the fields by which tools know a dataclass, when they first ask.

    FastAPI takes a parameter for a request body when its class is one of pydantic's or a dataclass, and asks no other
    question; with this, `dataclasses.fields`, `asdict` and `replace` work on messages too.
    """

    def __get__(self, instance: Any, owner: type[Message]) -> dict[str, Any]:
        return _dataclass_fields(owner)


@functools.cache
def _dataclass_fields(cls: type[Message]) -> dict[str, Any]:
    twin: Any = dataclasses.make_dataclass(cls.__name__, cls.__struct_fields__, kw_only=True)
    fields: dict[str, Any] = twin.__dataclass_fields__
    return fields


class Message(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """A message whose `None` fields are left out of its JSON; it offers what pydantic's users call.

    `model_dump`, `model_dump_json`, `model_validate`, `model_validate_json`, `model_copy` and `model_json_schema`
    behave as pydantic's do for the arguments that they take, and a `Message` may stand in a pydantic model or in a
    FastAPI signature.
    """

    __dataclass_fields__: ClassVar[Any] = _FieldsAsDataclass()

    if TYPE_CHECKING:

        def __copy__(self) -> Self: ...  # every Struct has it

    def model_dump(
        self,
        *,
        mode: str = "python",
        by_alias: bool = False,
        exclude_none: bool = False,
        exclude: Any = None,
    ) -> dict[str, Any]:
        """The message as a dict. `mode="json"` writes bytes as base64; `exclude` takes a set of names or a mapping."""
        dumped: dict[str, Any] = _dump(self, mode == "json", by_alias, exclude_none, exclude)
        return dumped

    def model_dump_json(
        self,
        *,
        indent: int | None = None,
        by_alias: bool = False,
        exclude_none: bool = False,
        exclude: Any = None,
    ) -> str:
        """The message as JSON text; `by_alias=True, exclude_none=True` is the wire form and the fast path."""
        if by_alias and exclude_none and exclude is None:
            text = self._wire_text()
        else:
            text = _ENCODER.encode(_dump(self, True, by_alias, exclude_none, exclude)).decode()
        return msgspec.json.format(text, indent=indent) if indent else text

    def _wire_text(self) -> str:
        return _ENCODER.encode(self).decode()

    @classmethod
    def model_validate(cls, value: Any) -> Self:
        """Reads a dict, an instance, or an object with `model_dump` (google.genai's); `InvalidInput` when it cannot."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping) and hasattr(value, "model_dump"):
            value = value.model_dump(exclude_none=True)
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{cls.__name__} cannot be read from {type(value).__name__}", code="invalid_message")
        try:
            return msgspec.convert(_spell(cls, value), cls, strict=False, dec_hook=_decode_hook, str_keys=True)
        except (msgspec.ValidationError, NotImplementedError, RecursionError) as error:
            raise InvalidInput(f"{cls.__name__}: {error}", code="invalid_message") from None

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """Reads JSON text, camelCase or snake_case, ignoring unknown fields; `InvalidInput` when it cannot."""
        try:
            return cls.model_validate(msgspec.json.decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"not JSON: {error}", code="invalid_json") from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with the fields of `update` replaced; `deep=True` shares nothing mutable with the original."""
        changes: dict[str, Any] = {}
        if deep:
            fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
            changes = {name: _deep(value) for name, value in fields if value is not None}
        return msgspec.structs.replace(self, **{**changes, **(update or {})})

    @classmethod
    def model_json_schema(cls, **_: Any) -> dict[str, Any]:
        """The JSON Schema of the wire form, its definitions under `$defs`."""
        (schema,), defs = msgspec.json.schema_components([cls], schema_hook=_schema_hook, ref_template="#/$defs/{name}")
        if "$ref" in schema:
            schema = defs[cls.__name__]
        return {**schema, "$defs": defs}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Lets pydantic validate and serialise this message as one of its own."""
        from pydantic_core import core_schema

        def serialise(value: Message, info: Any) -> Any:
            return value.model_dump(mode=info.mode, by_alias=bool(info.by_alias), exclude_none=info.exclude_none)

        return core_schema.no_info_plain_validator_function(
            cls.model_validate,
            serialization=core_schema.plain_serializer_function_ser_schema(serialise, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Inlined, because pydantic collects definitions in a place of its own."""
        (described,), defs = msgspec.json.schema_components(
            [cls], schema_hook=_schema_hook, ref_template="#/$defs/{name}"
        )
        inlined: dict[str, Any] = _inline(described, defs, ())
        return inlined


def _schema_hook(cls: type) -> dict[str, Any]:
    if cls is Base64:
        return {"type": "string", "contentEncoding": "base64"}
    return {}


def _inline(schema: Any, defs: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_inline(item, defs, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return {"type": "object"} if name in inside else _inline(defs[name], defs, (*inside, name))
    return {key: _inline(value, defs, inside) for key, value in schema.items()}


def _deep(value: Any) -> Any:
    if isinstance(value, Message):
        return value.model_copy(deep=True)
    if isinstance(value, dict):
        return {key: _deep(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_deep(item) for item in value)
    if isinstance(value, set):
        return set(value)
    return value


def _excluded(exclude: Any, key: Any) -> tuple[bool, Any]:
    """Whether pydantic's `exclude` drops `key`, and what it says of the things inside."""
    if exclude is None:
        return False, None
    if isinstance(exclude, Mapping):
        inner = exclude.get(key, exclude.get("__all__"))
        return inner is True or inner is ..., None if inner in (True, ...) else inner
    return key in exclude or "__all__" in exclude, None


def _dump(value: Any, json: bool, by_alias: bool, exclude_none: bool, exclude: Any) -> Any:
    if isinstance(value, Message):
        result = {}
        for name, alias in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            item = getattr(value, name)
            drop, inner = _excluded(exclude, name)
            if not drop and not (exclude_none and item is None):
                result[alias if by_alias else name] = _dump(item, json, by_alias, exclude_none, inner)
        return result
    if isinstance(value, Mapping):
        pairs = ((key, item, _excluded(exclude, key)) for key, item in value.items())
        return {key: _dump(item, json, by_alias, exclude_none, inner) for key, item, (drop, inner) in pairs if not drop}
    if isinstance(value, (list, tuple)):
        rows = ((item, _excluded(exclude, index)) for index, item in enumerate(value))
        return [_dump(item, json, by_alias, exclude_none, inner) for item, (drop, inner) in rows if not drop]
    if json and isinstance(value, bytes):
        return encode_base64(value)
    if json and isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json" if json else "python", by_alias=by_alias, exclude_none=exclude_none)
    return value


@functools.cache
def _spelling(cls: type[Message]) -> dict[str, tuple[str, Any]]:
    """Both spellings of each field of `cls`, with the encoded name and the type inside."""
    hints = typing.get_type_hints(cls)
    table: dict[str, tuple[str, Any]] = {}
    for name, encoded in zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True):
        table[name] = table[encoded] = (encoded, hints[name])
        table[_camel(name)] = (encoded, hints[name])
    return table


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)


def _message_inside(hint: Any) -> type[Message] | None:
    """The `Message` class within an optional or a list annotation, if there is one."""
    if isinstance(hint, type) and issubclass(hint, Message):
        return hint
    if get_origin(hint) in (Union, pytypes.UnionType, list):
        for argument in get_args(hint):
            if found := _message_inside(argument):
                return found
    return None


def _spell(cls: type[Message], value: Any) -> Any:
    """`value` with the keys that belong to `cls` written as its encoder writes them, all the way down."""
    if isinstance(value, (list, tuple)):
        return [_spell(cls, item) for item in value]
    if isinstance(value, Message):
        return _spell(cls, value.model_dump(exclude_none=True))
    if not isinstance(value, Mapping):
        return _spell(cls, value.model_dump(exclude_none=True)) if hasattr(value, "model_dump") else value
    table = _spelling(cls)
    result = {}
    for key, item in value.items():
        if item is None or key not in table:
            continue
        encoded, hint = table[key]
        inner = _message_inside(hint)
        # google.genai's enums are strings; here their fields are plain ones.
        result[encoded] = _spell(inner, item) if inner else item.value if isinstance(item, Enum) else item
    return result


def coerce(cls: type[T], value: Any) -> T:
    """`value` as `cls`: itself, or read from a dict or from google.genai's object of the same shape."""
    return value if type(value) is cls else cls.model_validate(value)


def coerce_list(cls: type[T], values: Any) -> list[T]:
    """Each of `values` as `cls`; the list itself when nothing in it needs reading."""
    for item in values:
        if type(item) is not cls:
            return [coerce(cls, item) for item in values]
    return values if isinstance(values, list) else list(values)
