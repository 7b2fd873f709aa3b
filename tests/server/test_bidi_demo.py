from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import numpy as np
import pytest
from fastapi import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fullduplex.agents import RunConfig
from fullduplex.errors import ModelError, SessionBusy
from fullduplex.events import Event
from fullduplex.requests import Aside, Interrupt, LiveRequestQueue
from fullduplex.server import ServerSettings
from fullduplex.server.call import Call, Host
from fullduplex.server.outbox import ClientTooSlow
from fullduplex.server.protocols.bidi_demo import BidiDemo
from fullduplex.types import Blob, Content, Modality, Part, Transcription
from fullduplex.types.playout import PlayoutReport, TurnTimes
from tests.docs.blocks import labelled
from tests.server.harness import Scripted, ScriptedRunner, audio_event, echo, receive, requests_of, scripted, text_of

PATH = "/ws/alice/s1"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


GOOD: list[tuple[str | bytes, str]] = [
    (bytes(640), "blob audio/pcm;rate=16000 640"),
    ('{"type":"text","text":"hi there"}', "text hi there"),
    (json.dumps({"type": "image", "data": b64(b"jpeg"), "mimeType": "image/jpeg"}), "blob image/jpeg 4"),
    (json.dumps({"type": "image", "data": b64(b"jpeg")}), "blob image/jpeg 4"),
    (json.dumps({"type": "image", "data": b64(b"png!"), "mime_type": "image/png"}), "blob image/png 4"),
    (
        json.dumps({"type": "audio", "mime_type": "audio/pcm;rate=16000", "data": b64(b"\xff\xfe" * 8)}),
        "blob audio/pcm;rate=16000 16",
    ),
    ('{"type":"audio","data":"__79_w"}', "blob audio/pcm;rate=16000 4"),
    (
        '{"type":"tool_response","id":"c1","name":"adk_request_confirmation","response":{"confirmed":true}}',
        "answer c1 adk_request_confirmation {'confirmed': True}",
    ),
    ('{"type":"tool_response","id":"c2","name":"render","response":{},"extra":1}', "answer c2 render {}"),
    ('{"type":"activity_start"}', "activity_start"),
    ('{"type":"activity_end"}', "activity_end"),
    ('{"type":"audio_stream_end"}', "audio_stream_end"),
]

BAD: list[tuple[str | bytes, str, str | None]] = [
    ("not json", "invalid_json", None),
    ('{"type":"text"', "invalid_json", None),
    ("[1,2]", "invalid_message", None),
    ("null", "invalid_message", None),
    ("{}", "invalid_message", "type"),
    ('{"type":"dance"}', "invalid_message", "type"),
    ('{"type":["text"]}', "invalid_message", "type"),
    ('{"type":"text"}', "invalid_message", "text"),
    ('{"type":"text","text":""}', "invalid_message", "text"),
    ('{"type":"text","text":7}', "invalid_message", "text"),
    ('{"type":"image"}', "invalid_message", "data"),
    ('{"type":"image","data":"%%%"}', "invalid_base64", "data"),
    ('{"type":"image","data":"AAAA","mimeType":"text/html"}', "unsupported_mime_type", "mimeType"),
    ('{"type":"audio","data":"AAAA","mimeType":"audio/mp3"}', "unsupported_mime_type", "mimeType"),
    ('{"type":"audio","data":"AAAA"}', "invalid_audio", None),
    (b"odd", "invalid_audio", None),
    (bytes(170_000), "frame_too_large", None),
    ('{"type":"text","text":"' + "x" * 5_000 + '"}', "frame_too_large", None),
    ("[" * 2_000, "invalid_json", None),
    ('{"type":"tool_response","name":"f","response":{}}', "invalid_message", "id"),
    ('{"type":"tool_response","id":7,"name":"f","response":{}}', "invalid_message", "id"),
    ('{"type":"tool_response","id":"","name":"f","response":{}}', "invalid_message", "id"),
    ('{"type":"tool_response","id":"c1","response":{}}', "invalid_message", "name"),
    ('{"type":"tool_response","id":"c1","name":"f"}', "invalid_message", "response"),
    ('{"type":"tool_response","id":"c1","name":"f","response":null}', "invalid_message", "response"),
    ('{"type":"tool_response","id":"c1","name":"f","response":[true]}', "invalid_message", "response"),
    ('{"type":"tool_response","id":"c1","name":"f","response":"yes"}', "invalid_message", "response"),
    (
        '{"type":"tool_response","id":"c1","name":"f","response":{"x":"' + "x" * 5_000 + '"}}',
        "frame_too_large",
        None,
    ),
    ('{"type":"playout","played_ms":1}', "invalid_message", "response_id"),
    ('{"type":"playout","response_id":"r"}', "invalid_message", "played_ms"),
    ('{"type":"playout","response_id":"r","played_ms":-1}', "invalid_message", "played_ms"),
    ('{"type":"playout","response_id":"r","played_ms":NaN}', "invalid_json", None),
    ('{"type":"playout","response_id":"r","played_ms":true}', "invalid_message", "played_ms"),
    ('{"type":"playout","response_id":"r","played_ms":1' + "0" * 400 + "}", "invalid_message", "played_ms"),
    ('{"type":"playout","response_id":"r","played_ms":1,"cleared":"no"}', "invalid_message", "cleared"),
    ('{"type":"turn_times","response_id":"r"}', "invalid_message", "first_audible_at"),
    ('{"type":"turn_times","first_audible_at":1}', "invalid_message", "response_id"),
    (
        '{"type":"turn_times","response_id":"r","first_audible_at":1,"speech_end_at":-1}',
        "invalid_message",
        "speech_end_at",
    ),
    ('{"type":"clock"}', "invalid_message", "t0"),
    ('{"type":"clock","t0":"now"}', "invalid_message", "t0"),
]

ASIDES: list[tuple[str, Aside]] = [
    ('{"type":"playout","response_id":"r","played_ms":12.5}', PlayoutReport("r", 12.5, False)),
    (
        '{"type":"playout","response_id":"r","played_ms":0,"cleared":true,"extra":[]}',
        PlayoutReport("r", 0.0, True),
    ),
    (
        '{"type":"turn_times","response_id":"r","first_audible_at":20.5,"speech_end_at":20}',
        TurnTimes("r", 20.5, 20.0),
    ),
    ('{"type":"turn_times","response_id":"r","first_audible_at":20.5,"speech_end_at":null}', TurnTimes("r", 20.5)),
]


@pytest.mark.spec(164)
async def test_all_messages_arrive_in_order():
    async with scripted(echo) as server, server.connect(PATH) as socket:
        for frame, _ in GOOD:
            await socket.send(frame)
        assert [await text_of(socket) for _ in GOOD] == [expected for _, expected in GOOD]


async def test_a_bad_frame_is_answered_and_the_session_lives_on():
    async with scripted(echo, max_message_bytes=4_000) as server, server.connect(PATH) as socket:
        for number, (frame, code, field) in enumerate(BAD):
            await socket.send(frame)
            answer = await receive(socket)
            assert set(answer) == {"type", "code", "message", "field", "sessionLives"}
            assert (answer["type"], answer["code"], answer["field"]) == ("error", code, field), frame[:60]
            assert answer["sessionLives"] is True
            assert answer["message"]
            await socket.send(json.dumps({"type": "text", "text": str(number)}))
            assert await text_of(socket) == f"text {number}"
        assert len(server.runner.queues) == 1


async def hear_asides(queue: LiveRequestQueue) -> AsyncIterator[Event]:
    """Tells what is said to the engine, one event each."""
    told: asyncio.Queue[Aside] = asyncio.Queue()
    with queue.asides(told.put_nowait):
        yield Event(turn_complete=True)
        while True:
            yield Event(custom_metadata={"aside": repr(await told.get())})


async def test_what_the_player_tells_reaches_the_run_past_all_that_waits():
    async with scripted(hear_asides) as server, server.connect(PATH) as socket:
        await receive(socket)
        await socket.send(bytes(640))  # nobody takes what waits for the model
        for frame, aside in ASIDES:
            await socket.send(frame)
            assert (await receive(socket))["customMetadata"]["aside"] == repr(aside)


@pytest.mark.spec(187)
async def test_an_interrupt_reaches_the_run_past_all_that_waits():
    async def until_interrupted(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        asked: asyncio.Queue[Aside] = asyncio.Queue()
        with queue.asides(asked.put_nowait):
            yield audio_event(bytes(1_920))
            assert isinstance(await asked.get(), Interrupt)
            yield Event(interrupted=True)

    async with scripted(until_interrupted) as server, server.connect(PATH) as socket:
        await receive(socket)
        await socket.send('{"type":"text","text":"this waits"}')
        await socket.send('{"type":"interrupt"}')
        assert (await receive(socket))["interrupted"] is True


async def test_the_clock_is_told_in_ms_since_the_epoch():
    async with scripted(echo) as server, server.connect(PATH) as socket:
        before = time.time() * 1000
        await socket.send('{"type":"clock","t0":12.25}')
        answer = await receive(socket)
        assert (answer["type"], answer["t0"]) == ("clock", 12.25)
        assert before <= answer["t1"] <= answer["t2"] <= time.time() * 1000


def test_the_page_of_the_protocol_shows_what_is_read_and_answered():
    read = []
    for sample in labelled("protocols.md", "aside"):
        answer = BidiDemo(1_000).read(sample, LiveRequestQueue())
        read.append((json.loads(sample)["type"], answer))
    assert [kind for kind, _ in read] == ["playout", "turn_times", "interrupt", "clock"]
    answers = [json.loads(answer) for _, answer in read if answer is not None]
    [shown] = labelled("protocols.md", "clock")
    assert [(list(answer), answer["t0"]) for answer in answers] == [(list(json.loads(shown)), json.loads(shown)["t0"])]


async def test_an_empty_binary_frame_is_no_audio():
    async with scripted(echo) as server, server.connect(PATH) as socket:
        await socket.send(b"")
        await socket.send(bytes(2))
        assert await text_of(socket) == "blob audio/pcm;rate=16000 2"


async def test_a_frame_beyond_the_hard_limit_closes_the_socket():
    async with scripted(echo, max_frame_bytes=10_000) as server, server.connect(PATH) as socket:
        await socket.send(bytes(20_000))
        with pytest.raises(ConnectionClosed) as closed:
            await receive(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@pytest.mark.spec(166)
async def test_events_come_down_as_model_dump_json_writes_them():
    events = [
        Event(author="demo", invocation_id="e-1", content=Content(role="model", parts=[Part(text="Hé")]), partial=True),
        audio_event(b"\xfb\xff\xfe\x00"),
        Event(author="user", input_transcription=Transcription(text="x", finished=True), partial=False),
        Event(author="demo", interrupted=True),
        Event(author="demo", turn_complete=True),
    ]

    async def script(_: LiveRequestQueue) -> AsyncIterator[Event]:
        for event in events:
            yield event

    async with scripted(script) as server, server.connect(PATH) as socket:
        frames = [await asyncio.wait_for(socket.recv(), 2) for _ in events]
        assert frames == [event.model_dump_json(exclude_none=True, by_alias=True) for event in events]
        await asyncio.wait_for(socket.wait_closed(), 2)
        assert socket.close_code == 1000, "the run has ended, so has the call"


def noise(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


async def a_spoken_answer(_: LiveRequestQueue) -> AsyncIterator[Event]:
    """Two seconds of audio as backends send it, words, two media in one event, media without bytes."""
    for number in range(50):
        yield audio_event(noise(1_920 + 2 * (number % 3)))
        if number % 10 == 0:
            words = Transcription(text="one two three", finished=False)
            yield Event(author="demo", output_transcription=words, partial=True)
    picture = Part(inline_data=Blob(data=noise(33), mime_type="image/png"))
    audio = Part(inline_data=Blob(data=noise(480), mime_type="audio/pcm;rate=24000"))
    yield Event(author="demo", content=Content(role="model", parts=[Part(text="see"), picture, audio]))
    yield audio_event(b"")
    yield Event(author="demo", turn_complete=True)


async def come_down(server: Scripted, downlink: str) -> tuple[list[dict[str, Any]], list[bytes], int]:
    """Events without their media and what differs by run, the media in order, and the bytes of all frames."""
    events: list[dict[str, Any]] = []
    media: list[bytes] = []
    size = 0
    async with server.connect(f"{PATH}?downlink={downlink}") as socket:
        missing = 0
        async for frame in socket:
            size += len(frame.encode() if isinstance(frame, str) else frame)
            if isinstance(frame, bytes):
                media.append(frame)
                missing -= 1
                continue
            assert missing == 0, "the bytes of an event follow it at once"
            events.append(json.loads(frame))
            blobs = [
                part["inlineData"] for part in events[-1].get("content", {}).get("parts", []) if "inlineData" in part
            ]
            data = [base64.urlsafe_b64decode(blob.pop("data")) for blob in blobs if "data" in blob]
            media += data
            missing = len(blobs) - len(data)
            assert missing == (len(blobs) if downlink == "binary" else 0)
        assert missing == 0
    unlike = {"id", "timestamp"}
    return [{key: event[key] for key in event if key not in unlike} for event in events], media, size


@pytest.mark.spec(167)
async def test_media_as_binary_frames_is_the_same_bytes_and_fewer_on_the_wire():
    async with scripted(a_spoken_answer) as server:
        events, media, size = await come_down(server, "json")
        bare_events, frames, binary_size = await come_down(server, "binary")
    assert len(media) == 53
    assert frames == media
    assert bare_events == events
    print(f"{binary_size / size:.1%} of {size:,} bytes")
    assert binary_size < 0.8 * size


class CuriousSocket:
    """A slow client that asks for the time while an event is on its way."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.asks = asyncio.Semaphore(0)

    async def receive(self) -> dict[str, str]:
        await self.asks.acquire()
        return {"type": "websocket.receive", "text": '{"type":"clock","t0":1}'}

    async def send(self, message: dict[str, Any]) -> None:
        kind = json.loads(message["text"]).get("type", "event") if "text" in message else "bytes"
        if kind == "event":
            self.asks.release()
        await asyncio.sleep(0.002)
        self.kinds.append(kind)

    async def close(self, code: int, reason: str) -> None:
        pass


async def test_the_time_is_not_told_between_an_event_and_its_bytes():
    async def script(_: LiveRequestQueue) -> AsyncIterator[Event]:
        for _ in range(20):
            yield audio_event(bytes(960))

    socket = CuriousSocket()
    host = Host(ScriptedRunner(script), ServerSettings(port=0))
    wire = BidiDemo(1_000, binary_down=True)
    call = Call(host, cast(WebSocket, socket), wire, user_id="alice", session_id="s1", run_config=RunConfig())
    await call.run()
    assert socket.kinds.count("clock") > 5
    assert [socket.kinds[at + 1] for at, kind in enumerate(socket.kinds) if kind == "event"] == ["bytes"] * 20


def test_the_page_of_the_protocol_shows_an_event_whose_bytes_follow():
    [sample] = labelled("protocols.md", "binary")
    event = Event.model_validate_json(sample)
    [part] = (event.content or Content()).parts or []
    part.inline_data = Blob(data=b"pcm!", mime_type="audio/pcm;rate=24000")
    assert BidiDemo(1_000, binary_down=True).write(event) == [sample, b"pcm!"]
    assert part.inline_data.data == b"pcm!", "others have the event too"


@pytest.mark.parametrize(
    ("query", "model", "expected"),
    [
        ("", "gemini-2.5-flash-native-audio-preview-12-2025", (Modality.AUDIO, True, True, None, None)),
        ("?proactivity=true", "gemini-x-native-audio", (Modality.AUDIO, True, True, True, None)),
        ("?affective_dialog=1&proactivity=0", "gemini-x-native-audio", (Modality.AUDIO, True, True, None, True)),
        ("?modality=TEXT", "gemini-x-native-audio", (Modality.AUDIO, True, True, None, None)),
        ("?proactivity=true", "gemini-live-2.5-flash", (Modality.TEXT, False, True, None, None)),
        ("?modality=AUDIO", "gemini-live-2.5-flash", (Modality.AUDIO, True, True, None, None)),
    ],
)
async def test_the_address_and_the_model_make_the_run_config(query: str, model: str, expected: tuple[Any, ...]):
    async with scripted(echo, model=model) as server, server.connect(PATH + query) as socket:
        await socket.send('{"type":"text","text":"x"}')
        await text_of(socket)
        config = server.runner.configs[0]
        assert config.response_modalities == [expected[0]]
        assert (config.input_audio_transcription is not None) is expected[1]
        assert (config.output_audio_transcription is not None) is expected[1]
        assert (config.session_resumption is not None) is expected[2]
        proactivity = config.proactivity and config.proactivity.proactive_audio
        assert (proactivity, config.enable_affective_dialog) == expected[3:]


@pytest.mark.parametrize(("query", "disabled"), [("", None), ("?vad=server", None), ("?vad=off", True)])
@pytest.mark.parametrize("model", ["gemini-2.5-flash-native-audio-preview-12-2025", "local"])
async def test_the_client_may_find_the_speech_itself(query: str, disabled: bool | None, model: str):
    async with scripted(echo, model=model) as server, server.connect(PATH + query) as socket:
        await socket.send('{"type":"text","text":"x"}')
        await text_of(socket)
        config = server.runner.configs[0].realtime_input_config
        detection = config.automatic_activity_detection if config else None
        assert (detection.disabled if detection else None) is disabled


@pytest.mark.parametrize("query", ["?proactivity=perhaps", "?modality=SMELL", "?vad=maybe", "?downlink=smoke"])
async def test_an_address_that_makes_no_sense_is_refused(query: str):
    async with scripted(echo) as server:
        with pytest.raises(InvalidStatus) as refused:
            async with server.connect(PATH + query):
                pass
        assert refused.value.response.status_code == 403
        assert not server.runner.queues


async def test_a_client_that_leaves_ends_the_run_and_closes_the_queue():
    async with scripted(echo) as server:
        async with server.connect(PATH) as socket:
            await socket.send('{"type":"text","text":"x"}')
            await text_of(socket)
        await asyncio.wait_for(server.runner.ended.wait(), 2)
        assert server.runner.queues[0].closed


async def test_a_run_that_does_not_end_by_itself_is_cancelled_after_the_grace():
    async def stubborn(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        yield Event(turn_complete=True)
        await asyncio.Event().wait()

    async with scripted(stubborn, close_grace_s=0.05) as server:
        async with server.connect(PATH) as socket:
            await receive(socket)
        await asyncio.wait_for(server.runner.ended.wait(), 2)


async def test_an_error_event_of_the_model_is_told_once():
    async def failing(_: LiveRequestQueue) -> AsyncIterator[Event]:
        yield Event(author="demo", error_code="model_not_found", error_message="no such model", recoverable=False)
        raise ModelError("no such model", code="model_not_found")

    async with scripted(failing) as server, server.connect(PATH) as socket:
        event = await receive(socket)
        assert event["errorCode"] == "model_not_found"
        with pytest.raises(ConnectionClosed) as closed:
            await receive(socket)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "model_not_found")


@pytest.mark.parametrize(
    ("error", "code", "close_code"),
    [
        (SessionBusy("taken"), "session_busy", 4409),
        (ModelError("gone", code="quota"), "quota", 1011),
        (ClientTooSlow("x"), "client_too_slow", 1013),
        (ZeroDivisionError("a bug of the agent"), "internal", 1011),
    ],
)
async def test_an_error_without_an_event_is_answered(error: Exception, code: str, close_code: int):
    async def failing(_: LiveRequestQueue) -> AsyncIterator[Event]:
        raise error
        yield

    async with scripted(failing) as server, server.connect(PATH) as socket:
        answer = await receive(socket)
        assert (answer["type"], answer["code"], answer["sessionLives"]) == ("error", code, False)
        assert "bug of the agent" not in answer["message"], "what went wrong inside is for the log"
        with pytest.raises(ConnectionClosed) as closed:
            await receive(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == close_code


async def test_names_in_the_address_are_ids_of_any_kind():
    async with scripted(echo) as server, server.connect("/ws/%C3%A9%20a/s%3A1") as socket:
        await socket.send('{"type":"text","text":"x"}')
        await text_of(socket)
        service = server.runner.session_service
        assert await service.get_session(app_name="app", user_id="é a", session_id="s:1") is not None


async def test_queue_full_is_answered_at_once_and_the_session_lives_on():
    """The server stops reading long before; a run that fills its own queue shows what would be said."""
    filled = asyncio.Event()

    async def full(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        for _ in range(10_000):
            queue.send_activity_start()
        filled.set()
        await asyncio.sleep(0.2)
        async for request in requests_of(queue):
            if request.content is not None:
                yield Event(content=Content(parts=[Part(text=request.content.text)]))

    async with scripted(full, upstream_high_water=20_000) as server, server.connect(PATH) as socket:
        await filled.wait()
        await socket.send('{"type":"text","text":"a"}')
        answer = await receive(socket)
        assert (answer["code"], answer["sessionLives"]) == ("queue_full", True)
        await asyncio.sleep(0.3)
        await socket.send('{"type":"text","text":"b"}')
        assert await text_of(socket) == "b"
