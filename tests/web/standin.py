"""A stand-in for the server: serves the real static files and lets a test play the agent, Event by Event.

It knows the wire protocol and no agent, so that the page is tested alone. Everything runs in the test's own event loop.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

import fullduplex

from .browser import PATIENCE_S

WEB = Path(fullduplex.__file__).parent / "web"

INFO = {
    "agent": "demo_agent",
    "model": "local",
    "engine": "local-rules: a scripted tool router, not a language model",
    "offline": True,
    "version": "0.1.0",
    "tools": ["get_time", "set_timer", "calculate", "roll_dice", "get_weather"],
    "examples": [
        "what time is it in Tokyo",
        "what is the weather in Paris",
        "set a timer for five minutes",
        "what is twelve times seven",
        "roll two dice",
    ],
}

OUTPUT_RATE = 24_000


def tone(seconds: float, hertz: float = 440.0, level: float = 0.3, rate: int = OUTPUT_RATE) -> bytes:
    """A sine as PCM16 mono."""
    at = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * hertz * at) * level * 32_767).astype("<i2").tobytes()


_event_numbers = itertools.count(1)


def event(**fields: Any) -> dict[str, Any]:
    """An Event as the server sends it: the fields that are always there, and the given ones."""
    number = next(_event_numbers)
    always = {
        "invocationId": "e-1",
        "author": "demo_agent",
        "actions": {
            "stateDelta": {},
            "artifactDelta": {},
            "requestedAuthConfigs": {},
            "requestedToolConfirmations": {},
        },
        "nodeInfo": {"path": "demo_agent"},
        "id": f"event-{number}",
        "timestamp": 1_760_000_000.0 + number,
    }
    return {**always, **fields}


def text(words: str, *, partial: bool, **fields: Any) -> dict[str, Any]:
    """A text Event: a delta when `partial`, else a whole segment."""
    return event(content={"role": "model", "parts": [{"text": words}]}, partial=partial, **fields)


def audio(pcm: bytes, *, urlsafe: bool = True, padded: bool = True) -> dict[str, Any]:
    """An audio Event of PCM16 at 24,000 Hz."""
    data = (base64.urlsafe_b64encode(pcm) if urlsafe else base64.b64encode(pcm)).decode()
    blob = {"data": data if padded else data.rstrip("="), "mimeType": f"audio/pcm;rate={OUTPUT_RATE}"}
    return event(content={"role": "model", "parts": [{"inlineData": blob}]})


def heard(words: str, *, finished: bool) -> dict[str, Any]:
    """A transcription of the user."""
    return event(author="user", partial=not finished, inputTranscription={"text": words, "finished": finished})


def spoken(words: str, *, finished: bool, author: str = "demo_agent") -> dict[str, Any]:
    """A transcription of the agent."""
    return event(author=author, partial=not finished, outputTranscription={"text": words, "finished": finished})


def tool_call(call_id: str, name: str, **args: Any) -> dict[str, Any]:
    """A tool call Event."""
    return calling({"id": call_id, "name": name, "args": args})


def calling(call: dict[str, Any], *, long_running: bool = False, **fields: Any) -> dict[str, Any]:
    """A tool call Event, of a call that may be a long-running one."""
    ids = [call["id"]] if long_running else []
    return event(content={"role": "model", "parts": [{"functionCall": call}]}, longRunningToolIds=ids, **fields)


def approval(
    request_id: str, call: dict[str, Any], hint: str = "", *, payload: Any = None, **fields: Any
) -> dict[str, Any]:
    """The Event that asks the user to approve `call`; `payload` is what they are to fill in."""
    wanted = {"hint": hint, "confirmed": False} | ({} if payload is None else {"payload": payload})
    args = {"originalFunctionCall": call, "toolConfirmation": wanted}
    request = {"id": request_id, "name": "adk_request_confirmation", "args": args}
    return calling(request, long_running=True, **fields)


def hand_over(source: str, target: str) -> dict[str, Any]:
    """The Event with which one agent hands the conversation over to another."""
    answer = {"id": "t1", "name": "transfer_to_agent", "response": {"result": None}}
    content = {"role": "user", "parts": [{"functionResponse": answer}]}
    return event(author=source, content=content, actions={"transferToAgent": target})


def tool_response(call_id: str, name: str, response: dict[str, Any]) -> dict[str, Any]:
    """A tool response Event."""
    answer = {"id": call_id, "name": name, "response": response}
    return event(content={"role": "user", "parts": [{"functionResponse": answer}]})


def refusal(code: str, message: str, *, field: str | None = None, session_lives: bool = True) -> dict[str, Any]:
    """The error answer to a frame."""
    return {"type": "error", "code": code, "message": message, "field": field, "sessionLives": session_lives}


class Connection:
    """One WebSocket of a page, seen from the server."""

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.user_id: str = websocket.path_params["user_id"]
        self.session_id: str = websocket.path_params["session_id"]
        self.query: dict[str, str] = dict(websocket.query_params)
        #: What the page sent for the model, in order: JSON messages, and the number of bytes of audio.
        self.frames: list[dict[str, Any] | int] = []
        #: The JSON messages among them.
        self.messages: list[dict[str, Any]] = []
        #: What the page told of its player and asked of the clock, in order.
        self.reports: list[dict[str, Any]] = []
        #: How far this server's clock is ahead of the page's, in ms.
        self.clock_ahead = 1_760_000_000_000.0
        #: Binary frames of the page, in order.
        self.audio: list[bytes] = []
        self.closed = False
        self._changed = asyncio.Condition()

    async def send(self, *messages: dict[str, Any]) -> None:
        """Send messages to the page, each in a frame."""
        for message in messages:
            await self.websocket.send_text(json.dumps(message))

    async def send_apart(self, *messages: dict[str, Any]) -> None:
        """Send audio events as `downlink=binary` asks: each without its data, and then the bytes."""
        for message in messages:
            [part] = message["content"]["parts"]
            blob = dict(part["inlineData"])
            data = base64.urlsafe_b64decode(blob.pop("data"))
            await self.send({**message, "content": {**message["content"], "parts": [{"inlineData": blob}]}})
            await self.websocket.send_bytes(data)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the socket from the server's side."""
        await self.websocket.close(code, reason)

    async def wait(self, condition: Callable[[Connection], object], timeout: float = PATIENCE_S) -> None:
        """Wait until `condition(self)` holds; checked whenever a frame arrives."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: bool(condition(self)))

    async def wait_message(self, kind: str) -> dict[str, Any]:
        """Wait for a message of this type and return the last one."""
        await self.wait(lambda self: any(message.get("type") == kind for message in self.messages))
        return [message for message in self.messages if message.get("type") == kind][-1]

    async def read(self) -> None:
        """Take frames until the page is gone."""
        try:
            while True:
                frame = await self.websocket.receive()
                if frame["type"] == "websocket.disconnect":
                    break
                async with self._changed:
                    if frame.get("bytes") is not None:
                        self.audio.append(frame["bytes"])
                        self.frames.append(len(frame["bytes"]))
                    else:
                        await self._take(json.loads(frame["text"]))
                    self._changed.notify_all()
        except (WebSocketDisconnect, RuntimeError):
            pass  # RuntimeError: the test closed the socket itself
        async with self._changed:
            self.closed = True
            self._changed.notify_all()

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "clock":
            now = message["t0"] + self.clock_ahead
            await self.send({"type": "clock", "t0": message["t0"], "t1": now, "t2": now})
        if message["type"] in ("clock", "playout", "turn_times"):
            self.reports.append(message)
        else:
            self.messages.append(message)
            self.frames.append(message)

    def told(self, kind: str, response: str | None = None) -> list[dict[str, Any]]:
        """The reports of one type, of one response if it is named."""
        return [
            report
            for report in self.reports
            if report["type"] == kind and response in (None, report.get("response_id"))
        ]


class _QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Standin:
    """The running server. `connections` holds what was accepted since the last `reset()`."""

    def __init__(self) -> None:
        self.url = ""
        self.info: dict[str, Any] | None = INFO
        self.refusing = False
        self.connections: list[Connection] = []
        self._arrived = asyncio.Condition()

    def reset(self) -> None:
        """Forget what happened: call it before each test."""
        self.info = INFO
        self.refusing = False
        self.connections = []

    async def connection(self, number: int = 1, timeout: float = PATIENCE_S) -> Connection:
        """Wait for the page's first (second, …) connection since the reset."""
        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(lambda: len(self.connections) >= number)
        return self.connections[number - 1]

    async def _websocket(self, websocket: WebSocket) -> None:
        if self.refusing:
            await websocket.close()
            return
        await websocket.accept()
        connection = Connection(websocket)
        async with self._arrived:
            self.connections.append(connection)
            self._arrived.notify_all()
        await connection.read()

    async def _page(self, _request: Request) -> FileResponse:
        return FileResponse(WEB / "index.html")

    async def _info(self, _request: Request) -> JSONResponse:
        return JSONResponse(self.info or {"detail": "Not Found"}, 200 if self.info else 404)

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/api/info", self._info),
                Mount("/static", StaticFiles(directory=WEB)),
                WebSocketRoute("/ws/{user_id}/{session_id}", self._websocket),
            ]
        )

    @classmethod
    @asynccontextmanager
    async def serve(cls) -> AsyncIterator[Standin]:
        """Serve on a free port of the loopback until the block ends."""
        standin = cls()
        config = uvicorn.Config(
            standin._app(), ws="websockets-sansio", lifespan="off", log_level="warning", timeout_graceful_shutdown=1
        )
        server = _QuietServer(config)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            standin.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            serving = asyncio.create_task(server.serve([listener]))
            try:
                yield standin
            finally:
                server.should_exit = True
                await serving
