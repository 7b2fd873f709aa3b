"""`output_key` in live runs: the state has what the agent said."""

from __future__ import annotations

import pytest

from fullduplex import RunConfig
from tests.live.kit import INTERRUPTED, TURN_COMPLETE, Call, audio, said, settle, text, virtual


@pytest.mark.spec(16)
@virtual
async def test_the_state_has_the_text_of_the_whole_run() -> None:
    call = await Call.start(output_key="answer")
    await call.play(text("Hel"), text("lo. "), TURN_COMPLETE)
    assert call.short == ["P:Hel", "P:lo. ", "M:Hello.  state{'answer': 'Hello. '}", "end"]
    await call.play(text("pondering", thought=True), text("Bye."), TURN_COMPLETE)
    await call.end()
    assert (await call.saved()).state["answer"] == "Hello. Bye."


@pytest.mark.spec(17)
@virtual
async def test_the_state_has_what_was_said_aloud() -> None:
    call = await Call.start(output_key="answer")
    await call.play(audio(), said("It is "), said("noon."), said(None, finished=True), TURN_COMPLETE)
    await call.end()
    assert (await call.saved()).state["answer"] == "It is noon."


@virtual
async def test_the_state_has_no_word_that_nobody_heard() -> None:
    call = await Call.start(output_key="answer")
    await call.play(audio(b"\0\1" * 48_000), said("One two three four five six"))
    sound = await call.until(lambda event: event.content)
    call.queue.send_playout(sound.id, 1000.0)
    await settle()
    await call.play(INTERRUPTED)
    call.queue.send_playout(sound.id, 1000.0, cleared=True)
    await call.play(TURN_COMPLETE)
    await call.end()
    saved = await call.saved()
    [heard] = [event.output_transcription.text for event in saved.events if event.output_transcription]
    assert 0 < len(heard) < len("One two three four five six")
    assert saved.state["answer"] == heard


@virtual
async def test_what_is_said_aloud_can_be_left_out() -> None:
    call = await Call.start(output_key="answer", run_config=RunConfig(output_key_from_speech=False))
    await call.play(audio(), said("It is noon.", finished=True), TURN_COMPLETE)
    await call.end()
    assert "answer" not in (await call.saved()).state
