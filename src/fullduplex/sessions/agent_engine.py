"""Requests to the Sessions API of Vertex AI Agent Engine: where it is, who asks, what goes wrong.

It knows nothing of what is asked. The library (httpx) is loaded with the first request.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from fullduplex.errors import InvalidConfig, ModelError, StoreUnavailable
from fullduplex.google_login import GoogleCredentials, Login, default_login
from fullduplex.per_loop import PerLoop

if TYPE_CHECKING:
    import httpx

VERSION = "v1beta1"
DEFAULT_LOCATION = "us-central1"
TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
PAUSES_S = (0.25, 1.0, 3.0)
OPERATION_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8, *[1.0] * 30)
_PAGE = 100
_ENGINE = re.compile(r"(projects/[^/]+/locations/[^/]+/reasoningEngines/)?(?P<number>[0-9]+)")
_LOCATION = re.compile(r"projects/[^/]+/locations/([^/]+)/")


class Refused(StoreUnavailable):
    """The service answered with an HTTP `status` that is no success."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, code="unauthorized" if status in (401, 403) else None)
        self.status = status


class Unsure(StoreUnavailable):
    """Whether the service has done what it was asked is not known."""


class _NotTaken(StoreUnavailable):
    """The service has not taken the request; it may be sent again."""


class AgentEngineApi:
    """The API of one project and location, by a login, or with an API key in express mode."""

    def __init__(
        self, project: str | None, location: str | None, express_key: str | None, credentials: GoogleCredentials | None
    ) -> None:
        if express_key and (project or location or credentials):
            raise InvalidConfig("give express_mode_api_key, or project and location")
        self._project = project or os.environ.get("GOOGLE_CLOUD_PROJECT")
        self._location = location or os.environ.get("GOOGLE_CLOUD_LOCATION") or DEFAULT_LOCATION
        self._key = express_key or (None if self._project or credentials else os.environ.get("GOOGLE_API_KEY"))
        self._base = os.environ.get("GOOGLE_VERTEX_BASE_URL", "").rstrip("/")
        self._login = default_login if credentials is None else Login(credentials)
        self._certificates: ssl.SSLContext | None = None
        self._clients = PerLoop(self._client, lambda client: client.aclose())

    async def engine(self, name: str) -> str:
        """The resource name of an Agent Engine, of its number or name; raises `InvalidConfig` when it is neither."""
        found = _ENGINE.fullmatch(name)
        if found is None:
            raise InvalidConfig(
                f"{name!r} is no Agent Engine: give VertexAiSessionService(agent_engine_id=…), or its number, or "
                "projects/…/locations/…/reasoningEngines/…, as the name of the app."
            )
        if self._key:
            return f"reasoningEngines/{found['number']}"
        if "/" in name:
            return name
        project = self._project or (await self._login.access_token()).project
        if not project:
            raise InvalidConfig(
                "Vertex AI needs a project: set GOOGLE_CLOUD_PROJECT, or give VertexAiSessionService(project=…).",
                code="no_credentials",
            )
        return f"projects/{project}/locations/{self._location}/reasoningEngines/{name}"

    async def get(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        """What stands at `path`. Raises `StoreUnavailable`, of which `Refused` has the status."""
        return await self._ask("GET", path, params or {}, None)

    async def post(self, path: str, body: dict[str, Any], params: dict[str, str] | None = None) -> dict[str, Any]:
        """The answer to `body`. Raises as `get` does, and `Unsure`."""
        return await self._ask("POST", path, params or {}, body)

    async def delete(self, path: str) -> None:
        """Deletes what stands at `path`, and returns when that is done. Raises as `get` does."""
        await self.finish(await self._ask("DELETE", path, {}, None))

    async def pages(
        self, path: str, field: str, params: dict[str, str], most: int | None = None
    ) -> list[dict[str, Any]]:
        """The list `field`, or the first `most` of it, over as many pages as it takes. Raises as `get` does."""
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = await self.get(path, {**params, **token, "pageSize": str(min(most or _PAGE, _PAGE))})
            found += page.get(field) or []
            if not page.get("nextPageToken") or (most is not None and len(found) >= most):
                return found[:most]
            token = {"pageToken": page["nextPageToken"]}

    async def finish(self, operation: dict[str, Any]) -> dict[str, Any]:
        """A long-running operation when it is done. Raises as `get` does."""
        for pause in OPERATION_PAUSES_S:
            if operation.get("done") or "name" not in operation:  # without a name there is nothing to wait for
                break
            await asyncio.sleep(pause)
            operation = await self.get(operation["name"])
        else:
            raise StoreUnavailable(f"Vertex AI does not come to an end with {operation.get('name')}.")
        if error := operation.get("error"):
            raise Refused(f"Vertex AI failed: {error.get('message')}", status=_HTTP.get(error.get("code"), 500))
        return operation

    async def close(self) -> None:
        """Closes the connections that the running loop has opened."""
        await self._clients.close()

    async def _ask(self, method: str, path: str, params: dict[str, str], body: Any) -> dict[str, Any]:
        for pause in PAUSES_S:
            try:
                return await self._once(method, path, params, body)
            except _NotTaken:
                pass
            except Unsure:
                if method == "POST":
                    raise
            await asyncio.sleep(pause)
        return await self._once(method, path, params, body)

    async def _once(self, method: str, path: str, params: dict[str, str], body: Any) -> dict[str, Any]:
        if self._certificates is None:  # off the loop, because loading the library and reading all roots takes a while
            self._certificates = await asyncio.to_thread(_load)
        import httpx

        client = await self._clients.here()
        headers = await self._headers()
        url = f"{self._base or self._host(path)}/{VERSION}/{path}"
        place = urlsplit(url).netloc
        try:
            response = await client.request(
                method,
                url,
                params=params,
                headers=headers,
                content=None if body is None else msgspec.json.encode(body),
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _NotTaken(f"{place} cannot be reached: {error}") from error
        except httpx.HTTPError as error:
            raise Unsure(f"{place} gave no answer: {error or type(error).__name__}") from error
        return _read(response)

    def _host(self, path: str) -> str:
        named = _LOCATION.match(path)
        location = "global" if self._key else named[1] if named else self._location
        return f"https://{'' if location == 'global' else f'{location}-'}aiplatform.googleapis.com"

    async def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if self._key:
            return {**headers, "x-goog-api-key": self._key}
        try:
            token = await self._login.access_token()
        except ModelError as error:
            raise StoreUnavailable(str(error), code=error.code) from error
        headers["authorization"] = f"Bearer {token.value}"
        if token.quota_project:
            headers["x-goog-user-project"] = token.quota_project
        return headers

    def _client(self) -> httpx.AsyncClient:
        import httpx

        assert self._certificates is not None
        timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        return httpx.AsyncClient(timeout=timeout, verify=self._certificates)


# What an operation fails with (google.rpc.Code), as the status of HTTP that stands for it.
_HTTP = {3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 14: 503, 16: 401}


def _load() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def _read(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(response.content or b"{}")
    except msgspec.DecodeError:
        answer = None
    if response.is_success and isinstance(answer, dict):
        return answer
    if isinstance(answer, list) and answer:
        answer = answer[0]
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    text = f"Vertex AI refused: {message or response.reason_phrase} (HTTP {response.status_code})"
    if response.status_code == 429:
        raise _NotTaken(text)
    if response.status_code >= 500 or response.is_success:
        raise Unsure(text)
    raise Refused(text, status=response.status_code)
