"""The agent of `examples/streaming_tools`: it watches a price and a camera, in virtual time and against Mock Live."""

from __future__ import annotations

import asyncio
import io
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from fullduplex import Agent, InMemoryRunner, LiveRequestQueue, RunConfig, Runner, types
from fullduplex.mock_live import MockLive, UserTurn, say, tool_call
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.tools.streaming import PENDING
from tests.live.kit import TURN_COMPLETE, Call, calls, clocked, text, user, virtual

EXAMPLE = Path(__file__).parents[2] / "examples" / "streaming_tools" / "agent.py"


def watcher(model: Any, *, faster: float = 1) -> Agent:
    """The example's agent on another model; its pauses so many times shorter."""
    program = runpy.run_path(str(EXAMPLE))
    agent: Agent = program["root_agent"]
    agent.model = model
    pauses = SimpleNamespace(sleep=lambda delay: asyncio.sleep(delay / faster))
    program["monitor_stock_price"].__globals__["asyncio"] = pauses
    return agent


def updates(connection: ScriptedConnection, call_id: str) -> list[Any]:
    responses = [one for kind, sent in connection.sent if kind == "tool_response" for one in sent]
    return [one.response for one in responses if one.id == call_id]


def picture(shade: int) -> types.Blob:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (shade, shade, shade)).save(buffer, "JPEG")
    return types.Blob(data=buffer.getvalue(), mime_type="image/jpeg")


async def start() -> Call:
    model = ScriptedModel()
    runner = Runner(app_name="app", agent=watcher(model), session_service=InMemorySessionService(), engine=clocked())
    return await Call.start(runner=runner, model=model)


@pytest.mark.spec(103)
@virtual
async def test_the_price_is_told_each_time_that_it_moves() -> None:
    call = await start()
    connection = await call.connection()
    declared = {one.name: one for tool in connection.request.tools for one in tool.function_declarations or ()}
    assert declared["monitor_stock_price"].behavior == "NON_BLOCKING"
    assert declared["monitor_stock_price"].parameters["required"] == ["stock_symbol"]
    assert declared["monitor_video_stream"].parameters is None
    assert declared["stop_streaming"].behavior is None
    await call.play(calls(("c1", "monitor_stock_price", {"stock_symbol": "XYZ"})), text("I watch."), TURN_COMPLETE)
    begun = asyncio.get_running_loop().time()
    times = []
    for count in range(2, 6):
        await connection.wait_sent(count)
        times.append(asyncio.get_running_loop().time() - begun)
    assert times == [pytest.approx(time, abs=0.3) for time in (4, 8, 28, 48)]
    prices = [300, 400, 900, 500]
    assert updates(connection, "c1") == [PENDING, *({"result": f"The price of XYZ is {one} now."} for one in prices)]
    await call.end()


@pytest.mark.spec(103)
@virtual
async def test_the_camera_is_watched_until_the_user_has_seen_enough() -> None:
    call = await start()
    connection = await call.play(calls(("c1", "monitor_video_stream")), TURN_COMPLETE)
    for shade in (10, 10, 200, 200, 10):
        call.queue.send_realtime(picture(shade))
        call.queue.send_content(user("hm"))
        await asyncio.sleep(1)
    changed = {"result": "The picture has changed."}
    assert updates(connection, "c1") == [PENDING, changed, changed]
    await call.play(calls(("c2", "stop_streaming", {"function_name": "monitor_video_stream"})), TURN_COMPLETE)
    assert updates(connection, "c2") == [{"status": "Successfully stopped streaming function monitor_video_stream"}]
    call.queue.send_realtime(picture(200))
    await asyncio.sleep(5)
    assert len(updates(connection, "c1")) == 3
    assert [kind for kind, _ in connection.sent].count("realtime") == 6, "the model sees the frames as well"
    await call.end()


@pytest.mark.spec(103)
async def test_over_a_real_wire_the_model_speaks_about_what_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(turn: UserTurn, _: Any) -> list[Any]:
        if turn.function_responses:
            return [say(f"Heard {turn.function_responses[0]['response']}.")]
        return [tool_call("monitor_stock_price", {"stock_symbol": "XYZ"}), say("I watch.")]

    async with MockLive(reactor=answer) as mock:
        monkeypatch.setenv("GOOGLE_API_KEY", "any")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        runner = InMemoryRunner(agent=watcher("gemini-live-2.5-flash", faster=40), app_name="app")
        session = await runner.session_service.create_session(app_name="app", user_id="u")
        queue, said = LiveRequestQueue(), ""
        queue.send_content(user("watch XYZ"))
        async with asyncio.timeout(20):
            async for event in runner.run_live(
                user_id="u",
                session_id=session.id,
                live_request_queue=queue,
                run_config=RunConfig(response_modalities=["TEXT"]),
            ):
                if event.content is not None and event.content.role == "model" and not event.partial:
                    said += event.content.text
                if "is 500 now" in said:
                    queue.close()
        assert mock.connections[0].notes == []
    assert said.index("pending") < said.index("is 300 now") < said.index("is 900 now")
