"""An agent that keeps an eye on a stock price and on the camera, and speaks up when something happens."""

import asyncio
import io
import os
from collections.abc import AsyncGenerator

from PIL import Image, ImageChops, ImageStat

from fullduplex.agents import Agent, LiveRequestQueue
from fullduplex.tools import FunctionTool


async def monitor_stock_price(stock_symbol: str) -> AsyncGenerator[str, None]:
    """Watches the price of a stock and tells each time that it moves.

    Args:
        stock_symbol: The symbol of the stock, such as XYZ.
    """
    for pause, price in ((4, 300), (4, 400), (20, 900), (20, 500)):  # no exchange: what a quiet day might bring
        await asyncio.sleep(pause)
        yield f"The price of {stock_symbol} is {price} now."


async def monitor_video_stream(input_stream: LiveRequestQueue) -> AsyncGenerator[str, None]:
    """Watches the camera and tells when the picture changes."""
    before = None
    while True:
        newest = None
        while input_stream._queue.qsize() != 0:
            request = await input_stream.get()
            if request.blob is not None and request.blob.mime_type == "image/jpeg":
                newest = request.blob.data
        if newest is not None:
            frame = Image.open(io.BytesIO(newest)).convert("L").resize((32, 32))
            if before is not None and ImageStat.Stat(ImageChops.difference(before, frame)).mean[0] > 20:
                yield "The picture has changed."
            before = frame
        await asyncio.sleep(0.5)


def stop_streaming(function_name: str) -> None:
    """Stops watching.

    Args:
        function_name: The name of the function that watches.
    """


root_agent = Agent(
    name="watcher",
    model=os.getenv("DEMO_AGENT_MODEL", "gemini-2.5-flash-native-audio-preview-12-2025"),
    description="Watches prices and the camera.",
    instruction="""You watch things for the user. Start a function that monitors when they ask for it, and tell in one
short sentence what it reports. Stop it with stop_streaming when they have seen enough.""",
    tools=[monitor_stock_price, monitor_video_stream, FunctionTool(stop_streaming)],
)
