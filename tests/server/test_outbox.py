from __future__ import annotations

import asyncio

import pytest

from fullduplex.events import Event
from fullduplex.server.outbox import ClientTooSlow, Outbox
from fullduplex.types import Content, Part
from tests.server.harness import audio_event

SECOND = bytes(48_000)


async def drain(outbox: Outbox) -> list[Event | str]:
    outbox.end()
    taken = []
    while (item := await outbox.get()) is not None:
        taken.append(item)
    return taken


def said(text: str) -> Event:
    return Event(content=Content(parts=[Part(text=text)]))


async def test_order_is_kept():
    outbox = Outbox()
    items = [said("a"), audio_event(SECOND), "refused", said("b"), audio_event(SECOND)]
    for item in items:
        outbox.put(item)
    assert await drain(outbox) == items


async def test_the_oldest_audio_goes_and_nothing_else():
    outbox = Outbox(max_audio_s=2.0)
    chunks = [audio_event(SECOND) for _ in range(5)]
    words = [said(str(number)) for number in range(5)]
    for chunk, word in zip(chunks, words, strict=True):
        outbox.put(chunk)
        outbox.put(word)
    assert outbox.dropped_audio_s == pytest.approx(3.0)
    assert outbox.audio_s == pytest.approx(2.0)
    assert len(outbox) == 7
    assert await drain(outbox) == [*words[:3], chunks[3], words[3], chunks[4], words[4]]
    assert outbox.audio_s == 0


async def test_a_chunk_longer_than_the_limit_is_sent():
    outbox = Outbox(max_audio_s=0.5)
    outbox.put(audio_event(SECOND))
    assert len(await drain(outbox)) == 1


async def test_an_interruption_overtakes_audio_when_the_client_is_behind():
    now = 100.0
    outbox = Outbox(now=lambda: now)
    outbox.put(said("before"))
    for _ in range(3):
        outbox.put(audio_event(SECOND))
    now += 0.2
    stop = Event(interrupted=True)
    outbox.put(stop)
    later = audio_event(SECOND)
    outbox.put(later)
    assert outbox.dropped_audio_s == 0, "what nobody wants any more is not lost"
    assert (await drain(outbox))[1:] == [stop, later]


async def test_an_interruption_right_after_audio_changes_nothing():
    outbox = Outbox(now=lambda: 100.0)
    items = [audio_event(SECOND), Event(interrupted=True)]
    for item in items:
        outbox.put(item)
    assert await drain(outbox) == items


async def test_a_client_that_takes_no_messages_is_given_up():
    outbox = Outbox(max_messages=3)
    for number in range(3):
        outbox.put(said(str(number)))
        outbox.put(audio_event(SECOND))
    with pytest.raises(ClientTooSlow):
        outbox.put(said("one too many"))
    await outbox.get()
    outbox.put(said("room again"))


async def test_memory_is_bounded_while_nothing_is_taken():
    outbox = Outbox(max_audio_s=1.0)
    for _ in range(20_000):
        outbox.put(audio_event(bytes(960)))
    assert len(outbox) <= 51
    assert len(outbox._entries) < 2_000


async def test_the_reader_wakes_up():
    outbox = Outbox()
    reader = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put("now")
    assert await reader == "now"
    reader = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.end()
    assert await reader is None
    outbox.put("too late")
    assert await outbox.get() is None
