"""A streaming agent over one WebSocket, in the shape of Google's article on ADK streaming.

    cd examples/article_streaming/app && uvicorn main:app

JSON text frames go both ways: {"mime_type": "text/plain" | "audio/pcm", "data": …}. Only the import lines tell this
program from one for google-adk.
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from dotenv import load_dotenv
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from fullduplex import types
from fullduplex.agents import LiveRequestQueue
from fullduplex.agents.run_config import RunConfig, StreamingMode
from fullduplex.events import Event
from fullduplex.runners import InMemoryRunner
from fullduplex.types import Blob, Content, Part

load_dotenv()  # before the agent: its module reads the environment

from google_search_agent.agent import root_agent  # noqa: E402

APP_NAME = "Streaming example"
STATIC = Path(__file__).parent / "static"

runner = InMemoryRunner(app_name=APP_NAME, agent=root_agent)
app = FastAPI(title=APP_NAME)
app.mount("/static", StaticFiles(directory=STATIC), name="static")


@app.get("/")
async def index() -> FileResponse:
    return FileResponse(STATIC / "index.html")


@app.websocket("/ws/{user_id}")
async def talk(websocket: WebSocket, user_id: int, is_audio: str) -> None:
    await websocket.accept()
    print(f"Client #{user_id} connected, audio mode: {is_audio}")
    events, queue = await start_agent_session(str(user_id), is_audio == "true")
    down = asyncio.create_task(agent_to_client(websocket, events))
    up = asyncio.create_task(client_to_agent(websocket, queue))
    try:
        done, _ = await asyncio.wait((down, up), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except WebSocketDisconnect:
        pass
    except ValueError as error:  # not JSON, or a mime type that this app does not know
        await websocket.close(1003, str(error))
    finally:
        queue.close()
        up.cancel()
        await asyncio.wait((down, up), timeout=5)
        down.cancel()
        print(f"Client #{user_id} disconnected")


async def start_agent_session(user_id: str, is_audio: bool) -> tuple[AsyncGenerator[Event, None], LiveRequestQueue]:
    """A new session of this user, its live run, and the queue that leads into it."""
    session = await runner.session_service.create_session(app_name=APP_NAME, user_id=user_id)
    voice = is_audio or "native-audio" in os.environ.get("DEMO_AGENT_MODEL", "native-audio")
    run_config = RunConfig(
        streaming_mode=StreamingMode.BIDI,
        response_modalities=["AUDIO" if voice else "TEXT"],
        session_resumption=types.SessionResumptionConfig(),
    )
    queue = LiveRequestQueue()
    events = runner.run_live(session=session, live_request_queue=queue, run_config=run_config)
    return events, queue


async def agent_to_client(websocket: WebSocket, events: AsyncGenerator[Event, None]) -> None:
    """Sends what the agent says: the flags that end a turn, else audio and new text as they come."""
    async for event in events:
        if event.turn_complete or event.interrupted:
            flags = {"turn_complete": event.turn_complete, "interrupted": event.interrupted}
            await send(websocket, **flags)
            print(f"[AGENT TO CLIENT]: {flags}")
            continue
        spoken = event.output_transcription
        if spoken and spoken.text and event.partial:
            await send(websocket, mime_type="text/plain", data=spoken.text, is_transcript=True)
            print(f"[AGENT TO CLIENT]: text/plain: {spoken.text}")
        part = event.content and event.content.parts and event.content.parts[0]
        if not part:
            continue
        if part.inline_data and part.inline_data.mime_type.startswith("audio/pcm"):
            audio = part.inline_data.data
            await send(websocket, mime_type="audio/pcm", data=base64.b64encode(audio).decode("ascii"))
            print(f"[AGENT TO CLIENT]: audio/pcm: {len(audio)} bytes.")
        elif part.text and event.partial:
            await send(websocket, mime_type="text/plain", data=part.text)
            print(f"[AGENT TO CLIENT]: text/plain: {part.text}")


async def client_to_agent(websocket: WebSocket, queue: LiveRequestQueue) -> None:
    """Takes what the user types and says to the agent, until the user leaves."""
    while True:
        message = json.loads(await websocket.receive_text())
        mime_type, data = message["mime_type"], message["data"]
        if mime_type == "text/plain":
            queue.send_content(content=Content(role="user", parts=[Part.from_text(text=data)]))
            print(f"[CLIENT TO AGENT]: {data}")
        elif mime_type == "audio/pcm":
            audio = base64.b64decode(data)
            queue.send_realtime(Blob(data=audio, mime_type=mime_type))
            print(f"[CLIENT TO AGENT]: audio/pcm: {len(audio)} bytes.")
        else:
            raise ValueError(f"Mime type not supported: {mime_type}")


async def send(websocket: WebSocket, **message: object) -> None:
    await websocket.send_text(json.dumps(message))
