"""Who may talk to the server: a check of the Host and Origin headers against pages of other sites.

It keeps a web page of a stranger from reaching a server on this machine (DNS rebinding, cross-site WebSockets). It is
no authentication.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fullduplex.server.settings import ServerSettings

logger = logging.getLogger(__name__)

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_WILDCARD = frozenset({"", "0.0.0.0", "::"})


def _name_of(host: str) -> str:
    """The host name in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


class HostGuard:
    """ASGI middleware that refuses requests for other hosts and from other origins, with 403."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._hosts = {host.lower() for host in settings.allowed_hosts}
        self._origins = {origin.lower().rstrip("/") for origin in settings.allowed_origins}
        self._any_host = "*" in self._hosts or (settings.host in _WILDCARD and not self._hosts)
        self._own = _LOCAL | {settings.host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] in ("http", "websocket"):
            problem = self._problem(Headers(scope=scope))
            if problem is not None:
                logger.warning("refused a request for %s: %s", scope["path"], problem)
                await self._refuse(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _problem(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        name = _name_of(host)
        if not self._any_host and name not in self._own and name not in self._hosts:
            return f"host {name!r} is not allowed; FULLDUPLEX_ALLOWED_HOSTS lists those that are"
        origin = headers.get("origin", "").lower()
        if not origin or "*" in self._origins or origin in self._origins:
            return None
        if origin.partition("://")[2] == host.lower():
            return None
        return f"origin {origin!r} is not allowed; FULLDUPLEX_ALLOWED_ORIGINS lists those that are"

    async def _refuse(self, problem: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})
            return
        body = {"type": "error", "code": "not_allowed", "message": problem, "field": None, "sessionLives": False}
        await JSONResponse(body, status_code=403)(scope, receive, send)
