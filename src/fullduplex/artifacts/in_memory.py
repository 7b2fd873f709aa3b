"""Artifacts in the memory of this process: for laptops and tests. They are gone when the process is."""

from __future__ import annotations

from fullduplex.artifacts.base import BaseArtifactService, Scope, checked, scope_of, scopes_of
from fullduplex.types.content import Part


class InMemoryArtifactService(BaseArtifactService):
    """Keeps artifacts in dicts. What goes in and out are copies."""

    def __init__(self) -> None:
        self._versions: dict[Scope, dict[str, list[Part]]] = {}

    async def save_artifact(
        self, *, app_name: str, user_id: str, filename: str, artifact: Part, session_id: str | None = None
    ) -> int:
        """See `BaseArtifactService`."""
        scope = scope_of(app_name=app_name, user_id=user_id, session_id=session_id, filename=filename)
        part = checked(artifact).model_copy(deep=True)
        versions = self._versions.setdefault(scope, {}).setdefault(filename, [])
        versions.append(part)
        return len(versions) - 1

    async def load_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
        version: int | None = None,
    ) -> Part | None:
        """See `BaseArtifactService`."""
        scope = scope_of(app_name=app_name, user_id=user_id, session_id=session_id, filename=filename)
        versions = self._versions.get(scope, {}).get(filename, [])
        number = len(versions) - 1 if version is None else version
        return versions[number].model_copy(deep=True) if 0 <= number < len(versions) else None

    async def list_artifact_keys(self, *, app_name: str, user_id: str, session_id: str | None = None) -> list[str]:
        """See `BaseArtifactService`."""
        scopes = scopes_of(app_name=app_name, user_id=user_id, session_id=session_id)
        return sorted(filename for scope in scopes for filename in self._versions.get(scope, {}))

    async def delete_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> None:
        """See `BaseArtifactService`."""
        scope = scope_of(app_name=app_name, user_id=user_id, session_id=session_id, filename=filename)
        self._versions.get(scope, {}).pop(filename, None)

    async def list_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[int]:
        """See `BaseArtifactService`."""
        scope = scope_of(app_name=app_name, user_id=user_id, session_id=session_id, filename=filename)
        return list(range(len(self._versions.get(scope, {}).get(filename, []))))
