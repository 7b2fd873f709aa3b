"""An app that is slow to read its events costs neither the connection nor the conversation."""

from __future__ import annotations

import asyncio

import pytest

from fullduplex import Event, LiveRequestQueue
from fullduplex.mock_live import (
    say,
)
from fullduplex.models.gemini import socket as gemini_socket
from tests.live.kit import INTERRUPTED, TURN_COMPLETE, Call, audio, said, text, user, virtual
from tests.live.wire import TEXT, connected, talk, texts


async def dawdle(call: Call, queue: LiveRequestQueue, seconds: float) -> list[Event]:
    """Reads the run's events with a pause after each, as a slow app does; hangs up after the second turn."""
    events: list[Event] = []
    config = TEXT
    session = await call.runner.session_service.create_session(app_name="app", user_id="slow")
    async for event in call.runner.run_live(
        user_id="slow", session_id=session.id, live_request_queue=queue, run_config=config
    ):
        events.append(event)
        await asyncio.sleep(seconds)
        if turns_complete(events) == 2:
            queue.close()
    return events


def turns_complete(events: list[Event]) -> int:
    return sum(bool(event.turn_complete) for event in events)


@pytest.mark.spec(146)
async def test_an_app_that_is_slow_does_not_cost_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemini_socket, "KEEPALIVE_S", 0.1)
    script = [[say("One two three four five six seven eight.")], [say("Good bye.")]]
    async with talk(script) as (server, call):
        await connected(server, 1)
        queue = LiveRequestQueue()
        queue.send_content(user("count"))
        slow = asyncio.create_task(dawdle(call, queue, 0.25))
        await server.wait_for(lambda mock: len(mock.connections) == 2 and mock.connections[1].ready)
        await asyncio.sleep(2.0)
        assert not slow.done()
        queue.send_content(user("good bye"))
        events = await slow
        assert server.connections[1].count("clientContent") == 2
        assert len(server.connections) == 2, "one for each run: none was lost"
        assert texts(events) == ["One two three four five six seven eight.", "Good bye."]
        assert not [event for event in events if event.error_code]


@pytest.mark.spec(146)
@virtual
async def test_an_app_that_takes_a_minute_for_an_event_keeps_nobody_waiting() -> None:
    call = await Call.start()
    await call.connection()
    queue = LiveRequestQueue()
    slow = asyncio.create_task(dawdle(call, queue, 60))
    line = await call.model.opened(2)
    began = asyncio.get_running_loop().time()
    queue.send_content(user("count"))
    await line.wait_sent(1)
    for words in ("One, ", "two, ", "three."):
        line.say(text(words))
    line.say(TURN_COMPLETE)
    queue.send_content(user("and again"))
    await line.wait_sent(2)
    assert asyncio.get_running_loop().time() - began < 1
    line.say(text("No."))
    line.say(TURN_COMPLETE)
    events = await slow
    assert asyncio.get_running_loop().time() - began > 300
    assert texts(events) == ["One, two, three.", "No."]
    assert len(call.model.connections) == 2
    await call.end()


@pytest.mark.spec(184)
@virtual
async def test_an_app_that_takes_audio_no_faster_than_it_is_spoken_is_told_at_once_to_be_silent() -> None:
    """The model sends ten seconds at once; the user cuts in after one. The session keeps what was heard of it."""
    call = await Call.start()
    line, queue = await call.model.opened(), LiveRequestQueue()
    await call.end()
    session = await call.runner.session_service.create_session(app_name="app", user_id="slow")
    run = call.runner.run_live(user_id="slow", session_id=session.id, live_request_queue=queue)
    played: list[float] = []

    async def play() -> float:
        async for event in run:
            if event.interrupted:
                queue.close()
                return asyncio.get_running_loop().time()
            if event.content is not None:
                await asyncio.sleep(0.1)
                played.append(0.1)
        raise AssertionError("the run ended without it")

    playing = asyncio.create_task(play())
    line = await call.model.opened(2)
    line.say(said("One two three four five six seven eight nine ten"))
    for _ in range(100):
        line.say(audio(bytes(4_800)))
    await asyncio.sleep(1.0)
    began = asyncio.get_running_loop().time()
    line.say(INTERRUPTED)
    assert await playing - began <= 0.1 + 0.001, "the chunk that plays is played"
    assert sum(played) == pytest.approx(1.0, abs=0.11)
    await run.aclose()
    saved = await call.runner.session_service.get_session(app_name="app", user_id="slow", session_id=session.id)
    [words] = [event.output_transcription.text for event in saved.events if event.output_transcription]
    assert words == "One"
