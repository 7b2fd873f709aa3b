"""Where events wait for the app: in order, bounded, and never lost but for old audio."""

from __future__ import annotations

import asyncio

import pytest

from fullduplex import types
from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.live import outbox as module
from fullduplex.live.outbox import Outbox
from fullduplex.turns.media_queue import Limits


def sound(seconds: float, number: int = 0) -> Event:
    blob = types.Blob(data=bytes(int(seconds * 24_000) * 2), mime_type="audio/pcm;rate=24000")
    content = types.Content(role="model", parts=[types.Part(inline_data=blob)])
    return Event(content=content, invocation_id=str(number))


async def test_events_leave_in_order_and_then_the_end() -> None:
    outbox = Outbox()
    events = [Event(turn_complete=True), sound(0.1), Event(interrupted=True)]
    for event in events:
        outbox.put(event)
    outbox.end()
    assert [await outbox.get() for _ in range(4)] == [*events, None]
    assert await outbox.get() is None


async def test_a_waiting_reader_is_woken_by_an_event_and_by_the_end() -> None:
    outbox, event = Outbox(), Event()
    for wake, expected in ((lambda: outbox.put(event), event), (outbox.end, None)):
        reader = asyncio.create_task(outbox.get())
        await asyncio.sleep(0)
        wake()
        assert await reader is expected


async def test_a_reader_that_was_cancelled_loses_nothing() -> None:
    outbox = Outbox()
    reader = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put(event := Event())
    reader.cancel()
    await asyncio.wait([reader])
    assert await outbox.get() is event


async def test_of_too_much_unread_audio_the_newest_is_kept_and_all_else(monkeypatch) -> None:
    monkeypatch.setattr(module, "LIMITS", Limits(max_messages=100, max_audio_s=2.0, keep_audio_s=0.5))
    outbox = Outbox()
    outbox.put(Event(interrupted=True))
    for number in range(21):
        outbox.put(sound(0.1, number))
    outbox.put(Event(turn_complete=True))
    outbox.end()
    left = []
    while (event := await outbox.get()) is not None:
        left.append(event)
    assert left[0].interrupted
    assert left[-1].turn_complete
    assert [event.invocation_id for event in left[1:-1]] == ["16", "17", "18", "19", "20"]


@pytest.mark.parametrize(("late_s", "kept"), [(0.05, 3), (0.2, 0)])
async def test_an_interruption_does_not_stand_behind_the_audio_of_an_app_that_is_behind(
    late_s: float, kept: int
) -> None:
    outbox = Outbox()
    words = Event(output_transcription=types.Transcription(text="one"), timestamp=10.0)
    for event in (sound(1.0), words, sound(1.0), sound(1.0)):
        outbox.put(event.model_copy(update={"timestamp": 10.0}))
    outbox.put(Event(interrupted=True, timestamp=10.0 + late_s))
    outbox.put(sound(1.0, 7).model_copy(update={"timestamp": 10.0 + late_s}))
    outbox.end()
    left = []
    while (event := await outbox.get()) is not None:
        left.append(event)
    *before, last = left
    assert last.invocation_id == "7", "the next answer"
    assert len([event for event in before if event.content]) == kept
    assert [event.output_transcription or event.interrupted for event in before if not event.content] == [
        words.output_transcription,
        True,
    ]


async def test_too_many_other_events_are_an_error(monkeypatch) -> None:
    monkeypatch.setattr(module, "LIMITS", Limits(max_messages=3))
    outbox = Outbox()
    for _ in range(3):
        outbox.put(Event())
    with pytest.raises(FullduplexError, match="does not read"):
        outbox.put(Event())
