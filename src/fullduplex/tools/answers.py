"""What a tool gave as the model's answer, and the effects of several tools as one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from fullduplex.errors import InvalidInput
from fullduplex.events import EventActions
from fullduplex.types.struct import plain

logger = logging.getLogger(__name__)


def as_response(result: Any, name: str) -> dict[str, Any]:
    """The result of tool `name` as JSON can express it: a dict as it is, another value as `{"result": …}`."""
    try:
        value = plain(result)
    except InvalidInput as error:
        logger.error("the result of tool %s is %s", name, error)
        return {"error": f"The result of `{name}()` is {error}"}
    except Exception as error:  # an object of the developer's that cannot even be looked at
        logger.exception("the result of tool %s cannot be read", name)
        return {"error": f"The result of `{name}()` cannot be read: {type(error).__name__}: {error}"}
    return value if isinstance(value, dict) else {"result": value}


def is_failure(result: Any) -> bool:
    """Whether a tool's result says that it did not do what was asked."""
    return isinstance(result, dict) and bool(result.get("error"))


def merged(actions: Iterable[EventActions]) -> EventActions:
    """The effects of several tools as one: mappings joined, of the rest the last that is set."""
    whole = EventActions()
    for one in actions:
        for name in one.__struct_fields__:
            value = getattr(one, name)
            if isinstance(value, dict) and isinstance(known := getattr(whole, name), dict):
                known.update(value)
            elif value is not None:
                setattr(whole, name, value)
    return whole
