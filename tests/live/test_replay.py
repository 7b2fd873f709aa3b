"""What was sent and not acknowledged when a connection is lost is sent again, once."""

from __future__ import annotations

import asyncio

import pytest

from fullduplex import types
from fullduplex.mock_live import (
    drop,
    say,
)
from fullduplex.testing import tagged_audio
from fullduplex.types.live import ActivityEnd, ActivityStart
from tests.live.kit import TURN_COMPLETE, Call, pcm, settle, text, user, virtual
from tests.live.wire import NATIVE, SPEAKING, connected, memory, speech, talk, texts, turns_over


@pytest.mark.spec(143)
@virtual
async def test_everything_that_was_sent_and_not_acknowledged_is_sent_once_more_in_its_order() -> None:
    call = await Call.start()
    first = await call.connection()
    await settle()
    image = types.Blob(data=b"\xff\xd8\xff\xd9", mime_type="image/jpeg")
    before, after = speech(0, 5), speech(10, 5)
    call.queue.send_content(user("for your information"), partial=True)
    call.queue.send_activity_start()
    for blob in [*before, image]:
        call.queue.send_realtime(blob)
    await first.wait_sent(8)
    first.lose()
    await settle()
    for blob in after:
        call.queue.send_realtime(blob)
    call.queue.send_activity_end()
    call.queue.send_content(user("well?"))
    second = await call.connection(2)
    await second.wait_sent(15)
    await call.end()
    kinds = [kind for kind, _ in second.sent]
    assert kinds == ["partial", "activity", *["realtime"] * 11, "activity", "content"]
    assert isinstance(second.sent[1][1], ActivityStart)
    assert isinstance(second.sent[-2][1], ActivityEnd)
    assert [value for kind, value in second.sent if kind == "realtime"] == [*before, image, *after]
    assert await call.saved_short() == ["user:well?"]


@pytest.mark.spec(143)
@virtual
async def test_what_the_backend_has_consumed_by_its_own_count_is_not_sent_again() -> None:
    call = await Call.start()
    first = await call.connection()
    await settle()
    for number in range(4):
        call.queue.send_content(user(f"note {number}"), partial=True)
    await first.wait_sent(4)
    update = {"newHandle": "h", "resumable": True, "lastConsumedClientMessageIndex": "3"}
    await call.play({"sessionResumptionUpdate": update})
    first.lose()
    second = await call.connection(2)
    await second.wait_sent(1)
    await call.end()
    assert second.request.config.session_resumption.handle == "h"
    assert second.sent == [("partial", user("note 3"))], "the setup is message 0"


@pytest.mark.spec(143)
@virtual
async def test_what_was_answered_is_not_sent_again() -> None:
    call = await Call.start()
    first = await call.connection()
    await settle()
    for blob in [*speech(0, 5), *[pcm()] * 10]:
        call.queue.send_realtime(blob)
        await asyncio.sleep(0.04)
    await call.play({"serverContent": {"inputTranscription": {"text": "hi", "finished": True}}}, text("Hi"))
    await call.play(TURN_COMPLETE)
    first.lose()
    await asyncio.sleep(5)
    second = await call.connection(2)
    await call.end()
    assert [kind for kind, _ in second.sent] == ["history"]


@pytest.mark.spec(143)
@pytest.mark.parametrize("one_blob", [False, True], ids=["a blob for each", "one for those that leave at once"])
async def test_an_utterance_that_a_cut_falls_into_is_heard_whole_and_once(one_blob: bool) -> None:
    def hear(heard: bytes, rate: int) -> str:
        return ",".join(str(number) for number in tagged_audio.decode(heard, rate) if number != tagged_audio.UNREADABLE)

    options = {"hear": hear, "default_silence_ms": 200}
    blob = pcm()
    async with talk(model=NATIVE, run_config=SPEAKING, mock=options) as (server, call):
        await connected(server, 1)
        for number, chunk in enumerate([*speech(0, 25), *[pcm()] * 15]):
            blob.data = chunk.data
            call.queue.send_realtime(blob if one_blob and number <= 10 else chunk)
            if number == 10:
                await server.drop_all()
            await asyncio.sleep(0.04)
        await call.until(turns_over(call, 1))
        heard = [event.input_transcription for event in call.events if event.input_transcription]
        assert [one.text for one in heard if one.finished] == [",".join(str(number) for number in range(50))]
        assert sum(bool(event.turn_complete) for event in call.events) == 1


@pytest.mark.spec(143)
async def test_a_typed_turn_that_was_lost_on_the_way_is_answered_once() -> None:
    script = [[drop()], [say("Here I am.")]]
    async with talk(script) as (server, call):
        call.queue.send_content(user("are you there?"))
        await call.until(turns_over(call, 1))
        assert texts(call.events) == ["Here I am."]
        assert memory(server) == [("user", "are you there?"), ("model", "Here I am.")]
        await call.end()
        assert await call.saved_short() == ["user:are you there?", "usage", "M:Here I am.", "end"]
