from __future__ import annotations

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from fullduplex.server import ServerSettings
from fullduplex.server.hosts import HostGuard
from tests.server.harness import echo, scripted, text_of


@pytest.mark.parametrize(
    ("settings", "headers", "allowed"),
    [
        ({}, {"host": "127.0.0.1:8000"}, True),
        ({}, {"host": "localhost"}, True),
        ({}, {"host": "[::1]:8000"}, True),
        ({}, {"host": "evil.example"}, False),
        ({}, {"host": "127.0.0.1.evil.example"}, False),
        ({}, {}, False),
        ({}, {"host": "localhost:8000", "origin": "http://localhost:8000"}, True),
        ({}, {"host": "localhost:8000", "origin": "https://LOCALHOST:8000"}, True),
        ({}, {"host": "localhost:8000", "origin": "http://localhost:9000"}, False),
        ({}, {"host": "localhost:8000", "origin": "https://evil.example"}, False),
        ({}, {"host": "localhost:8000", "origin": "null"}, False),
        ({"allowed_origins": "https://a.example, null"}, {"host": "localhost", "origin": "https://a.example"}, True),
        ({"allowed_origins": "https://a.example, null"}, {"host": "localhost", "origin": "null"}, True),
        ({"allowed_origins": "*"}, {"host": "localhost", "origin": "https://any.example"}, True),
        ({"allowed_hosts": "talk.example"}, {"host": "talk.example", "origin": "https://talk.example"}, True),
        ({"allowed_hosts": "*"}, {"host": "any.example"}, True),
        ({"host": "0.0.0.0"}, {"host": "192.168.1.5:8000", "origin": "http://192.168.1.5:8000"}, True),
        ({"host": "0.0.0.0"}, {"host": "192.168.1.5:8000", "origin": "http://evil.example"}, False),
        ({"host": "0.0.0.0", "allowed_hosts": "a.example"}, {"host": "b.example"}, False),
        ({"host": "192.168.1.5"}, {"host": "192.168.1.5:8000"}, True),
    ],
)
async def test_who_may_talk(settings: dict[str, str], headers: dict[str, str], allowed: bool):
    async def app(scope, receive, send) -> None:
        passed.append(scope)

    sent: list[dict[str, object]] = []

    async def send(message) -> None:
        sent.append(message)

    passed: list[object] = []
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": "/", "headers": raw}
    await HostGuard(app, ServerSettings(**settings))(scope, None, send)  # type: ignore[arg-type]
    assert bool(passed) is allowed
    if not allowed:
        assert sent[0]["status"] == 403
        assert b"FULLDUPLEX_ALLOWED_" in sent[1]["body"]  # type: ignore[operator]


async def test_a_page_of_another_site_cannot_open_a_socket():
    async with scripted(echo) as server:
        with pytest.raises(InvalidStatus) as refused:
            async with server.connect("/ws/alice/s1", origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403
        assert b"not_allowed" in (refused.value.response.body or b"")
        async with server.connect("/ws/alice/s1", origin=f"http://{server.address}") as socket:
            await socket.send('{"type":"text","text":"x"}')
            assert await text_of(socket) == "text x"
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{server.address}/health", headers={"host": "evil.example"})
            assert answer.status_code == 403
