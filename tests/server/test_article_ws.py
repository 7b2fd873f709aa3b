from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fullduplex.events import Event
from fullduplex.requests import LiveRequestQueue
from fullduplex.types import Content, Modality, Part, Transcription
from tests.server.harness import audio_event, describe, echo, receive, requests_of, scripted

HALF_CASCADE = "gemini-live-2.5-flash"
PCM = b"\xfb\xff\xfe\x00"


def partial(text: str) -> Event:
    return Event(content=Content(role="model", parts=[Part(text=text)]), partial=True)


async def answer_one(queue: LiveRequestQueue) -> AsyncIterator[Event]:
    """One turn for each request, with an event of every kind that the protocol looks at."""
    async for request in requests_of(queue):
        yield partial(describe(request))
        yield Event(content=Content(role="model", parts=[Part(text="merged, not sent again")]), partial=False)
        yield audio_event(PCM)
        yield Event(content=Content(role="model", parts=[Part(text="first"), *audio_event(PCM).content.parts]))
        yield Event(author="user", input_transcription=Transcription(text="not sent"), partial=True)
        yield Event(output_transcription=Transcription(text="spoken"), partial=True)
        yield Event(output_transcription=Transcription(text="spoken", finished=True), partial=False)
        # Flags come first, whatever else is in the event.
        yield partial("hidden by the flag").model_copy(update={"interrupted": True})
        yield Event(turn_complete=True)


def frame(mime: str, data: str) -> str:
    return json.dumps({"mime_type": mime, "data": data})


@pytest.mark.spec(159)
@pytest.mark.parametrize("is_audio", ["true", "false"])
async def test_frames_both_ways(is_audio: str, capsys: pytest.CaptureFixture[str]):
    async with scripted(answer_one, model=HALF_CASCADE) as server:
        async with server.connect(f"/ws/7?is_audio={is_audio}") as socket:
            await socket.send(frame("text/plain", "hello"))
            expected: list[dict[str, Any]] = [
                {"mime_type": "text/plain", "data": "text hello"},
                {"mime_type": "audio/pcm", "data": base64.b64encode(PCM).decode()},
                {"mime_type": "text/plain", "data": "spoken", "is_transcript": True},
                {"turn_complete": None, "interrupted": True},
                {"turn_complete": True, "interrupted": None},
            ]
            if is_audio == "false":
                del expected[1]
            assert [await receive(socket) for _ in expected] == expected
            await socket.send(frame("audio/pcm", base64.b64encode(bytes(640)).decode()))
            assert (await receive(socket))["data"] == "blob audio/pcm 640"
            config = server.runner.configs[0]
            assert config.response_modalities == [Modality.AUDIO if is_audio == "true" else Modality.TEXT]
        await asyncio.wait_for(server.runner.ended.wait(), 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Client #7 connected, audio mode: {is_audio}"
    assert "[CLIENT TO AGENT]: hello" in lines
    assert "[CLIENT TO AGENT]: audio/pcm: 640 bytes." in lines
    assert "[AGENT TO CLIENT]: text/plain: text hello" in lines
    assert ("[AGENT TO CLIENT]: audio/pcm: 4 bytes." in lines) is (is_audio == "true")
    assert "[AGENT TO CLIENT]: {'turn_complete': True, 'interrupted': None}" in lines
    assert lines[-1] == "Client #7 disconnected"


@pytest.mark.spec(159)
async def test_a_voice_only_model_answers_a_typing_client_with_its_transcript():
    async with scripted(answer_one) as server, server.connect("/ws/7?is_audio=false") as socket:
        await socket.send(frame("text/plain", "hello"))
        assert (await receive(socket))["data"] == "text hello"
        assert await receive(socket) == {"mime_type": "text/plain", "data": "spoken", "is_transcript": True}
        assert server.runner.configs[0].response_modalities == [Modality.AUDIO]


@pytest.mark.spec(159)
@pytest.mark.parametrize("path", ["/ws/seven?is_audio=true", "/ws/7"])
async def test_the_user_id_is_a_number_and_is_audio_is_required(path: str):
    async with scripted(echo) as server:
        with pytest.raises(InvalidStatus):
            async with server.connect(path):
                pass
        assert not server.runner.queues


async def test_the_session_of_a_user_is_found_again():
    async with scripted(answer_one) as server:
        for _ in range(2):
            async with server.connect("/ws/7?is_audio=false") as socket:
                await socket.send(frame("text/plain", "hello"))
                await receive(socket)
        listed = await server.runner.session_service.list_sessions(app_name="app", user_id="7")
        assert [session.id for session in listed.sessions] == ["app_7"]


@pytest.mark.spec(160)
@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame("text/html", "<b>"), "unsupported_mime_type"),
        (frame("video/mp4", "AAAA"), "unsupported_mime_type"),
        (frame("audio/pcm", "%%%"), "invalid_base64"),
        ("{", "invalid_json"),
        ('{"data":"x"}', "invalid_message"),
        (b"\0\0", "invalid_message"),
    ],
)
async def test_what_is_not_supported_is_answered_and_ends_only_this_client(bad: str | bytes, code: str):
    async with scripted(answer_one) as server:
        async with server.connect("/ws/1?is_audio=false") as other, server.connect("/ws/2?is_audio=false") as socket:
            await socket.send(bad)
            answer = await receive(socket)
            assert (answer["type"], answer["code"], answer["sessionLives"]) == ("error", code, False)
            if code == "unsupported_mime_type":
                assert answer["message"] == f"Mime type not supported: {json.loads(bad)['mime_type']}"
                assert answer["field"] == "mime_type"
            with pytest.raises(ConnectionClosed) as closed:
                await receive(socket)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1003, code)
            await other.send(frame("text/plain", "still here"))
            assert (await receive(other))["data"] == "text still here"


async def test_an_error_of_the_model_reaches_the_client():
    async def troubled(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        yield Event(error_code="connection_lost", error_message="again soon", recoverable=True)
        async for event in answer_one(queue):
            yield event

    async with scripted(troubled) as server, server.connect("/ws/7?is_audio=false") as socket:
        answer = await receive(socket)
        assert (answer["code"], answer["message"], answer["sessionLives"]) == ("connection_lost", "again soon", True)
        await socket.send(frame("text/plain", "hello"))
        assert (await receive(socket))["data"] == "text hello"
