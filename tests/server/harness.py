"""A real server on a free port in the test's own loop, and a runner that does what a test tells it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from fullduplex.agents import Agent, RunConfig
from fullduplex.events import Event
from fullduplex.requests import LiveRequest, LiveRequestQueue
from fullduplex.server import ServerSettings, create_app
from fullduplex.server.call import Host
from fullduplex.server.serve import LiveServer, bind, uvicorn_config
from fullduplex.sessions import InMemorySessionService
from fullduplex.types import Blob, Content, Part

NATIVE_AUDIO = "gemini-2.5-flash-native-audio-preview-12-2025"

Script = Callable[[LiveRequestQueue], AsyncIterator[Event]]


class ScriptedRunner:
    """Yields what `script` yields, and remembers how it was called and how it ended."""

    def __init__(self, script: Script, *, model: str = NATIVE_AUDIO) -> None:
        self.app_name = "app"
        self.agent = Agent(name="demo", model=model)
        self.session_service = InMemorySessionService()
        self.script = script
        self.requests: list[LiveRequest] = []
        self.configs: list[RunConfig] = []
        self.queues: list[LiveRequestQueue] = []
        self.ended = asyncio.Event()

    async def run_live(
        self, *, user_id: str, session_id: str, live_request_queue: LiveRequestQueue, run_config: RunConfig
    ) -> AsyncGenerator[Event, None]:
        found = await self.session_service.get_session(app_name="app", user_id=user_id, session_id=session_id)
        assert found is not None, "the server makes the session first"
        self.configs.append(run_config)
        self.queues.append(live_request_queue)
        try:
            async for event in self.script(live_request_queue):
                yield event
        finally:
            self.ended.set()


async def requests_of(queue: LiveRequestQueue) -> AsyncIterator[LiveRequest]:
    """What comes up, until the queue is closed."""
    while not (request := await queue.get()).close:
        yield request


async def echo(queue: LiveRequestQueue) -> AsyncIterator[Event]:
    """Says each text back, and names everything else."""
    async for request in requests_of(queue):
        yield Event(author="demo", content=Content(role="model", parts=[Part(text=describe(request))]), partial=True)


def describe(request: LiveRequest) -> str:
    """A request in a few words."""
    if request.content is not None:
        [part] = request.content.parts or []
        if (answer := part.function_response) is not None:
            return f"answer {answer.id} {answer.name} {answer.response}"
        return f"text {part.text}"
    if request.blob is not None:
        return f"blob {request.blob.mime_type} {len(request.blob.data or b'')}"
    names = ("activity_start", "activity_end", "audio_stream_end")
    return next(name for name in names if getattr(request, name))


def audio_event(pcm: bytes) -> Event:
    """The agent's audio, as backends send it."""
    blob = Blob(data=pcm, mime_type="audio/pcm;rate=24000")
    return Event(author="demo", content=Content(role="model", parts=[Part(inline_data=blob)]))


@asynccontextmanager
async def serving(app: FastAPI, settings: ServerSettings | None = None) -> AsyncIterator[str]:
    """The `host:port` of a server that runs `app` meanwhile."""
    settings = settings or ServerSettings(port=0)
    listener = bind(settings)
    host, port = listener.getsockname()[:2]
    started = asyncio.Event()
    server = LiveServer(uvicorn_config(app, settings), on_started=started.set)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await started.wait()
    try:
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def scripted(script: Script, *, model: str = NATIVE_AUDIO, **settings: Any) -> AsyncIterator[Scripted]:
    """A server around a `ScriptedRunner`."""
    runner = ScriptedRunner(script, model=model)
    chosen = ServerSettings(port=0, **settings)
    app = create_app(runner, chosen)
    async with serving(app, chosen) as address:
        yield Scripted(runner, app.state.host, address)


class Scripted:
    """The runner of a server, and the way in."""

    def __init__(self, runner: ScriptedRunner, host: Host, address: str) -> None:
        self.runner = runner
        self.host = host
        self.address = address

    def connect(self, path: str, **options: Any) -> connect:
        """A WebSocket to `path`."""
        return connect(f"ws://{self.address}{path}", compression=None, max_size=None, **options)


async def receive(socket: ClientConnection) -> dict[str, Any]:
    """The next JSON message, within two seconds."""
    async with asyncio.timeout(2):
        message: dict[str, Any] = json.loads(await socket.recv())
        return message


async def text_of(socket: ClientConnection) -> str:
    """The text of the next event."""
    message = await receive(socket)
    return str(message["content"]["parts"][0]["text"])
