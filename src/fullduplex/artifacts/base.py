"""What an artifact is, whose it is, and the interface of the services that keep artifacts. Nothing is stored here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from fullduplex.errors import InvalidInput
from fullduplex.types.content import Part
from fullduplex.types.struct import coerce

USER_PREFIX = "user:"


class Scope(NamedTuple):
    """Whose an artifact is: a session's, or all sessions' of the user when `session_id` is None."""

    app_name: str
    user_id: str
    session_id: str | None


class BaseArtifactService(ABC):
    """A store of artifacts: parts that hold text, media or a reference, under a file name, in versions from 0 up.

    A file name that begins with `user:` belongs to the user and is the same in all sessions; any other one belongs to
    a session, and `session_id` must be given. Names and ids may be any text that is not empty: none reaches beyond its
    scope. Every method raises `InvalidInput` for an empty one.
    """

    @abstractmethod
    async def save_artifact(
        self, *, app_name: str, user_id: str, filename: str, artifact: Part, session_id: str | None = None
    ) -> int:
        """Keeps `artifact` as the next version and returns its number. It is kept whole or not at all, and two that
        are saved at once get two numbers. Raises `InvalidInput` when it holds no text, media or reference."""

    @abstractmethod
    async def load_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
        version: int | None = None,
    ) -> Part | None:
        """The artifact in this version, or in the newest; None when there is none."""

    @abstractmethod
    async def list_artifact_keys(self, *, app_name: str, user_id: str, session_id: str | None = None) -> list[str]:
        """The file names of the session and of its user, sorted; without a session those of the user alone."""

    @abstractmethod
    async def delete_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> None:
        """Deletes all versions; the next one that is saved is 0 again. Nothing happens when there are none."""

    @abstractmethod
    async def list_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[int]:
        """The versions there are, ascending."""


def scope_of(*, app_name: str, user_id: str, session_id: str | None, filename: str) -> Scope:
    """Where an artifact of this name belongs; raises `InvalidInput`."""
    _check("filename", filename.removeprefix(USER_PREFIX))
    if filename.startswith(USER_PREFIX):
        return user_scope(app_name, user_id)
    if session_id is None:
        raise InvalidInput(
            f"{filename!r} belongs to a session: give session_id, or begin its name with {USER_PREFIX!r}",
            field="session_id",
        )
    return session_scope(app_name, user_id, session_id)


def scopes_of(*, app_name: str, user_id: str, session_id: str | None) -> list[Scope]:
    """The scopes whose artifacts a session sees; raises `InvalidInput`."""
    own = [] if session_id is None else [session_scope(app_name, user_id, session_id)]
    return [*own, user_scope(app_name, user_id)]


def user_scope(app_name: str, user_id: str) -> Scope:
    """What all sessions of the user share."""
    _check("app_name", app_name)
    _check("user_id", user_id)
    return Scope(app_name, user_id, None)


def session_scope(app_name: str, user_id: str, session_id: str) -> Scope:
    """What one session has; its id is stripped, as session stores strip it."""
    _check("session_id", stripped := session_id.strip())
    return user_scope(app_name, user_id)._replace(session_id=stripped)


def _check(field: str, name: str) -> None:
    if not name:
        raise InvalidInput(f"an artifact needs {field}", field=field)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{field} is not text that UTF-8 can hold", field=field) from None


def checked(artifact: Part) -> Part:
    """`artifact` as a `Part` of ours; raises `InvalidInput` when there is nothing in it to keep."""
    part = coerce(Part, artifact)
    media = part.inline_data is not None and part.inline_data.data is not None
    if part.text is None and part.file_data is None and not media:
        raise InvalidInput("an artifact holds text, inline_data or file_data", field="artifact")
    return part
