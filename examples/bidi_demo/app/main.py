"""A live agent over one WebSocket, in the shape of the FastAPI application of ADK's guide to bidi-streaming.

    cd examples/bidi_demo/app && uvicorn main:app

Up: binary frames of PCM16 (16,000 Hz, mono) and JSON messages for text, images and activity signals. Down: every event
as JSON. Only the import lines tell this program from one for google-adk.
"""

import asyncio
import base64
import json
import logging
from pathlib import Path

from dotenv import load_dotenv
from fastapi import FastAPI, WebSocket
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from fullduplex import types
from fullduplex.agents import LiveRequestQueue
from fullduplex.agents.run_config import RunConfig, StreamingMode
from fullduplex.runners import Runner
from fullduplex.sessions import InMemorySessionService

load_dotenv()  # before the agent: its module reads the environment

from google_search_agent.agent import root_agent  # noqa: E402

APP_NAME = "bidi-demo"
STATIC = Path(__file__).parent / "static"

logger = logging.getLogger(__name__)

# Phase 1, once: the application. Runner and session service serve all connections.
app = FastAPI(title=APP_NAME)
app.mount("/static", StaticFiles(directory=STATIC), name="static")
session_service = InMemorySessionService()
runner = Runner(app_name=APP_NAME, agent=root_agent, session_service=session_service)


@app.get("/")
async def index() -> FileResponse:
    return FileResponse(STATIC / "index.html")


@app.websocket("/ws/{user_id}/{session_id}")
async def talk(
    websocket: WebSocket, user_id: str, session_id: str, proactivity: bool = False, affective_dialog: bool = False
) -> None:
    await websocket.accept()

    # Phase 2, for each connection: session, settings, queue.
    await get_or_create_session(user_id, session_id)
    run_config = settings_for(str(root_agent.model), proactivity, affective_dialog)
    queue = LiveRequestQueue()

    # Phase 3: both directions at once, until the client leaves or the run ends.
    up = asyncio.create_task(upstream(websocket, queue))
    down = asyncio.create_task(downstream(websocket, user_id, session_id, queue, run_config))
    try:
        done, _ = await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        # Phase 4: closing the queue ends the run.
        queue.close()
        up.cancel()
        await asyncio.wait((up, down), timeout=5)
        down.cancel()


async def get_or_create_session(user_id: str, session_id: str) -> None:
    key = {"app_name": APP_NAME, "user_id": user_id, "session_id": session_id}
    if await session_service.get_session(**key) is None:
        await session_service.create_session(**key)


def settings_for(model: str, proactivity: bool, affective_dialog: bool) -> RunConfig:
    """Voice with transcripts for models that speak, text for the others."""
    if "native-audio" in model or model == "local":
        return RunConfig(
            streaming_mode=StreamingMode.BIDI,
            response_modalities=["AUDIO"],
            input_audio_transcription=types.AudioTranscriptionConfig(),
            output_audio_transcription=types.AudioTranscriptionConfig(),
            session_resumption=types.SessionResumptionConfig(),
            proactivity=types.ProactivityConfig(proactive_audio=True) if proactivity else None,
            enable_affective_dialog=affective_dialog or None,
        )
    if proactivity or affective_dialog:
        logger.warning("%s has neither proactivity nor affective dialog", model)
    return RunConfig(
        streaming_mode=StreamingMode.BIDI,
        response_modalities=["TEXT"],
        input_audio_transcription=None,
        output_audio_transcription=None,
        session_resumption=types.SessionResumptionConfig(),
    )


async def upstream(websocket: WebSocket, queue: LiveRequestQueue) -> None:
    """From the client into the queue; returns when the client has left."""
    while (frame := await websocket.receive())["type"] != "websocket.disconnect":
        if frame.get("bytes") is not None:
            queue.send_realtime(types.Blob(mime_type="audio/pcm;rate=16000", data=frame["bytes"]))
            continue
        message = json.loads(frame["text"])
        kind = message["type"]
        if kind == "text":
            queue.send_content(types.Content(role="user", parts=[types.Part(text=message["text"])]))
        elif kind == "image":
            picture = base64.b64decode(message["data"])
            queue.send_realtime(types.Blob(mime_type=message.get("mimeType", "image/jpeg"), data=picture))
        elif kind == "audio":
            queue.send_realtime(types.Blob(mime_type=message["mime_type"], data=base64.b64decode(message["data"])))
        elif kind == "activity_start":
            queue.send_activity_start()
        elif kind == "activity_end":
            queue.send_activity_end()
        else:
            logger.warning("no message has the type %r", kind)


async def downstream(
    websocket: WebSocket, user_id: str, session_id: str, queue: LiveRequestQueue, run_config: RunConfig
) -> None:
    """From the agent to the client: every event, whole."""
    async for event in runner.run_live(
        user_id=user_id, session_id=session_id, live_request_queue=queue, run_config=run_config
    ):
        await websocket.send_text(event.model_dump_json(exclude_none=True, by_alias=True))
