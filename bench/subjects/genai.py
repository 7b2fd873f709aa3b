"""Subject: the google-genai client: `aio.live.connect`, every server message down as JSON."""

from __future__ import annotations

import asyncio

import gateway
import plain_genai
from google import genai
from google.genai import types


async def serve(mock: str) -> int:
    plain_genai.patch()
    client = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=mock))
    config = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO])

    async def converse(call: gateway.Call) -> None:
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        call.on_audio = waiting.put_nowait
        call.on_hangup = lambda: waiting.put_nowait(None)
        model = "gemini-2.5-flash-native-audio-preview-12-2025"
        async with client.aio.live.connect(model=model, config=config) as session:

            async def down() -> None:
                while True:
                    async for message in session.receive():
                        call.send(message.model_dump_json(exclude_none=True, by_alias=True))

            receiver = asyncio.create_task(down())
            while (pcm := await waiting.get()) is not None:
                await session.send_realtime_input(audio=types.Blob(data=pcm, mime_type="audio/pcm;rate=16000"))
            receiver.cancel()
            await asyncio.wait([receiver])

    return await gateway.serve_calls(converse)


if __name__ == "__main__":
    gateway.main(serve, ["google-genai", "websockets", "picows", "uvloop"], plain_genai.NOTE)
