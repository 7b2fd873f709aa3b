"""Watches the camera and speaks up when something changes: a streaming tool with the user's input as its own.

    fullduplex web examples/video_watcher/agent.py

Say "watch the camera", and send one picture after another with the page's camera button; an app of your own may send a
video. Without a key the pictures are only compared with each other: it sees that something has changed, and not what.
With GOOGLE_API_KEY and `DEMO_AGENT_MODEL=gemini-…` a Gemini model talks, and `VISION_MODEL` says what is to be seen.
"""

import asyncio
import io
import os
from collections.abc import AsyncGenerator
from typing import Literal

from PIL import Image, ImageChops, ImageStat

from fullduplex import Agent, LiveRequestQueue
from fullduplex.models import LlmRequest, resolve_text
from fullduplex.types import Blob, Content, Part

LOOK_EVERY_S = 0.5
MOVED = 12.0
"""The mean difference between two frames (0 to 255) from which on something has moved."""

VISION_MODEL = os.environ.get("VISION_MODEL", "gemini-2.5-flash") if os.environ.get("GOOGLE_API_KEY") else None


async def watch_camera(input_stream: LiveRequestQueue) -> AsyncGenerator[dict[str, str], None]:
    """Watches the user's camera, and tells when something in the picture changes.

    Examples: "watch the camera", "watch my camera", "keep an eye on the camera", "tell me when something moves",
    "monitor the video".
    """
    before: Image.Image | None = None
    while True:
        frame = await newest_frame(input_stream)
        picture = Image.open(io.BytesIO(frame.data or b"")).convert("L").resize((64, 64))
        if before is not None and difference(before, picture) > MOVED:
            yield {"report": await describe(frame)}
        before = picture
        await asyncio.sleep(LOOK_EVERY_S)


async def newest_frame(input_stream: LiveRequestQueue) -> Blob:
    """The latest of the frames that wait; the first to come when none does."""
    frame: Blob | None = None
    while frame is None or input_stream.qsize():
        request = await input_stream.get()
        if request.blob is not None and request.blob.mime_type == "image/jpeg":
            frame = request.blob
    return frame


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far two pictures of one size are apart: the mean over their pixels, from 0 to 255."""
    return float(ImageStat.Stat(ImageChops.difference(one, other)).mean[0])


async def describe(frame: Blob) -> str:
    """What there is to see: in a model's words where there is one, else only that it has changed."""
    if VISION_MODEL is None:
        return "Something has changed in front of the camera."
    question = Part(text="Say in one short sentence what is to be seen in this picture.")
    request = LlmRequest(contents=[Content(role="user", parts=[Part(inline_data=frame), question])])
    async for answer in resolve_text(VISION_MODEL).generate(request):
        if answer.content is not None:
            return answer.content.text
    return "Something has changed, and I cannot make out what."


def stop_streaming(function_name: Literal["watch_camera"]) -> None:
    """Ends the watching of the camera.

    Examples: "stop watching", "stop watching the camera", "stop the watch".

    Args:
        function_name: The name of the tool to stop.
    """


root_agent = Agent(
    name="lookout",
    model=os.environ.get("DEMO_AGENT_MODEL", "local"),
    description="Watches the camera.",
    instruction="You watch the user's camera. Start the watch when asked, and tell in one short sentence what you are "
    "told of the picture.",
    tools=[watch_camera, stop_streaming],
)
