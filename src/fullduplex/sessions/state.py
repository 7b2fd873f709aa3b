"""The state of a session as code sees it: a mapping that remembers what was changed.

Prefixes decide how far a key reaches: `app:` all users of the app, `user:` all sessions of the user, `temp:` this run
alone (never stored), none: this session.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any


class State(MutableMapping[str, Any]):
    """A dict-like view over `value`, in which changes are also written to `delta`."""

    APP_PREFIX = "app:"
    USER_PREFIX = "user:"
    TEMP_PREFIX = "temp:"

    def __init__(self, value: dict[str, Any], delta: dict[str, Any]) -> None:
        self._value = value
        self._delta = delta

    def __getitem__(self, key: str) -> Any:
        return self._delta[key] if key in self._delta else self._value[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._value[key] = value
        self._delta[key] = value

    def __delitem__(self, key: str) -> None:
        """Sets the key to None: a stored key cannot be taken back, only overwritten."""
        self[key] = None

    def __iter__(self) -> Iterator[str]:
        return iter({**self._value, **self._delta})

    def __len__(self) -> int:
        return len({**self._value, **self._delta})

    def __contains__(self, key: object) -> bool:
        return key in self._delta or key in self._value

    def has_delta(self) -> bool:
        """Whether anything was changed."""
        return bool(self._delta)

    def to_dict(self) -> dict[str, Any]:
        """A plain copy."""
        return {**self._value, **self._delta}


def split_by_reach(delta: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """`delta` as three: the app's and the user's keys without their prefixes, and the session's. `temp:` is dropped."""
    app: dict[str, Any] = {}
    user: dict[str, Any] = {}
    session: dict[str, Any] = {}
    for key, value in delta.items():
        if key.startswith(State.APP_PREFIX):
            app[key.removeprefix(State.APP_PREFIX)] = value
        elif key.startswith(State.USER_PREFIX):
            user[key.removeprefix(State.USER_PREFIX)] = value
        elif not key.startswith(State.TEMP_PREFIX):
            session[key] = value
    return app, user, session


def with_reach(app: Mapping[str, Any], user: Mapping[str, Any], session: Mapping[str, Any]) -> dict[str, Any]:
    """The three as one state, the app's and the user's keys with their prefixes: what `split_by_reach` took apart."""
    return {
        **session,
        **{State.APP_PREFIX + key: value for key, value in app.items()},
        **{State.USER_PREFIX + key: value for key, value in user.items()},
    }
