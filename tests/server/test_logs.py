from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from fullduplex.server import ServerSettings
from fullduplex.server.logs import HideSecrets, configure_logging
from tests.server.harness import echo, scripted, text_of


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log, as JSON lines, with the root logger put back afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    monkeypatch.setenv("GOOGLE_API_KEY", "secret-key-0123456789")
    stream = io.StringIO()
    configure_logging(ServerSettings(log_format="json"), stream)
    yield stream
    root.handlers, root.level = before[0], before[1]
    structlog.contextvars.clear_contextvars()


def read(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_lines_of_a_call_carry_its_ids(lines: io.StringIO):
    async with scripted(echo) as server, server.connect("/ws/alice/s1") as one, server.connect("/ws/bob/s2") as two:
        for socket in (one, two):
            await socket.send("not json")
            await socket.recv()
            await socket.send('{"type":"text","text":"x"}')
            await text_of(socket)
    refused = [line for line in read(lines) if line["event"].startswith("frame refused")]
    assert {(line["user_id"], line["session_id"]) for line in refused} == {("alice", "s1"), ("bob", "s2")}
    assert all({"timestamp", "level", "logger"} <= set(line) for line in read(lines))


def test_no_line_shows_a_secret(lines: io.StringIO):
    log = logging.getLogger("some.library")
    log.warning("connecting to wss://host/path?key=abc123&x=1 with %s", "secret-key-0123456789")
    try:
        raise ValueError("bad key secret-key-0123456789")
    except ValueError:
        log.exception("it failed")
    text = lines.getvalue()
    assert "secret-key" not in text
    assert "abc123" not in text
    assert "x=1" in text
    assert "ValueError" in read(lines)[1]["exception"]


def test_short_values_are_no_secrets():
    clean = HideSecrets({"MY_TOKEN": "a", "OTHER_API_KEY": "long-enough-value", "HOME": "long-enough-home"}).clean
    assert clean("a cat at long-enough-home with long-enough-value") == "a cat at long-enough-home with ***"


def test_lines_for_people(monkeypatch: pytest.MonkeyPatch):
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    try:
        stream = io.StringIO()
        configure_logging(ServerSettings(), stream)
        logging.getLogger("fullduplex.server").info("call begins")
        assert "call begins" in stream.getvalue()
    finally:
        root.handlers, root.level = before[0], before[1]
