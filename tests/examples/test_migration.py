"""Programs for google-adk run on Fullduplex when the import roots are the only change.

`adk/` holds each example with ADK's imports (as text, because ADK is not installed here); `examples/` holds the same
files with ours.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fullduplex.mock_live import MockLive, Script, UserTurn, say
from tests.server.harness import receive, serving

ADK = Path(__file__).parent / "adk"
EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.relative_to(ADK) for path in ADK.rglob("*.txt"))

# The whole migration: the root of an import, and nothing else.
ROOTS = [
    (re.compile(r"^(\s*)from google\.genai import types\b"), r"\1from fullduplex import types"),
    (re.compile(r"^(\s*(?:from|import)) google\.(?:adk|genai)\b"), r"\1 fullduplex"),
]

NATIVE_AUDIO = "gemini-2.5-flash-native-audio-preview-12-2025"
HALF_CASCADE = "gemini-live-2.5-flash"


def migrated(line: str) -> str:
    for pattern, replacement in ROOTS:
        line = pattern.sub(replacement, line)
    return line


@pytest.mark.spec(196)
@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_only_the_import_roots_differ(program: Path):
    theirs = (ADK / program).read_text().splitlines()
    ours = (EXAMPLES / program.with_suffix("")).read_text().splitlines()
    assert [migrated(line) for line in theirs] == ours
    changed = [line for line in theirs if migrated(line) != line]
    assert changed
    assert all(re.match(r"from google\.(adk|genai)[.\w]* import ", line) for line in changed)
    assert not any("google.adk" in line or "google.genai" in line for line in ours if "import" in line)


def test_every_program_has_its_adk_form():
    moved = {program.parts[0] for program in PROGRAMS}
    python = {path.relative_to(EXAMPLES) for path in EXAMPLES.rglob("*.py") if path.read_text().strip()}
    assert {program.with_suffix("") for program in PROGRAMS} == {path for path in python if path.parts[0] in moved}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports `main` of an example's folder, as `uvicorn main:app` does there."""

    def load_app(example: str, model: str, mock: MockLive | None = None) -> FastAPI:
        monkeypatch.setenv("DEMO_AGENT_MODEL", model)
        if mock is not None:
            monkeypatch.setenv("GOOGLE_API_KEY", "any-key")
            monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        monkeypatch.syspath_prepend(str(EXAMPLES / example / "app"))
        app = importlib.import_module("main").app
        assert isinstance(app, FastAPI)
        return app

    def forget() -> None:
        for name in [name for name in sys.modules if name == "main" or name.startswith("google_search_agent")]:
            del sys.modules[name]

    forget()
    yield load_app
    forget()


def voice(seconds: float) -> bytes:
    """A tone that every detector takes for speech, as PCM16 at 16,000 Hz."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    return (np.sin(2 * np.pi * 220 * time) * 12_000).astype("<i2").tobytes()


def heard(turn: UserTurn, _: Any) -> list[Any]:
    return [say(f"You said {turn.text or 'something'}.", audio_ms=80)]


@asynccontextmanager
async def talking(app: FastAPI, path: str) -> AsyncIterator[ClientConnection]:
    async with serving(app) as address, connect(f"ws://{address}{path}", compression=None) as socket:
        yield socket


def article(text: str) -> str:
    return json.dumps({"mime_type": "text/plain", "data": text})


async def article_turn(socket: ClientConnection) -> list[dict[str, Any]]:
    messages = [await receive(socket)]
    while not messages[-1].get("turn_complete"):
        messages.append(await receive(socket))
    return messages


def words(messages: list[dict[str, Any]]) -> str:
    return "".join(message["data"] for message in messages if message.get("mime_type") == "text/plain").strip()


@pytest.mark.spec(23, 196)
@pytest.mark.filterwarnings("ignore:session is deprecated:DeprecationWarning")
async def test_the_articles_app_on_gemini_live(load: Any, capsys: pytest.CaptureFixture[str]):
    async with MockLive(Script([heard] * 3)) as mock:
        app = load("article_streaming", NATIVE_AUDIO, mock)
        async with talking(app, "/ws/7?is_audio=true") as socket:
            await socket.send(article("hello"))
            messages = await article_turn(socket)
            assert words(messages) == "You said hello."
            audio = [base64.b64decode(m["data"]) for m in messages if m.get("mime_type") == "audio/pcm"]
            assert sum(map(len, audio)) == 24 * 80 * 2
            assert messages[-1] == {"turn_complete": True, "interrupted": None}
            for chunk in range(10):
                pcm = voice(0.05) if chunk < 6 else bytes(6_400)
                await socket.send(json.dumps({"mime_type": "audio/pcm", "data": base64.b64encode(pcm).decode()}))
            assert words(await article_turn(socket))
        connection = mock.connections[0]
        assert connection.setup["tools"] == [{"googleSearch": {}}]
        assert connection.setup["sessionResumption"] == {}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Client #7 connected, audio mode: true"
    assert "[CLIENT TO AGENT]: hello" in lines
    assert "[CLIENT TO AGENT]: audio/pcm: 1600 bytes." in lines
    assert any(re.fullmatch(r"\[AGENT TO CLIENT\]: audio/pcm: \d+ bytes\.", line) for line in lines)
    assert lines[-1] == "Client #7 disconnected"


@pytest.mark.spec(196)
@pytest.mark.filterwarnings("ignore:session is deprecated:DeprecationWarning")
async def test_the_articles_app_in_text(load: Any):
    async with MockLive(Script([heard])) as mock:
        app = load("article_streaming", HALF_CASCADE, mock)
        async with talking(app, "/ws/8?is_audio=false") as socket:
            await socket.send(article("hello"))
            assert words(await article_turn(socket)) == "You said hello."
            await socket.send(json.dumps({"mime_type": "text/html", "data": "x"}))
            with pytest.raises(ConnectionClosed) as closed:
                await receive(socket)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1003, "Mime type not supported: text/html")


@pytest.mark.spec(196)
@pytest.mark.filterwarnings("ignore:session is deprecated:DeprecationWarning")
async def test_the_articles_app_on_the_embedded_agent(load: Any):
    app = load("article_streaming", "local")
    async with talking(app, "/ws/9?is_audio=false") as socket:
        await socket.send(article("search the web for the world cup"))
        messages = await article_turn(socket)
        assert "search" in words(messages), "the local agent says that it cannot"


async def bidi_turn(socket: ClientConnection) -> list[dict[str, Any]]:
    events = [await receive(socket)]
    while not events[-1].get("turnComplete"):
        events.append(await receive(socket))
    return events


def spoke(events: list[dict[str, Any]]) -> bool:
    return any("inlineData" in part for event in events for part in event.get("content", {}).get("parts", ()))


def transcript(events: list[dict[str, Any]]) -> str:
    said = (event.get("outputTranscription", {}) for event in events)
    return "".join(words["text"] for words in said if words.get("finished"))


@pytest.mark.spec(196)
async def test_the_guides_app_on_gemini_live(load: Any):
    async with MockLive(Script([heard] * 4)) as mock:
        app = load("bidi_demo", NATIVE_AUDIO, mock)
        async with serving(app) as address:
            url = f"ws://{address}/ws/alice/s1"
            async with connect(f"{url}?proactivity=true", compression=None) as socket:
                await socket.send('{"type":"text","text":"hello"}')
                assert transcript(await bidi_turn(socket)) == "You said hello."
                await socket.send(json.dumps({"type": "image", "data": "AAAA", "mimeType": "image/jpeg"}))
                for chunk in range(10):
                    await socket.send(voice(0.05) if chunk < 6 else bytes(6_400))
                events = await bidi_turn(socket)
                assert any(
                    "inlineData" in part for event in events for part in event.get("content", {}).get("parts", ())
                )
            setup = mock.connections[0].setup
            assert setup["proactivity"] == {"proactiveAudio": True}
            assert setup["generationConfig"]["responseModalities"] == ["AUDIO"]
            assert mock.connections[0].count("mediaChunks") == 11
            # The same session again, at once, as when a page is loaded anew: the new connection is told what was said.
            async with connect(url, compression=None) as socket:
                await socket.send('{"type":"text","text":"again"}')
                assert transcript(await bidi_turn(socket)) == "You said again."
            await mock.wait_for(lambda m: len(m.connections) == 2)
            assert "hello" in json.dumps([message.body for message in mock.connections[1].messages])


@pytest.mark.spec(196)
async def test_the_guides_app_in_text(load: Any):
    async with MockLive(Script([heard])) as mock:
        app = load("bidi_demo", HALF_CASCADE, mock)
        async with talking(app, "/ws/alice/s1") as socket:
            await socket.send('{"type":"text","text":"hello"}')
            events = await bidi_turn(socket)
            texts = [e["content"]["parts"][0]["text"] for e in events if "content" in e and not e.get("partial")]
            assert texts == ["You said hello."]


@pytest.mark.spec(196)
async def test_the_guides_app_on_the_embedded_agent(load: Any):
    app = load("bidi_demo", "local")
    async with talking(app, "/ws/alice/s1") as socket:
        await socket.send('{"type":"text","text":"search the web for the world cup"}')
        async with asyncio.timeout(20):
            events = await bidi_turn(socket)
        assert "search" in transcript(events)
        assert spoke(events)
