"""Subject: this project's engine: `InMemoryRunner.run_live` on its Gemini connection, every event down as JSON."""

from __future__ import annotations

import os

import gateway


async def serve(mock: str) -> int:
    os.environ["GOOGLE_GEMINI_BASE_URL"] = mock
    os.environ["GOOGLE_API_KEY"] = "x"
    from fullduplex import Agent, InMemoryRunner, LiveRequestQueue, RunConfig, types

    agent = Agent(name="bench", model="gemini-2.5-flash-native-audio-preview-12-2025", instruction="Talk.")
    runner = InMemoryRunner(agent, app_name="bench")
    config = RunConfig(response_modalities=["AUDIO"])

    async def converse(call: gateway.Call) -> None:
        where = {"user_id": "user", "session_id": f"s{call.number}"}
        await runner.session_service.create_session(app_name="bench", **where)
        queue = LiveRequestQueue()
        call.on_audio = lambda pcm: queue.send_realtime(types.Blob(data=pcm, mime_type="audio/pcm;rate=16000"))
        call.on_hangup = queue.close
        try:
            async for event in runner.run_live(**where, live_request_queue=queue, run_config=config):
                call.send(event.model_dump_json(exclude_none=True, by_alias=True))
        finally:
            await runner.session_service.delete_session(app_name="bench", **where)

    return await gateway.serve_calls(converse)


if __name__ == "__main__":
    gateway.main(serve, ["fullduplex", "msgspec", "picows", "uvloop"])
